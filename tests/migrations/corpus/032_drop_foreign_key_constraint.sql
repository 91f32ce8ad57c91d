-- expect 2: dropped-foreign-key
SET lock_timeout = '1s';
ALTER TABLE email DROP CONSTRAINT IF EXISTS email_user_id_fkey;
