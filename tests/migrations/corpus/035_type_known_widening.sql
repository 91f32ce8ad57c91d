-- varchar(20) to varchar(40) and to text: no rewrite (ALTER TABLE, notes).
-- expect 3: limited-text
-- expect 5: limited-text
SET lock_timeout = '1s'; SET statement_timeout = '1min';
ALTER TABLE orders ADD COLUMN code varchar(20);
ALTER TABLE orders ADD COLUMN note varchar;
ALTER TABLE orders ALTER COLUMN code SET DATA TYPE varchar(40), ALTER note TYPE text;
