-- expect 4: validation-under-lock
BEGIN;
SET LOCAL lock_timeout = '3s';
ALTER TABLE accounts ADD CONSTRAINT balance_positive CHECK (balance >= 0) NOT VALID;
ALTER TABLE accounts VALIDATE CONSTRAINT balance_positive;
COMMIT;
