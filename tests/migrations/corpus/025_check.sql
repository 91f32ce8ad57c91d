-- expect 1: missing-lock-timeout, missing-statement-timeout, blocking-check
ALTER TABLE accounts ADD CONSTRAINT balance_positive CHECK (balance >= 0);
