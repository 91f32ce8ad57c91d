-- Same scale, more digits: no rewrite. Another scale: every value is rounded anew.
-- expect 5: type-change
SET lock_timeout = '1s'; SET statement_timeout = '1min';
ALTER TABLE prices ADD COLUMN amount numeric(10, 2);
ALTER TABLE prices ALTER COLUMN amount TYPE numeric(14, 2);
ALTER TABLE prices ALTER COLUMN amount TYPE numeric(14, 4);
