-- expect 2: unique-on-existing-rows, unrepeatable-statement
-- expect 3: unrepeatable-statement
SET lock_timeout = '3s';
CREATE UNIQUE INDEX CONCURRENTLY users_email_key ON users (email);
ALTER TABLE users ADD CONSTRAINT users_email_key UNIQUE USING INDEX users_email_key DEFERRABLE INITIALLY DEFERRED;
