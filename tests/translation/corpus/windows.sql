-- postgres: row_number over a partition
SELECT id, row_number() OVER (PARTITION BY customer_id ORDER BY placed_at) FROM orders WHERE customer_id IS NOT NULL ORDER BY id
--> 1 | 1
--> 2 | 2
--> 3 | 1
--> 4 | 2
--> 5 | 1

-- spark: rank and dense_rank
SELECT id, rank() OVER (ORDER BY status), dense_rank() OVER (ORDER BY status) FROM orders ORDER BY id
--> 1 | 3 | 2
--> 2 | 1 | 1
--> 3 | 3 | 2
--> 4 | 6 | 3
--> 5 | 1 | 1
--> 6 | 3 | 2

-- snowflake: QUALIFY keeps the latest row of each
SELECT id, customer_id FROM orders QUALIFY ROW_NUMBER() OVER (PARTITION BY customer_id ORDER BY placed_at DESC) = 1 ORDER BY id
--> 2 | 10
--> 4 | 20
--> 5 | 30
--> 6 | NULL

-- duckdb: QUALIFY names an alias
SELECT id, row_number() OVER (PARTITION BY status ORDER BY id) AS nth FROM orders QUALIFY nth = 1 ORDER BY id
--> 1 | 1
--> 2 | 1
--> 4 | 1

-- bigquery: QUALIFY with WHERE
SELECT id FROM orders WHERE customer_id IS NOT NULL QUALIFY RANK() OVER (PARTITION BY customer_id ORDER BY amount DESC) = 1 ORDER BY id
--> 1
--> 4
--> 5

-- spark: QUALIFY
SELECT id FROM orders QUALIFY row_number() OVER (PARTITION BY status ORDER BY id DESC) = 1 ORDER BY id
--> 4
--> 5
--> 6

-- postgres: lag and lead
SELECT id, lag(amount) OVER (ORDER BY id), lead(amount, 1, 0) OVER (ORDER BY id) FROM orders WHERE id < 4 ORDER BY id
--> 1 | NULL | 80
--> 2 | 120.5 | 15.25
--> 3 | 80 | 0

-- spark: lag with a default
SELECT id, lag(quantity, 2, -1) OVER (ORDER BY id) FROM orders WHERE id < 4 ORDER BY id
--> 1 | -1
--> 2 | -1
--> 3 | 2

-- postgres: a running sum
SELECT id, sum(quantity) OVER (ORDER BY id) FROM orders ORDER BY id
--> 1 | 2
--> 2 | 3
--> 3 | 10
--> 4 | 7
--> 5 | 7
--> 6 | 12

-- bigquery: a frame of rows
SELECT id, SUM(quantity) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM orders ORDER BY id
--> 1 | 3
--> 2 | 10
--> 3 | 5
--> 4 | 4
--> 5 | 2
--> 6 | 5

-- postgres: a frame of a time range
SELECT user_id, happened_at, count(*) OVER (PARTITION BY user_id ORDER BY happened_at RANGE BETWEEN INTERVAL '10 minutes' PRECEDING AND CURRENT ROW) FROM events ORDER BY 1, 2
--> 1 | 2024-05-01 10:00:00 | 1
--> 1 | 2024-05-01 10:05:00 | 2
--> 1 | 2024-05-01 11:00:00 | 1
--> 2 | 2024-05-01 10:01:00 | 1
--> 2 | 2024-05-02 00:00:00 | 1

-- duckdb: a frame of a number range
SELECT id, count(*) OVER (ORDER BY quantity RANGE BETWEEN 2 PRECEDING AND CURRENT ROW) FROM orders ORDER BY id
--> 1 | 3
--> 2 | 2
--> 3 | 2
--> 4 | 1
--> 5 | 1
--> 6 | 1

-- postgres: first_value and last_value
SELECT id, first_value(id) OVER w, last_value(id) OVER w FROM orders WINDOW w AS (PARTITION BY status ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) ORDER BY id
--> 1 | 1 | 6
--> 2 | 2 | 5
--> 3 | 1 | 6
--> 4 | 4 | 4
--> 5 | 2 | 5
--> 6 | 1 | 6

-- snowflake: LAST_VALUE without a frame sees the whole partition
SELECT id, LAST_VALUE(id) OVER (PARTITION BY status ORDER BY id) FROM orders ORDER BY id
--> 1 | 6
--> 2 | 5
--> 3 | 6
--> 4 | 4
--> 5 | 5
--> 6 | 6

-- snowflake: FIRST_VALUE without NULL
SELECT id, FIRST_VALUE(rating) IGNORE NULLS OVER (PARTITION BY status ORDER BY id) FROM orders WHERE status = 'paid' ORDER BY id
--> 1 | 4.5
--> 3 | 4.5
--> 6 | 4.5

