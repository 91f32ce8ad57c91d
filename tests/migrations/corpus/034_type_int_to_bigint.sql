-- expect 1: missing-lock-timeout, missing-statement-timeout, type-change
ALTER TABLE orders ALTER COLUMN id TYPE bigint;
