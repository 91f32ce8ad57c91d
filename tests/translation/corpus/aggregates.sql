-- postgres: count, sum, avg, min and max
SELECT count(*), count(customer_id), count(DISTINCT customer_id), sum(quantity), min(amount), max(amount) FROM orders
--> 6 | 5 | 3 | 12 | 0 | 120.5

-- postgres: avg of a decimal
SELECT status, avg(amount) FROM orders GROUP BY status ORDER BY status
--> 'open' | 40
--> 'paid' | 59.25
--> 'returned' | 99.99

-- postgres: avg of integers is a fraction
SELECT avg(quantity) FROM orders
--> 2

-- duckdb: avg of integers is a fraction
SELECT avg(n) FROM metrics
--> 4.25

-- postgres: FILTER
SELECT count(*) FILTER (WHERE status = 'paid'), sum(amount) FILTER (WHERE quantity > 2) FROM orders
--> 3 | 57.25

-- duckdb: FILTER in groups
SELECT customer_id, count(*) FILTER (WHERE status = 'paid') AS paid FROM orders WHERE customer_id IS NOT NULL GROUP BY customer_id ORDER BY customer_id
--> 10 | 1
--> 20 | 1
--> 30 | 0

-- bigquery: COUNTIF
SELECT COUNTIF(status = 'paid'), COUNTIF(rating > 3) FROM orders
--> 3 | 2

-- spark: count_if
SELECT status, count_if(amount > 50) FROM orders GROUP BY status ORDER BY status
--> 'open' | 1
--> 'paid' | 1
--> 'returned' | 1

-- snowflake: COUNT_IF
SELECT COUNT_IF(amount > 50) FROM orders
--> 3

-- duckdb: count_if
SELECT count_if(amount > 50) FROM orders
--> 3

-- mysql: SUM of a condition
SELECT SUM(status = 'paid'), SUM(IF(quantity > 2, quantity, 0)) FROM orders
--> 3 | 12

-- postgres: string_agg with an order
SELECT customer_id, string_agg(status, ',' ORDER BY id) FROM orders WHERE customer_id IS NOT NULL GROUP BY customer_id ORDER BY customer_id
--> 10 | 'paid,open'
--> 20 | 'paid,returned'
--> 30 | 'open'

-- postgres: string_agg with a descending order
SELECT string_agg(name, '; ' ORDER BY name DESC) FROM customers WHERE id < 30
--> 'Bob; Ada'

-- duckdb: string_agg
SELECT string_agg(name, '|' ORDER BY id) FROM customers
--> 'Ada|Bob|Çelik|dave'

-- mysql: GROUP_CONCAT
SELECT GROUP_CONCAT(name ORDER BY id SEPARATOR '; ') FROM customers
--> 'Ada; Bob; Çelik; dave'

-- mysql: GROUP_CONCAT has a comma by default
SELECT GROUP_CONCAT(id ORDER BY id DESC) FROM customers
--> '40,30,20,10'

-- mysql: GROUP_CONCAT of distinct values
SELECT GROUP_CONCAT(DISTINCT status ORDER BY status SEPARATOR ',') FROM orders
--> 'open,paid,returned'

-- snowflake: LISTAGG
SELECT LISTAGG(name, ', ') WITHIN GROUP (ORDER BY id) FROM customers
--> 'Ada, Bob, Çelik, dave'

-- snowflake: LISTAGG of distinct values
SELECT LISTAGG(DISTINCT status, ',') WITHIN GROUP (ORDER BY status) FROM orders
--> 'open,paid,returned'

-- bigquery: STRING_AGG has a comma by default
SELECT STRING_AGG(name ORDER BY id) FROM customers WHERE id < 30
--> 'Ada,Bob'

-- bigquery: STRING_AGG with a separator
SELECT STRING_AGG(CAST(id AS STRING), '-' ORDER BY id DESC) FROM customers
--> '40-30-20-10'

-- bigquery: APPROX_COUNT_DISTINCT
SELECT APPROX_COUNT_DISTINCT(status) FROM orders
--> 3

-- spark: approx_count_distinct
SELECT approx_count_distinct(customer_id) FROM orders
--> 3

-- snowflake: APPROX_COUNT_DISTINCT
SELECT APPROX_COUNT_DISTINCT(kind) FROM events
--> 3

-- duckdb: approx_count_distinct
SELECT approx_count_distinct(status) FROM orders
--> 3

-- postgres: bool_and and bool_or
SELECT bool_and(amount >= 0), bool_or(amount > 500), every(quantity > 0) FROM orders
--> true | false | false

-- bigquery: LOGICAL_AND and LOGICAL_OR
SELECT LOGICAL_AND(amount >= 0), LOGICAL_OR(amount > 500) FROM orders
--> true | false

-- spark: bool_or and every
SELECT bool_or(amount > 100), every(amount > 100) FROM orders
--> true | false

-- postgres: percentile_cont
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY amount) FROM orders
--> 61

-- postgres: percentile_disc
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY quantity) FROM orders
--> 1

-- duckdb: median
SELECT median(quantity) FROM orders
--> 1.5

-- duckdb: quantile_cont
SELECT quantile_cont(quantity, 0.25) FROM orders
--> 0.25

