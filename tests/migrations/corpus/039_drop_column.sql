-- expect 1: missing-lock-timeout, dropped-column
ALTER TABLE users DROP COLUMN IF EXISTS legacy_token CASCADE;
