-- expect 3: blocking-reindex, missing-statement-timeout
-- expect 4: blocking-reindex
SET lock_timeout = '1s'; SET statement_timeout = 0;
REINDEX INDEX orders_customer_idx;
REINDEX TABLE app.orders;
REINDEX TABLE CONCURRENTLY app.orders;
REINDEX (CONCURRENTLY) INDEX orders_total_idx;
