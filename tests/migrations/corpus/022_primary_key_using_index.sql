-- expect 2: missing-lock-timeout, missing-statement-timeout, unrepeatable-statement
-- expect 1: unique-on-existing-rows
-- Whether the columns may be NULL is not known here; if so, they are read.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS measurements_pkey ON measurements (sensor_id, taken_at);
ALTER TABLE measurements ADD CONSTRAINT measurements_pkey PRIMARY KEY USING INDEX measurements_pkey;
