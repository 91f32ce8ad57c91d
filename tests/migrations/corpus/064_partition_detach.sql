-- expect 2: blocking-detach
SET lock_timeout = '1s';
ALTER TABLE metrics DETACH PARTITION metrics_2019;
