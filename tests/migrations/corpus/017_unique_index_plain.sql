-- expect 1: missing-lock-timeout, missing-statement-timeout, blocking-index, unique-on-existing-rows
CREATE UNIQUE INDEX users_email ON app.users(email) INCLUDE (id);
