-- expect 2: unread-statement
SET lock_timeout = '1s';
ALTER TABLE users ADD CONSTRAINT age_check CHEKC (age > 0);
