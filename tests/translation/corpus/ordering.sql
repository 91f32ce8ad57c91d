-- postgres: NULL is last, and first when descending
SELECT id FROM orders ORDER BY rating DESC, id LIMIT 3
--> 2
--> 5
--> 6

-- postgres: NULL is last when ascending
SELECT id FROM orders ORDER BY rating, id
--> 4
--> 3
--> 1
--> 6
--> 2
--> 5

-- duckdb: NULL is last either way
SELECT id FROM orders ORDER BY rating DESC, id
--> 6
--> 1
--> 3
--> 4
--> 2
--> 5

-- spark: NULL is first when ascending
SELECT id FROM orders ORDER BY rating, id
--> 2
--> 5
--> 4
--> 3
--> 1
--> 6

-- spark: NULL is last when descending
SELECT id FROM orders ORDER BY rating DESC, id LIMIT 1
--> 6

-- mysql: NULL is first when ascending
SELECT id FROM orders ORDER BY rating, id LIMIT 2
--> 2
--> 5

-- mysql: NULL is last when descending
SELECT id FROM orders ORDER BY rating DESC, id
--> 6
--> 1
--> 3
--> 4
--> 2
--> 5

-- bigquery: NULL is first when ascending
SELECT id FROM orders ORDER BY rating, id LIMIT 3
--> 2
--> 5
--> 4

-- snowflake: NULL is last when ascending
SELECT id FROM orders ORDER BY rating, id
--> 4
--> 3
--> 1
--> 6
--> 2
--> 5

-- snowflake: NULL is first when descending
SELECT id FROM orders ORDER BY rating DESC, id LIMIT 2
--> 2
--> 5

-- bigquery: NULLS LAST said
SELECT id FROM orders ORDER BY rating NULLS LAST, id LIMIT 1
--> 4

-- postgres: LIMIT and OFFSET
SELECT id FROM orders ORDER BY id LIMIT 2 OFFSET 3
--> 4
--> 5

-- mysql: LIMIT with a comma
SELECT id FROM orders ORDER BY id LIMIT 3, 2
--> 4
--> 5

-- postgres: FETCH FIRST
SELECT id FROM orders ORDER BY amount DESC FETCH FIRST 2 ROWS ONLY
--> 1
--> 4

-- snowflake: TOP
SELECT TOP 2 id FROM orders ORDER BY amount DESC
--> 1
--> 4

-- postgres: FETCH FIRST WITH TIES
SELECT status FROM orders ORDER BY status FETCH FIRST 1 ROW WITH TIES
--> 'open'
--> 'open'

-- postgres: order by an expression
SELECT id FROM orders ORDER BY abs(quantity) DESC, id
--> 3
--> 6
--> 4
--> 1
--> 2
--> 5

-- mysql: order by FIELD
SELECT id FROM orders ORDER BY FIELD(status, 'open', 'paid', 'returned'), id
--> 2
--> 5
--> 1
--> 3
--> 6
--> 4

-- spark: order by an ordinal and an alias
SELECT status AS s, count(*) AS c FROM orders GROUP BY status ORDER BY c DESC, 1
--> 'paid' | 3
--> 'open' | 2
--> 'returned' | 1

-- duckdb: ORDER BY ALL
SELECT status, id FROM orders WHERE id < 4 ORDER BY ALL
--> 'open' | 2
--> 'paid' | 1
--> 'paid' | 3

-- postgres: text is ordered by its bytes
SELECT name FROM customers ORDER BY name COLLATE "C"
--> 'Ada'
--> 'Bob'
--> 'dave'
--> 'Çelik'

-- bigquery: LIMIT inside a subquery
SELECT SUM(amount) FROM (SELECT amount FROM orders ORDER BY amount DESC LIMIT 2)
--> 220.49
