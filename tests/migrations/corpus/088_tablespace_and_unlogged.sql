-- expect 3: rewriting-option
-- expect 4: rewriting-option
SET lock_timeout = '1s'; SET statement_timeout = '1min';
ALTER TABLE events SET TABLESPACE slow;
ALTER TABLE events SET UNLOGGED;
ALTER TABLE events SET (autovacuum_enabled = false, fillfactor = 80);
