-- ON ONLY the parent nothing is built; the others are.
-- expect 4: unrepeatable-statement
SET lock_timeout = '1s';
CREATE INDEX IF NOT EXISTS metrics_at ON ONLY metrics (at);
CREATE INDEX CONCURRENTLY IF NOT EXISTS metrics_2026_at ON metrics_2026 (at);
CREATE INDEX CONCURRENTLY metrics_2027_at ON metrics_2027 (at);
ALTER INDEX metrics_at ATTACH PARTITION metrics_2026_at;
