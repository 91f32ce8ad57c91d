-- transaction: no
SET lock_timeout = '1s';
ALTER TABLE users DROP CONSTRAINT IF EXISTS age_check;
ALTER TABLE users ADD CONSTRAINT age_check CHECK (age > 0) NOT VALID;
