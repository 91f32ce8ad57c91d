-- Replacing a view needs ACCESS EXCLUSIVE on it, and its readers wait behind that.
-- expect 1: missing-lock-timeout
-- expect 4: dropped-view
CREATE OR REPLACE VIEW active_users AS SELECT * FROM users WHERE active;
GRANT SELECT ON active_users TO reporter;
REVOKE ALL ON users FROM public;
DROP VIEW IF EXISTS inactive_users;
DROP FUNCTION IF EXISTS touch(text, integer);
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE SEQUENCE IF NOT EXISTS ticket_numbers;
