-- Rows that are there are not read until VALIDATE, which before version 18 keeps writers out too.
-- expect 2: domain-revalidation, missing-lock-timeout, missing-statement-timeout
ALTER DOMAIN email ADD CONSTRAINT has_at CHECK (VALUE ~ '@') NOT VALID;
ALTER DOMAIN email VALIDATE CONSTRAINT has_at;
