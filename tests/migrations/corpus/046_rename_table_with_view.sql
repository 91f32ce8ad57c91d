BEGIN;
SET LOCAL lock_timeout = '500ms';
ALTER TABLE users RENAME TO accounts;
CREATE VIEW users AS SELECT * FROM accounts;
COMMIT;
