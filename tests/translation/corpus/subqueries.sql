-- postgres: a CTE used twice
WITH paid AS (SELECT * FROM orders WHERE status = 'paid') SELECT (SELECT count(*) FROM paid), (SELECT sum(amount) FROM paid)
--> 3 | 177.75

-- postgres: a recursive CTE
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT sum(i) FROM n
--> 15

-- mysql: a recursive CTE
WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i * 2 FROM n WHERE i < 10) SELECT i FROM n ORDER BY i
--> 1
--> 2
--> 4
--> 8
--> 16

-- snowflake: a recursive CTE without the keyword
WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT COUNT(*) FROM n
--> 3

-- postgres: EXISTS
SELECT name FROM customers c WHERE EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id AND o.amount > 100)
--> 'Ada'

-- mysql: NOT EXISTS
SELECT name FROM customers c WHERE NOT EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id)
--> 'dave'

-- postgres: a correlated scalar subquery
SELECT name, (SELECT max(amount) FROM orders o WHERE o.customer_id = c.id) FROM customers c ORDER BY c.id
--> 'Ada' | 120.5
--> 'Bob' | 99.99
--> 'Çelik' | 0
--> 'dave' | NULL

-- postgres: a row compared with a subquery
SELECT id FROM orders WHERE (customer_id, amount) IN (SELECT customer_id, max(amount) FROM orders GROUP BY customer_id) ORDER BY id
--> 1
--> 4
--> 5

-- postgres: ANY of a subquery
SELECT id FROM orders WHERE amount > ALL (SELECT amount FROM orders WHERE status = 'open') ORDER BY id
--> 1
--> 4

-- postgres: = ANY of a subquery
SELECT id FROM orders WHERE customer_id = ANY (SELECT id FROM customers WHERE country = 'US') ORDER BY id
--> 3
--> 4

-- bigquery: a CTE with a window and a filter
WITH ranked AS (SELECT id, status, ROW_NUMBER() OVER (PARTITION BY status ORDER BY amount DESC) AS rn FROM orders) SELECT id FROM ranked WHERE rn = 1 ORDER BY id
--> 1
--> 2
--> 4

-- spark: a subquery in FROM
SELECT avg(total) FROM (SELECT customer_id, sum(quantity) AS total FROM orders GROUP BY customer_id) t
--> 3

-- duckdb: FROM first
FROM orders SELECT id WHERE amount > 90 ORDER BY id
--> 1
--> 4

-- duckdb: an alias used in the same SELECT
--! postgres: aliases of the same SELECT are not replaced by what they name
--! sqlite: aliases of the same SELECT are not replaced by what they name
--! datafusion: aliases of the same SELECT are not replaced by what they name
SELECT amount * quantity AS total, total * 2 AS twice FROM orders WHERE id = 1
--> 241 | 482

-- snowflake: an alias used in the same SELECT and in WHERE
--! postgres: aliases of the same SELECT are not replaced by what they name
--! datafusion: aliases of the same SELECT are not replaced by what they name
SELECT id, amount * quantity AS total FROM orders WHERE total > 100 ORDER BY id
--> 1 | 241
--> 3 | 106.75
--> 6 | 210

-- duckdb: counts of all rows and of values
SELECT count(*) AS n, count(note) AS notes FROM orders
--> 6 | 5

-- postgres: a CTE marked MATERIALIZED
WITH x AS MATERIALIZED (SELECT id FROM orders WHERE amount > 90) SELECT count(*) FROM x
--> 2

-- mysql: a derived table joined
SELECT c.name, t.total FROM customers c JOIN (SELECT customer_id, SUM(amount) AS total FROM orders GROUP BY customer_id) t ON t.customer_id = c.id ORDER BY c.id
--> 'Ada' | 200.5
--> 'Bob' | 115.24
--> 'Çelik' | 0

-- bigquery: backticks around names
SELECT `o`.`id` AS `order id` FROM `orders` AS `o` WHERE `o`.`id` = 1
--> 1

-- mysql: backticks around names
SELECT `status`, COUNT(*) AS `count` FROM `orders` GROUP BY `status` ORDER BY `count` DESC, `status`
--> 'paid' | 3
--> 'open' | 2
--> 'returned' | 1

-- snowflake: names in upper case
SELECT O.ID, O.AMOUNT FROM ORDERS O WHERE O.ID = 2
--> 2 | 80

-- bigquery: counts by hand instead of PIVOT
SELECT customer_id, SUM(IF(status = 'paid', 1, 0)) AS paid, SUM(IF(status = 'open', 1, 0)) AS open FROM orders WHERE customer_id IS NOT NULL GROUP BY customer_id ORDER BY customer_id
--> 10 | 1 | 1
--> 20 | 1 | 0
--> 30 | 0 | 1

-- snowflake: gaps by LAG in a CTE
WITH d AS (SELECT user_id, happened_at, LAG(happened_at) OVER (PARTITION BY user_id ORDER BY happened_at) AS before FROM events) SELECT user_id, COUNT(*) FROM d WHERE before IS NULL OR DATEDIFF(minute, before, happened_at) > 30 GROUP BY user_id ORDER BY user_id
--> 1 | 2
--> 2 | 2
