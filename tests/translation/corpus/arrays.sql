-- postgres: unnest in SELECT
SELECT unnest(ARRAY[3, 1, 2]) AS v ORDER BY v
--> 1
--> 2
--> 3

-- postgres: unnest in FROM
SELECT t.v FROM unnest(ARRAY['a', 'b']) AS t(v) ORDER BY t.v
--> 'a'
--> 'b'

-- bigquery: UNNEST of a literal
SELECT x FROM UNNEST([1, 2, 3]) AS x ORDER BY x
--> 1
--> 2
--> 3

-- bigquery: UNNEST of a column
SELECT c.name, t FROM customers c, UNNEST(c.tags) AS t ORDER BY c.id, t
--> 'Ada' | 'eu'
--> 'Ada' | 'vip'
--> 'Bob' | 'new'

-- postgres: unnest of a column
SELECT c.name, t.tag FROM customers c CROSS JOIN unnest(c.tags) AS t(tag) ORDER BY c.id, t.tag
--> 'Ada' | 'eu'
--> 'Ada' | 'vip'
--> 'Bob' | 'new'

-- spark: explode
SELECT name, explode(tags) AS tag FROM customers ORDER BY name, tag
--> 'Ada' | 'eu'
--> 'Ada' | 'vip'
--> 'Bob' | 'new'

-- spark: LATERAL VIEW explode
SELECT name, tag FROM customers LATERAL VIEW explode(tags) t AS tag ORDER BY name, tag
--> 'Ada' | 'eu'
--> 'Ada' | 'vip'
--> 'Bob' | 'new'

-- duckdb: unnest of a column
SELECT name, unnest(tags) AS tag FROM customers ORDER BY name, tag
--> 'Ada' | 'eu'
--> 'Ada' | 'vip'
--> 'Bob' | 'new'

-- postgres: generate_series of numbers
SELECT i FROM generate_series(1, 10, 3) AS g(i) ORDER BY i
--> 1
--> 4
--> 7
--> 10

-- postgres: generate_series of days
SELECT d::date FROM generate_series(TIMESTAMP '2024-02-28', TIMESTAMP '2024-03-01', INTERVAL '1 day') AS g(d) ORDER BY d
--> 2024-02-28
--> 2024-02-29
--> 2024-03-01

-- duckdb: range leaves its end out
SELECT count(*), max(i) FROM range(0, 10) t(i)
--> 10 | 9

-- duckdb: generate_series of numbers
SELECT sum(i) FROM generate_series(1, 4) t(i)
--> 10

-- bigquery: GENERATE_ARRAY
SELECT n FROM UNNEST(GENERATE_ARRAY(1, 3)) AS n ORDER BY n
--> 1
--> 2
--> 3

-- bigquery: GENERATE_DATE_ARRAY
SELECT d FROM UNNEST(GENERATE_DATE_ARRAY(DATE '2024-02-28', DATE '2024-03-01')) AS d ORDER BY d
--> 2024-02-28
--> 2024-02-29
--> 2024-03-01

-- spark: sequence
SELECT explode(sequence(1, 3)) AS n ORDER BY n
--> 1
--> 2
--> 3

-- postgres: array length and element
SELECT id, cardinality(tags), tags[1] FROM customers WHERE id IN (10, 20) ORDER BY id
--> 10 | 2 | 'vip'
--> 20 | 1 | 'new'

-- postgres: array_length of an empty array is NULL
SELECT array_length(tags, 1) FROM customers WHERE id = 30
--> NULL

-- spark: size and element
SELECT size(tags), tags[0], element_at(tags, 2) FROM customers WHERE id = 10
--> 2 | 'vip' | 'eu'

-- bigquery: ARRAY_LENGTH and OFFSET
SELECT ARRAY_LENGTH(tags), tags[OFFSET(0)], tags[ORDINAL(2)] FROM customers WHERE id = 10
--> 2 | 'vip' | 'eu'

-- bigquery: SAFE_OFFSET beyond the end
SELECT tags[SAFE_OFFSET(5)] FROM customers WHERE id = 10
--> NULL

-- duckdb: len and list element
SELECT len(tags), tags[1], tags[-1] FROM customers WHERE id = 10
--> 2 | 'vip' | 'eu'

-- spark: array_contains
SELECT name FROM customers WHERE array_contains(tags, 'vip')
--> 'Ada'

-- duckdb: list_contains
SELECT name FROM customers WHERE list_contains(tags, 'new')
--> 'Bob'

-- postgres: = ANY of an array
SELECT name FROM customers WHERE 'vip' = ANY (tags)
--> 'Ada'

-- postgres: an array contains an array
SELECT name FROM customers WHERE tags @> ARRAY['eu']
--> 'Ada'

-- bigquery: IN UNNEST
SELECT name FROM customers WHERE 'vip' IN UNNEST(tags)
--> 'Ada'

-- postgres: array_agg with an order
SELECT customer_id, array_agg(id ORDER BY id DESC) FROM orders WHERE customer_id IS NOT NULL GROUP BY customer_id ORDER BY customer_id
--> 10 | [2, 1]
--> 20 | [4, 3]
--> 30 | [5]

