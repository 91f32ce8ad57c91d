-- expect 5: missing-lock-timeout
BEGIN;
SET LOCAL lock_timeout = '1s';
ALTER TABLE users ADD COLUMN city text;
COMMIT;
ALTER TABLE users ADD COLUMN street text;
