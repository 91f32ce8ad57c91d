-- expect 3: blocking-primary-key, unique-on-existing-rows
SET lock_timeout = '2s';
SET statement_timeout = '1h';
ALTER TABLE measurements ADD CONSTRAINT measurements_pkey PRIMARY KEY (sensor_id, taken_at);
