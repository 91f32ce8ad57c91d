-- expect 2: dropped-column
SET lock_timeout = '1s';
ALTER TABLE users
    -- flowc:ignore dropped-column
    DROP COLUMN legacy_token,
    DROP COLUMN legacy_salt;
