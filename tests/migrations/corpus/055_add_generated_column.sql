-- expect 3: rewriting-column
SET lock_timeout = '1s'; SET statement_timeout = '1min';
ALTER TABLE people ADD COLUMN full_name text GENERATED ALWAYS AS (first_name || ' ' || last_name) STORED;
