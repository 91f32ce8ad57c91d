-- A new column without a default holds only NULL, so the foreign key has nothing to check; but both tables are locked.
-- expect 1: missing-lock-timeout
ALTER TABLE email ADD COLUMN folder_id bigint REFERENCES folders (id);
