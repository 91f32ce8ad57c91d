-- postgres: left join keeps rows without a partner
SELECT c.name, o.id FROM customers c LEFT JOIN orders o ON o.customer_id = c.id AND o.status = 'paid' ORDER BY c.id, o.id
--> 'Ada' | 1
--> 'Bob' | 3
--> 'Çelik' | NULL
--> 'dave' | NULL

-- mysql: right join
SELECT o.id, c.name FROM orders o RIGHT JOIN customers c ON o.customer_id = c.id WHERE c.id >= 30 ORDER BY c.id
--> 5 | 'Çelik'
--> NULL | 'dave'

-- postgres: full join
SELECT o.id, c.id FROM orders o FULL JOIN customers c ON c.id = o.customer_id WHERE o.id IS NULL OR c.id IS NULL ORDER BY o.id NULLS LAST
--> 6 | NULL
--> NULL | 40

-- postgres: USING gives one column
SELECT customer_id, a.id, b.id FROM orders a JOIN orders b USING (customer_id) WHERE a.id < b.id ORDER BY a.id
--> 10 | 1 | 2
--> 20 | 3 | 4

-- spark: left semi join
SELECT name FROM customers c LEFT SEMI JOIN orders o ON o.customer_id = c.id ORDER BY name
--> 'Ada'
--> 'Bob'
--> 'Çelik'

-- spark: left anti join
SELECT name FROM customers c LEFT ANTI JOIN orders o ON o.customer_id = c.id
--> 'dave'

-- duckdb: semi and anti join
SELECT id FROM orders SEMI JOIN (SELECT 10 AS customer_id) USING (customer_id) ORDER BY id
--> 1
--> 2

-- duckdb: anti join
SELECT c.id FROM customers c ANTI JOIN orders o ON o.customer_id = c.id
--> 40

-- bigquery: cross join and comma
SELECT a.id, b.id FROM customers a CROSS JOIN customers b WHERE a.id < b.id AND b.id < 40 ORDER BY 1, 2
--> 10 | 20
--> 10 | 30
--> 20 | 30

-- mysql: comma join
SELECT o.id, c.name FROM orders o, customers c WHERE o.customer_id = c.id AND o.amount > 90 ORDER BY o.id
--> 1 | 'Ada'
--> 4 | 'Bob'

-- mysql: STRAIGHT_JOIN
SELECT o.id FROM orders o STRAIGHT_JOIN customers c ON o.customer_id = c.id WHERE c.name = 'Bob' ORDER BY o.id
--> 3
--> 4

-- postgres: a join on a range
SELECT a.id, count(b.id) FROM orders a JOIN orders b ON b.placed_at <= a.placed_at AND b.placed_at > a.placed_at - INTERVAL '30 days' GROUP BY a.id ORDER BY a.id
--> 1 | 1
--> 2 | 2
--> 3 | 2
--> 4 | 2
--> 5 | 1
--> 6 | 2

-- postgres: LATERAL with the latest row of each
SELECT c.name, x.id FROM customers c CROSS JOIN LATERAL (SELECT o.id FROM orders o WHERE o.customer_id = c.id ORDER BY o.placed_at DESC LIMIT 1) x ORDER BY c.id
--> 'Ada' | 2
--> 'Bob' | 4
--> 'Çelik' | 5

-- duckdb: ASOF join
SELECT o.id, e.kind FROM orders o ASOF JOIN events e ON o.placed_at >= e.happened_at ORDER BY o.id
--> 5 | 'buy'
--> 6 | 'buy'

-- postgres: natural join
SELECT count(*) FROM (SELECT id, name FROM customers) a NATURAL JOIN (SELECT id, email FROM customers) b
--> 4

-- snowflake: a self join with aggregates
SELECT c.country, COUNT(o.id), COALESCE(SUM(o.amount), 0) FROM customers c LEFT JOIN orders o ON o.customer_id = c.id GROUP BY c.country ORDER BY c.country
--> 'GB' | 2 | 200.5
--> 'TR' | 1 | 0
--> 'US' | 2 | 115.24
--> NULL | 0 | 0

-- spark: a null-safe join
SELECT o.id FROM orders o JOIN (SELECT CAST(NULL AS BIGINT) AS customer_id) x ON o.customer_id <=> x.customer_id
--> 6

-- duckdb: EXCLUDE of a qualified star
SELECT c.* EXCLUDE (tags, email, country) FROM customers c JOIN orders o ON o.customer_id = c.id WHERE o.id = 1
--> 10 | 'Ada'

-- bigquery: SELECT EXCEPT and REPLACE
SELECT * EXCEPT (tags, email) REPLACE (UPPER(name) AS name) FROM customers WHERE id = 20
--> 20 | 'BOB' | 'US'

-- snowflake: SELECT EXCLUDE
SELECT * EXCLUDE (tags, email, country) FROM customers WHERE id = 20
--> 20 | 'Bob'
