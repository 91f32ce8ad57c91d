-- A default that is the same for all rows is kept in the catalog (ALTER TABLE, notes).
SET lock_timeout TO '5s';
ALTER TABLE customers ADD COLUMN active boolean NOT NULL DEFAULT true;
