-- A function that flowc does not know may be volatile.
-- expect 3: rewriting-column
SET lock_timeout = '1s'; SET statement_timeout = '1min';
ALTER TABLE people ADD COLUMN slug text DEFAULT app.make_slug();