-- bigquery: LAST_VALUE without NULL carries forward
SELECT id, LAST_VALUE(rating IGNORE NULLS) OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) FROM orders ORDER BY id
--> 1 | 4.5
--> 2 | 4.5
--> 3 | 3
--> 4 | 1.5
--> 5 | 1.5
--> 6 | 5

-- duckdb: last_value without NULL carries forward
SELECT id, last_value(rating IGNORE NULLS) OVER (ORDER BY id) FROM orders ORDER BY id
--> 1 | 4.5
--> 2 | 4.5
--> 3 | 3
--> 4 | 1.5
--> 5 | 1.5
--> 6 | 5

-- spark: last without NULL carries forward
SELECT id, last(rating, true) OVER (ORDER BY id) FROM orders ORDER BY id
--> 1 | 4.5
--> 2 | 4.5
--> 3 | 3
--> 4 | 1.5
--> 5 | 1.5
--> 6 | 5

-- postgres: ntile, percent_rank and cume_dist
SELECT id, ntile(2) OVER (ORDER BY id), percent_rank() OVER (ORDER BY id), cume_dist() OVER (ORDER BY id) FROM orders WHERE id <= 3 ORDER BY id
--> 1 | 1 | 0 | 0.3333333333333333
--> 2 | 1 | 0.5 | 0.6666666666666666
--> 3 | 2 | 1 | 1

-- postgres: nth_value
SELECT id, nth_value(amount, 2) OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) FROM orders WHERE id <= 3 ORDER BY id
--> 1 | 80
--> 2 | 80
--> 3 | 80

-- mysql: a share of the total
SELECT id, ROUND(amount / SUM(amount) OVER (), 4) FROM orders WHERE id <= 3 ORDER BY id
--> 1 | 0.5585
--> 2 | 0.3708
--> 3 | 0.0707

-- mysql: a window by name
SELECT id, ROW_NUMBER() OVER w, SUM(quantity) OVER w FROM orders WHERE customer_id = 10 WINDOW w AS (ORDER BY id) ORDER BY id
--> 1 | 1 | 2
--> 2 | 2 | 3

-- postgres: a window over an aggregate
SELECT status, sum(amount), rank() OVER (ORDER BY sum(amount) DESC) FROM orders GROUP BY status ORDER BY 3
--> 'paid' | 177.75 | 1
--> 'returned' | 99.99 | 2
--> 'open' | 80 | 3

-- postgres: windows put NULL last
SELECT id, row_number() OVER (ORDER BY rating) FROM orders WHERE id IN (1, 2, 3) ORDER BY id
--> 1 | 2
--> 2 | 3
--> 3 | 1

-- spark: windows put NULL first
SELECT id, row_number() OVER (ORDER BY rating) FROM orders WHERE id IN (1, 2, 3) ORDER BY id
--> 1 | 3
--> 2 | 1
--> 3 | 2

-- mysql: windows put NULL first
SELECT id, ROW_NUMBER() OVER (ORDER BY rating) FROM orders WHERE id IN (1, 2, 3) ORDER BY id
--> 1 | 3
--> 2 | 1
--> 3 | 2

-- bigquery: windows put NULL last when descending
SELECT id, ROW_NUMBER() OVER (ORDER BY rating DESC) FROM orders WHERE id IN (1, 2, 3) ORDER BY id
--> 1 | 1
--> 2 | 3
--> 3 | 2

-- snowflake: windows put NULL first when descending
SELECT id, ROW_NUMBER() OVER (ORDER BY rating DESC) FROM orders WHERE id IN (1, 2, 3) ORDER BY id
--> 1 | 2
--> 2 | 1
--> 3 | 3

-- snowflake: RATIO_TO_REPORT
SELECT id, ROUND(RATIO_TO_REPORT(amount) OVER (), 4) FROM orders WHERE id <= 2 ORDER BY id
--> 1 | 0.601
--> 2 | 0.399

-- postgres: EXCLUDE CURRENT ROW
SELECT id, sum(quantity) OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING EXCLUDE CURRENT ROW) FROM orders WHERE id <= 3 ORDER BY id
--> 1 | 8
--> 2 | 9
--> 3 | 3

-- snowflake: CONDITIONAL_TRUE_EVENT counts sessions
SELECT user_id, happened_at, CONDITIONAL_TRUE_EVENT(kind = 'view') OVER (PARTITION BY user_id ORDER BY happened_at) FROM events WHERE user_id = 1 ORDER BY happened_at
--> 1 | 2024-05-01 10:00:00 | 1
--> 1 | 2024-05-01 10:05:00 | 1
--> 1 | 2024-05-01 11:00:00 | 2
