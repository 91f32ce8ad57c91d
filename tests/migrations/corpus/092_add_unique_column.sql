-- expect 3: blocking-unique-constraint
SET lock_timeout = '1s'; SET statement_timeout = '1min';
ALTER TABLE people ADD COLUMN badge text UNIQUE;
