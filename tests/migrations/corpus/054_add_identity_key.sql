-- Each row gets a number, and the key's index is built.
-- expect 1: missing-lock-timeout, missing-statement-timeout, rewriting-column, blocking-primary-key
ALTER TABLE imports ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY;
