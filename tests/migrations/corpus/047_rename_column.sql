-- expect 1: missing-lock-timeout, renamed-column
ALTER TABLE users RENAME COLUMN mail TO email;