-- bigquery: ARRAY_AGG without NULL
SELECT ARRAY_AGG(customer_id IGNORE NULLS ORDER BY id) FROM orders
--> [10, 10, 20, 20, 30]

-- spark: sorted collect_set
SELECT sort_array(collect_set(status)) FROM orders
--> ['open', 'paid', 'returned']

-- spark: collect_list leaves NULL out
SELECT size(collect_list(customer_id)) FROM orders
--> 5

-- snowflake: ARRAY_AGG with an order leaves NULL out
SELECT ARRAY_AGG(customer_id) WITHIN GROUP (ORDER BY id) FROM orders
--> [10, 10, 20, 20, 30]

-- duckdb: list with an order
SELECT list(name ORDER BY id DESC) FROM customers WHERE id < 30
--> ['Bob', 'Ada']

-- postgres: array_to_string
SELECT array_to_string(tags, '+') FROM customers WHERE id = 10
--> 'vip+eu'

-- bigquery: ARRAY_TO_STRING
SELECT ARRAY_TO_STRING(tags, '/') FROM customers WHERE id = 10
--> 'vip/eu'

-- spark: array_join and sort_array
SELECT array_join(sort_array(tags), ',') FROM customers WHERE id = 10
--> 'eu,vip'

-- postgres: string_to_array
SELECT string_to_array(note, ',') FROM orders WHERE id = 5
--> ['a', 'b', '', 'c']

-- bigquery: SPLIT to an array
SELECT SPLIT(note) FROM orders WHERE id = 5
--> ['a', 'b', '', 'c']

-- spark: split has a pattern
SELECT split('a1b2c', '[0-9]')
--> ['a', 'b', 'c']

-- snowflake: SPLIT and ARRAY_SIZE
SELECT ARRAY_SIZE(SPLIT('a,b,c', ','))
--> 3

-- duckdb: string_split and list_aggregate by len
SELECT string_split('x-y-z', '-')[2], len(string_split('x-y-z', '-'))
--> 'y' | 3

-- postgres: arrays joined and extended
SELECT ARRAY[1, 2] || ARRAY[3], array_append(ARRAY[1], 2)
--> [1, 2, 3] | [1, 2]

-- bigquery: ARRAY_CONCAT and ARRAY_REVERSE
SELECT ARRAY_CONCAT([1, 2], [3]), ARRAY_REVERSE([1, 2, 3])
--> [1, 2, 3] | [3, 2, 1]

-- spark: array functions
SELECT array_distinct(array(1, 1, 2)), array_max(array(3, 9, 2)), array_position(array(5, 6), 6)
--> [1, 2] | 9 | 2

-- duckdb: list comprehension
SELECT [x * 2 FOR x IN [1, 2, 3]]
--> [2, 4, 6]

-- duckdb: list_transform and list_filter
SELECT list_transform([1, 2, 3], lambda x: x + 1), list_filter([1, 2, 3], lambda x: x > 1)
--> [2, 3, 4] | [2, 3]

-- spark: transform, filter and exists
SELECT transform(array(1, 2, 3), x -> x + 1), filter(array(1, 2, 3), x -> x > 1)
--> [2, 3, 4] | [2, 3]

-- duckdb: list_sum and list_sort
SELECT list_sum([1, 2, 3]), list_sort([3, 1, 2])
--> 6 | [1, 2, 3]

-- duckdb: a slice of a list
SELECT tags[1:1], [1, 2, 3, 4][2:3] FROM customers WHERE id = 10
--> ['vip'] | [2, 3]

-- duckdb: a struct and its field
SELECT s.a, s.b FROM (SELECT {'a': 1, 'b': 'x'} AS s) t
--> 1 | 'x'

-- bigquery: a struct and its field
SELECT s.a, s.b FROM (SELECT STRUCT(1 AS a, 'x' AS b) AS s)
--> 1 | 'x'

-- spark: named_struct and its field
SELECT s.a, s.b FROM (SELECT named_struct('a', 1, 'b', 'x') AS s)
--> 1 | 'x'

-- duckdb: a map and its value
SELECT MAP {'k': 1, 'l': 2}['l']
--> 2

-- spark: map and its value
SELECT map('k', 1, 'l', 2)['l']
--> 2

-- bigquery: ARRAY of a subquery
SELECT ARRAY(SELECT id FROM customers ORDER BY id)
--> [10, 20, 30, 40]

-- snowflake: FLATTEN
SELECT f.value FROM customers c, LATERAL FLATTEN(INPUT => c.tags) f WHERE c.id = 20
--> 'new'

-- spark: posexplode
SELECT pos, col FROM (SELECT posexplode(array('a', 'b'))) ORDER BY pos
--> 0 | 'a'
--> 1 | 'b'

-- bigquery: UNNEST WITH OFFSET
SELECT x, o FROM UNNEST(['a', 'b']) AS x WITH OFFSET AS o ORDER BY o
--> 'a' | 0
--> 'b' | 1

-- postgres: unnest WITH ORDINALITY
SELECT t.v, t.n FROM unnest(ARRAY['a', 'b']) WITH ORDINALITY AS t(v, n) ORDER BY t.n
--> 'a' | 1
--> 'b' | 2

-- spark: an element of a split by a pattern
SELECT split(status, '[a-e]+')[0] FROM orders WHERE id = 5
--> 'op'
