-- What stands in quotes and comments is no statement.
/* DROP TABLE users; /* nested */ TRUNCATE users CASCADE; */
INSERT INTO notes (body) VALUES ('DROP TABLE users; -- '), (E'it''s \'; DROP TABLE orders;'), ($q$TRUNCATE a; $q$);
COMMENT ON TABLE notes IS 'never ALTER TABLE notes DROP COLUMN body;';
