-- transaction: no
BEGIN;
SET LOCAL lock_timeout = '1s';
ALTER TABLE users ADD COLUMN city text;
CREATE TABLE towns (id bigint PRIMARY KEY);
COMMIT;
