-- expect 2: rewriting-column, serial-column
-- expect 2: missing-statement-timeout
SET lock_timeout = '1s';
ALTER TABLE imports ADD COLUMN line_number bigserial;
