-- CREATE TABLE … PARTITION OF needs ACCESS EXCLUSIVE on the parent.
-- expect 1: missing-lock-timeout
CREATE TABLE metrics_2026_12 PARTITION OF metrics FOR VALUES FROM ('2026-12-01') TO ('2027-01-01');
