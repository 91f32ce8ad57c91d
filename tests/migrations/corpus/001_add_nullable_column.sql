-- expect 1: missing-lock-timeout
ALTER TABLE customers ADD COLUMN nickname text;
