-- expect 4: blocking-refresh, missing-lock-timeout, missing-statement-timeout
CREATE MATERIALIZED VIEW sales_by_day AS SELECT day, sum(total) FROM sales GROUP BY day WITH NO DATA;
REFRESH MATERIALIZED VIEW sales_by_day;
REFRESH MATERIALIZED VIEW CONCURRENTLY sales_by_month;
REFRESH MATERIALIZED VIEW sales_by_year;
