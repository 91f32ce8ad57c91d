-- From version 12 a validated CHECK spares SET NOT NULL the scan.
SET lock_timeout = '2s';
ALTER TABLE recipes ADD CONSTRAINT servings_set CHECK (servings IS NOT NULL) NOT VALID;
UPDATE recipes SET servings = 4 WHERE servings IS NULL AND id < 1000;
ALTER TABLE recipes VALIDATE CONSTRAINT servings_set;
ALTER TABLE recipes ALTER COLUMN servings SET NOT NULL;
ALTER TABLE recipes DROP CONSTRAINT servings_set;
