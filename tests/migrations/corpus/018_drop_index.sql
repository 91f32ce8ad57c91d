-- expect 1: blocking-index-drop, missing-lock-timeout
DROP INDEX IF EXISTS app.users_email;
