-- When it finds two equal rows it leaves an INVALID index behind, and a second run fails.
-- expect 1: unique-on-existing-rows, unrepeatable-statement
CREATE UNIQUE INDEX CONCURRENTLY "users_email_lower" ON "users" (lower("email"));
