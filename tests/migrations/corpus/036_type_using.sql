-- expect 3: type-change
SET lock_timeout = '1s'; SET statement_timeout = '1min';
ALTER TABLE orders ALTER COLUMN payload TYPE jsonb USING payload::jsonb;
