-- expect 2: uncommitted-transaction
SET lock_timeout = '1s';
BEGIN;
ALTER TABLE users ADD COLUMN city text;
