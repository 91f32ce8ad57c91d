-- expect 3: scanning-attach
SET lock_timeout = '1s'; SET statement_timeout = '1min';
ALTER TABLE metrics ATTACH PARTITION metrics_2026_11 FOR VALUES FROM ('2026-11-01') TO ('2026-12-01');
