-- transaction: yes
-- expect 2: dropped-foreign-key
SET LOCAL lock_timeout = '1s';
ALTER TABLE email DROP CONSTRAINT fk_user, ADD CONSTRAINT fk_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE SET NULL NOT VALID;
