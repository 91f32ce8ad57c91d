-- postgres: coalesce and nullif
SELECT id, coalesce(note, 'none'), nullif(note, '') FROM orders WHERE id IN (2, 4) ORDER BY id
--> 2 | 'none' | NULL
--> 4 | '' | NULL

-- bigquery: IFNULL and COALESCE
SELECT IFNULL(note, '-'), COALESCE(NULL, rating, 0) FROM orders WHERE id = 2
--> '-' | 0

-- mysql: IFNULL and IF
SELECT id, IFNULL(note, '-'), IF(amount > 50, 'big', 'small') FROM orders WHERE id IN (2, 3) ORDER BY id
--> 2 | '-' | 'big'
--> 3 | 'Rush ORDER' | 'small'

-- mysql: ISNULL and the null-safe equal sign
SELECT id, ISNULL(customer_id), customer_id <=> 10 FROM orders WHERE id IN (1, 6) ORDER BY id
--> 1 | 0 | 1
--> 6 | 1 | 0

-- snowflake: NVL, NVL2 and ZEROIFNULL
SELECT NVL(rating, 0), NVL2(rating, 'rated', 'not rated'), ZEROIFNULL(rating) FROM orders WHERE id IN (1, 2) ORDER BY id
--> 4.5 | 'rated' | 4.5
--> 0 | 'not rated' | 0

-- snowflake: IFF and NULLIFZERO
SELECT id, IFF(quantity > 0, 'sale', 'return'), NULLIFZERO(quantity) FROM orders WHERE id IN (4, 5) ORDER BY id
--> 4 | 'return' | -3
--> 5 | 'return' | NULL

-- snowflake: DECODE
SELECT id, DECODE(status, 'paid', 1, 'open', 2, 0) FROM orders ORDER BY id
--> 1 | 1
--> 2 | 2
--> 3 | 1
--> 4 | 0
--> 5 | 2
--> 6 | 1

-- snowflake: DECODE matches NULL
SELECT DECODE(country, 'GB', 'uk', NULL, 'unknown', 'other') FROM customers ORDER BY id
--> 'uk'
--> 'other'
--> 'other'
--> 'unknown'

-- spark: nvl, nvl2 and if
SELECT nvl(note, '-'), nvl2(note, 1, 0), if(rating IS NULL, 'no', 'yes') FROM orders WHERE id = 2
--> '-' | 0 | 'no'

-- spark: ifnull and nullif
SELECT ifnull(rating, -1), nullif(status, 'open') FROM orders WHERE id = 2
--> -1 | NULL

-- spark: decode with NULL
SELECT decode(country, 'GB', 'uk', NULL, 'unknown', 'other') FROM customers ORDER BY id
--> 'uk'
--> 'other'
--> 'other'
--> 'unknown'

-- spark: null-safe equality
SELECT id, country <=> 'GB', country <=> NULL FROM customers WHERE id IN (10, 40) ORDER BY id
--> 10 | true | false
--> 40 | false | true

-- postgres: CASE with ranges
SELECT id, CASE WHEN amount = 0 THEN 'free' WHEN amount < 50 THEN 'low' WHEN amount < 100 THEN 'mid' ELSE 'high' END FROM orders ORDER BY id
--> 1 | 'high'
--> 2 | 'mid'
--> 3 | 'low'
--> 4 | 'mid'
--> 5 | 'free'
--> 6 | 'low'

-- bigquery: simple CASE without ELSE
SELECT CASE status WHEN 'paid' THEN 1 END FROM orders WHERE id IN (1, 2) ORDER BY id
--> 1
--> NULL

-- postgres: IS DISTINCT FROM
SELECT id FROM customers WHERE country IS DISTINCT FROM 'GB' ORDER BY id
--> 20
--> 30
--> 40

-- duckdb: IS NOT DISTINCT FROM
SELECT a.id FROM customers a WHERE a.country IS NOT DISTINCT FROM NULL
--> 40

-- snowflake: EQUAL_NULL
SELECT EQUAL_NULL(country, 'GB'), EQUAL_NULL(country, NULL) FROM customers WHERE id = 40
--> false | true

-- bigquery: a comparison with NULL is NULL
SELECT rating > 3, rating IS NULL FROM orders WHERE id = 2
--> NULL | true

-- postgres: boolean of a condition
SELECT id, amount > 50 AND status = 'paid' FROM orders WHERE id IN (1, 3) ORDER BY id
--> 1 | true
--> 3 | false

-- postgres: IS TRUE and IS NOT TRUE
SELECT id FROM orders WHERE (rating > 3) IS NOT TRUE ORDER BY id
--> 2
--> 3
--> 4
--> 5

-- mysql: XOR
SELECT id FROM orders WHERE (status = 'paid') XOR (amount > 100) ORDER BY id
--> 3
--> 6

-- postgres: NOT IN with NULL finds nothing
SELECT id FROM customers WHERE id NOT IN (SELECT customer_id FROM orders)
-->

-- duckdb: coalesce of several columns
SELECT coalesce(email, country, name) FROM customers ORDER BY id
--> 'ada@example.com'
--> 'bob@mail.example.org'
--> 'TR'
--> 'dave@example.com'

-- snowflake: BOOLOR_AGG
SELECT BOOLOR_AGG(amount > 100), BOOLAND_AGG(amount >= 0) FROM orders
--> true | true

-- spark: a condition used as CASE in a sum
SELECT sum(CASE WHEN status = 'paid' THEN amount ELSE 0 END) FROM orders
--> 177.75

-- bigquery: NULLIF guarding a division
SELECT id, ROUND(amount / NULLIF(quantity, 0), 2) FROM orders WHERE id IN (1, 5) ORDER BY id
--> 1 | 60.25
--> 5 | NULL
