-- expect 2: refused-in-transaction
BEGIN;
VACUUM orders;
COMMIT;
