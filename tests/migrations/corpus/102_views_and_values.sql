-- The second view is made again, so its readers find it.
-- expect 2: dropped-view
-- expect 5: renamed-enum-value
-- expect 6: dropped-view
SET lock_timeout = '1s'; DROP VIEW sales_summary;
DROP VIEW IF EXISTS sales_total CASCADE;
CREATE VIEW sales_total AS SELECT sum(total) AS total FROM sales;
ALTER TYPE order_status RENAME VALUE 'sent' TO 'shipped';
DROP MATERIALIZED VIEW IF EXISTS sales_by_year;
