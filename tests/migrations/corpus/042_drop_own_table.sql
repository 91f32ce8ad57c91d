BEGIN;
CREATE TABLE scratch AS SELECT id FROM users WHERE created_at < '2020-01-01';
DELETE FROM sessions WHERE user_id IN (SELECT id FROM scratch);
DROP TABLE scratch;
COMMIT;
