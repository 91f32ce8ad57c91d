-- expect 2: missing-lock-timeout
BEGIN;
LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE;
UPDATE users SET rank = rank + 1 WHERE rank > 5;
COMMIT;
