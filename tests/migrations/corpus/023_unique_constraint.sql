-- expect 1: missing-lock-timeout, missing-statement-timeout, blocking-unique-constraint, unique-on-existing-rows
ALTER TABLE users ADD CONSTRAINT users_email_key UNIQUE (email);
