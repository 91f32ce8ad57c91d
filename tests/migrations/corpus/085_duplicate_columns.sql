-- expect 1: repeated-column
-- expect 2: repeated-column
CREATE TABLE t (id bigint PRIMARY KEY, name text, "name" text);
UPDATE users SET name = 'x', email = 'y', name = 'z' WHERE id = 1;
