-- expect 1: blocking-maintenance, missing-lock-timeout, missing-statement-timeout
-- expect 3: blocking-maintenance
VACUUM FULL ANALYZE orders;
VACUUM (ANALYZE, VERBOSE) orders;
CLUSTER orders USING orders_pkey;
ANALYZE orders;
