-- The CHECK allows NULL when the other column is set.
-- expect 4: not-null-on-existing-rows, missing-statement-timeout
SET lock_timeout = '2s';
ALTER TABLE recipes ADD CONSTRAINT servings_set CHECK (servings IS NOT NULL OR draft) NOT VALID;
ALTER TABLE recipes VALIDATE CONSTRAINT servings_set;
ALTER TABLE recipes ALTER COLUMN servings SET NOT NULL;
