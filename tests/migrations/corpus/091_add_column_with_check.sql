-- PostgreSQL reads the rows for the CHECK of a new column.
-- expect 3: blocking-check
SET lock_timeout = '1s'; SET statement_timeout = '1min';
ALTER TABLE people ADD COLUMN age smallint CHECK (age BETWEEN 0 AND 150);
