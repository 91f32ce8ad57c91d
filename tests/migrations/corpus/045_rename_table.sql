-- expect 1: missing-lock-timeout, renamed-table
ALTER TABLE IF EXISTS users RENAME TO accounts;
