-- expect 5: not-null-on-existing-rows
SET lock_timeout = '2s';
SET statement_timeout = '10s';
ALTER TABLE recipes ADD COLUMN servings bigint;
ALTER TABLE recipes ALTER COLUMN servings SET DEFAULT 4;
ALTER TABLE recipes ALTER COLUMN servings SET NOT NULL;
