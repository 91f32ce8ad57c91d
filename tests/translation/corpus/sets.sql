-- postgres: UNION removes duplicates
SELECT status FROM orders UNION SELECT 'new' ORDER BY 1
--> 'new'
--> 'open'
--> 'paid'
--> 'returned'

-- bigquery: UNION ALL and UNION DISTINCT
SELECT 1 AS v UNION ALL SELECT 1 UNION ALL SELECT 2 ORDER BY v
--> 1
--> 1
--> 2

-- bigquery: UNION DISTINCT
SELECT customer_id FROM orders UNION DISTINCT SELECT 99 ORDER BY customer_id
--> NULL
--> 10
--> 20
--> 30
--> 99

-- bigquery: EXCEPT DISTINCT
SELECT id FROM customers EXCEPT DISTINCT SELECT customer_id FROM orders
--> 40

-- snowflake: MINUS
SELECT id FROM customers MINUS SELECT customer_id FROM orders
--> 40

-- spark: MINUS and INTERSECT
SELECT customer_id FROM orders INTERSECT SELECT id FROM customers ORDER BY customer_id
--> 10
--> 20
--> 30

-- postgres: EXCEPT treats NULL as a value
SELECT customer_id FROM orders EXCEPT SELECT id FROM customers
--> NULL

-- postgres: EXCEPT ALL keeps copies
SELECT status FROM orders EXCEPT ALL SELECT 'paid' ORDER BY 1
--> 'open'
--> 'open'
--> 'paid'
--> 'paid'
--> 'returned'

-- postgres: INTERSECT ALL
SELECT status FROM orders INTERSECT ALL SELECT 'paid'
--> 'paid'

-- duckdb: UNION BY NAME
SELECT 1 AS a, 2 AS b UNION ALL BY NAME SELECT 3 AS b, 4 AS a ORDER BY a
--> 1 | 2
--> 4 | 3

-- postgres: parentheses decide the order of set operations
(SELECT 1 AS v UNION ALL SELECT 2) EXCEPT SELECT 2
--> 1

-- mysql: UNION of queries that are cut
(SELECT id FROM orders ORDER BY amount DESC LIMIT 1) UNION ALL (SELECT id FROM orders ORDER BY amount LIMIT 1) ORDER BY id
--> 1
--> 5

-- spark: SELECT DISTINCT
SELECT DISTINCT status FROM orders ORDER BY status DESC
--> 'returned'
--> 'paid'
--> 'open'

-- postgres: DISTINCT ON keeps the first row of each
SELECT DISTINCT ON (customer_id) customer_id, id FROM orders ORDER BY customer_id, placed_at DESC
--> 10 | 2
--> 20 | 4
--> 30 | 5
--> NULL | 6

-- duckdb: DISTINCT ON
SELECT DISTINCT ON (status) status, id FROM orders ORDER BY status, id
--> 'open' | 2
--> 'paid' | 1
--> 'returned' | 4

-- postgres: VALUES with names
SELECT t.a, t.b FROM (VALUES (1, 'x'), (2, 'y')) AS t(a, b) ORDER BY t.a
--> 1 | 'x'
--> 2 | 'y'

-- spark: inline VALUES
SELECT col1, col2 FROM VALUES (1, 'x'), (2, 'y') ORDER BY col1
--> 1 | 'x'
--> 2 | 'y'

-- snowflake: VALUES with names
SELECT t.a + 1 FROM (VALUES (1), (2)) AS t (a) ORDER BY 1
--> 2
--> 3
