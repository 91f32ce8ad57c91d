-- From varchar it is free, from integer it is not: the file does not say which.
-- expect 1: missing-lock-timeout, missing-statement-timeout, type-change
ALTER TABLE orders ALTER status TYPE text;