-- snowflake: MEDIAN
SELECT MEDIAN(quantity) FROM orders
--> 1.5

-- spark: percentile is exact
SELECT percentile(quantity, 0.5) FROM orders
--> 1.5

-- postgres: stddev and variance of a sample
SELECT stddev(d), variance(d), stddev_pop(d), var_samp(d) FROM metrics
--> 2 | 4 | 1.7888543819998317 | 4

-- mysql: STDDEV is of the population
SELECT STDDEV(d), STDDEV_SAMP(d), VARIANCE(d), VAR_POP(d) FROM metrics
--> 1.7888543819998317 | 2 | 3.2 | 3.2

-- bigquery: STDDEV is of the sample
SELECT STDDEV(d), VAR_POP(d) FROM metrics
--> 2 | 3.2

-- spark: stddev is of the sample
SELECT stddev(d), variance(d) FROM metrics
--> 2 | 4

-- postgres: corr and covar
SELECT round(corr(n, d)::numeric, 6), covar_pop(n, d) FROM metrics WHERE id <= 3
--> -0.5 | -6.222222222222222

-- duckdb: arg_max and arg_min
SELECT arg_max(id, amount), arg_min(status, amount) FROM orders
--> 1 | 'open'

-- spark: max_by and min_by
SELECT max_by(id, amount), min_by(id, amount) FROM orders
--> 1 | 5

-- snowflake: MAX_BY
SELECT MAX_BY(status, quantity) FROM orders
--> 'paid'

-- bigquery: ANY_VALUE
SELECT customer_id, ANY_VALUE(customer_id) FROM orders WHERE customer_id = 10 GROUP BY customer_id
--> 10 | 10

-- spark: min and max of a text
SELECT min(status), max(status) FROM orders
--> 'open' | 'returned'

-- duckdb: first with an order
SELECT first(status ORDER BY id DESC), last(status ORDER BY id DESC) FROM orders
--> 'paid' | 'paid'

-- duckdb: mode
SELECT mode(status) FROM orders
--> 'paid'

-- postgres: mode
SELECT mode() WITHIN GROUP (ORDER BY status) FROM orders
--> 'paid'

-- postgres: HAVING
SELECT customer_id, sum(amount) FROM orders GROUP BY customer_id HAVING count(*) > 1 ORDER BY customer_id
--> 10 | 200.5
--> 20 | 115.24

-- mysql: HAVING names an alias
SELECT customer_id, COUNT(*) AS c FROM orders GROUP BY customer_id HAVING c > 1 ORDER BY customer_id
--> 10 | 2
--> 20 | 2

-- spark: GROUP BY an ordinal
SELECT year(placed_at), count(*) FROM orders GROUP BY 1 ORDER BY 1
--> 2024 | 5
--> 2025 | 1

-- duckdb: GROUP BY ALL
SELECT status, quantity > 2 AS many, count(*) FROM orders GROUP BY ALL ORDER BY ALL
--> 'open' | false | 2
--> 'paid' | false | 1
--> 'paid' | true | 2
--> 'returned' | false | 1

-- snowflake: GROUP BY an alias
SELECT IFF(amount > 50, 'big', 'small') AS size, COUNT(*) FROM orders GROUP BY size ORDER BY size
--> 'big' | 3
--> 'small' | 3

-- postgres: GROUPING SETS
SELECT status, customer_id, sum(amount) FROM orders WHERE customer_id < 30 GROUP BY GROUPING SETS ((status), (customer_id), ()) ORDER BY status NULLS LAST, customer_id NULLS LAST
--> 'open' | NULL | 80
--> 'paid' | NULL | 135.75
--> 'returned' | NULL | 99.99
--> NULL | 10 | 200.5
--> NULL | 20 | 115.24
--> NULL | NULL | 315.74

-- spark: ROLLUP
SELECT status, count(*) FROM orders GROUP BY ROLLUP (status) ORDER BY status NULLS LAST
--> 'open' | 2
--> 'paid' | 3
--> 'returned' | 1
--> NULL | 6

-- mysql: WITH ROLLUP
SELECT status, COUNT(*) AS c FROM orders GROUP BY status WITH ROLLUP
--> 'open' | 2
--> 'paid' | 3
--> 'returned' | 1
--> NULL | 6

-- snowflake: CUBE and GROUPING
SELECT status, GROUPING(status), COUNT(*) FROM orders GROUP BY CUBE (status) ORDER BY 2, 1
--> 'open' | 0 | 2
--> 'paid' | 0 | 3
--> 'returned' | 0 | 1
--> NULL | 1 | 6

-- postgres: sum of no rows is NULL and count is zero
SELECT sum(amount), count(*), max(id) FROM orders WHERE id > 100
--> NULL | 0 | NULL

-- postgres: count of distinct pairs
SELECT count(DISTINCT (status, customer_id)) FROM orders
--> 6

-- bigquery: AVG ignores NULL
SELECT AVG(rating), COUNT(rating) FROM orders
--> 3.5 | 4

-- mysql: BIT_AND and BIT_OR
SELECT BIT_AND(quantity), BIT_OR(quantity) FROM orders WHERE id IN (1, 3)
--> 2 | 7
