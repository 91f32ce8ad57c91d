-- postgres: the tilde
SELECT id FROM orders WHERE note ~ '^[A-Z]' ORDER BY id
--> 3

-- postgres: the tilde without case
SELECT id FROM orders WHERE note ~* 'order$' ORDER BY id
--> 3

-- postgres: not the tilde
SELECT id FROM orders WHERE note !~ '[a-z]' ORDER BY id
--> 4

-- postgres: regexp_replace replaces the first match
SELECT regexp_replace('a1b22', '[0-9]+', '#')
--> 'a#b22'

-- postgres: regexp_replace with the flag g
SELECT regexp_replace('a1b22', '[0-9]+', '#', 'g')
--> 'a#b#'

-- postgres: substring with a pattern
SELECT substring('order 4711 paid' FROM '[0-9]+')
--> '4711'

-- postgres: substring with a group
SELECT substring(email FROM '@(.*)$') FROM customers ORDER BY id
--> 'example.com'
--> 'mail.example.org'
--> NULL
--> 'example.com'

-- postgres: groups in a replacement
SELECT regexp_replace('Doe, John', '(\w+), (\w+)', '\2 \1')
--> 'John Doe'

-- postgres: regexp_match gives groups
SELECT (regexp_match('k=v', '(\w)=(\w)'))[2]
--> 'v'

-- spark: rlike
SELECT name FROM customers WHERE name RLIKE '^[a-z]'
--> 'dave'

-- spark: regexp_extract takes the first group
SELECT regexp_extract('order-4711', '([a-z]+)-([0-9]+)', 2), regexp_extract('order-4711', '([a-z]+)-([0-9]+)')
--> '4711' | 'order'

-- spark: regexp_extract without a match is empty
SELECT regexp_extract('abc', '([0-9]+)', 1)
--> ''

-- spark: regexp_replace replaces every match
SELECT regexp_replace('a1b22', '[0-9]+', '#')
--> 'a#b#'

-- spark: groups in a replacement
SELECT regexp_replace('Doe, John', '(\\w+), (\\w+)', '$2 $1')
--> 'John Doe'

-- mysql: REGEXP
SELECT id FROM orders WHERE note REGEXP '^g.ft$'
--> 1

-- mysql: REGEXP_REPLACE replaces every match
SELECT REGEXP_REPLACE('a1b22', '[0-9]+', '#')
--> 'a#b#'

-- mysql: REGEXP_SUBSTR
SELECT REGEXP_SUBSTR('order 4711', '[0-9]+')
--> '4711'

-- bigquery: REGEXP_CONTAINS
SELECT id FROM orders WHERE REGEXP_CONTAINS(note, r'\s') ORDER BY id
--> 3

-- bigquery: REGEXP_EXTRACT takes the group
SELECT REGEXP_EXTRACT(email, r'@(.+)$'), REGEXP_EXTRACT(email, r'[a-z]+') FROM customers WHERE id IN (10, 30) ORDER BY id
--> 'example.com' | 'ada'
--> NULL | NULL

-- bigquery: REGEXP_EXTRACT without a match is NULL
SELECT REGEXP_EXTRACT('abc', r'[0-9]+')
--> NULL

-- bigquery: REGEXP_REPLACE with groups
SELECT REGEXP_REPLACE('Doe, John', r'(\w+), (\w+)', r'\2 \1')
--> 'John Doe'

-- bigquery: REGEXP_EXTRACT_ALL
SELECT REGEXP_EXTRACT_ALL('a1b22c333', r'[0-9]+')
--> ['1', '22', '333']

-- snowflake: REGEXP_LIKE is anchored
SELECT REGEXP_LIKE('abc', 'b'), REGEXP_LIKE('abc', '.*b.*')
--> false | true

-- snowflake: RLIKE is anchored
SELECT name FROM customers WHERE name RLIKE 'B.b'
--> 'Bob'

-- snowflake: REGEXP_SUBSTR
SELECT REGEXP_SUBSTR('order 4711 of 12', '[0-9]+'), REGEXP_SUBSTR('order 4711 of 12', '[0-9]+', 1, 2)
--> '4711' | '12'

-- snowflake: REGEXP_REPLACE replaces every match
SELECT REGEXP_REPLACE('a1b22', '[0-9]+'), REGEXP_REPLACE('a1b22', '[0-9]+', '#')
--> 'ab' | 'a#b#'

-- snowflake: REGEXP_COUNT
SELECT REGEXP_COUNT('a1b22c333', '[0-9]+')
--> 3

-- duckdb: regexp_matches
SELECT regexp_matches('flowc', '^fl'), regexp_matches('flowc', 'x')
--> true | false

-- duckdb: regexp_full_match
SELECT regexp_full_match('flowc', 'fl'), regexp_full_match('flowc', 'fl.*')
--> false | true

-- duckdb: regexp_extract
SELECT regexp_extract('order-4711', '[0-9]+'), regexp_extract('order-4711', '([a-z]+)-([0-9]+)', 1)
--> '4711' | 'order'

-- duckdb: regexp_extract without a match is empty
SELECT regexp_extract('abc', '[0-9]+')
--> ''

-- duckdb: regexp_replace replaces the first match
SELECT regexp_replace('a1b22', '[0-9]+', '#'), regexp_replace('a1b22', '[0-9]+', '#', 'g')
--> 'a#b22' | 'a#b#'

-- duckdb: SIMILAR TO
SELECT 'abc' SIMILAR TO 'a.c', 'abcd' SIMILAR TO 'a.c'
--> true | false

-- postgres: SIMILAR TO
SELECT 'abc' SIMILAR TO '(a|x)%', 'bc' SIMILAR TO '(a|x)%'
--> true | false

-- postgres: regexp_split_to_array
SELECT regexp_split_to_array('a1b2c', '[0-9]')
--> ['a', 'b', 'c']

-- mysql: REGEXP_LIKE without case
SELECT REGEXP_LIKE('Abc', '^a', 'i'), REGEXP_LIKE('abc', 'D', 'i')
--! mysql: MariaDB has no REGEXP_LIKE, MySQL has
--> true | false

-- duckdb: regexp_matches and regexp_full_match without case
SELECT regexp_matches('Flowc', '^fl', 'i'), regexp_full_match('Flowc', 'fl', 'i')
--> true | false

-- duckdb: regexp_extract into named groups
SELECT regexp_extract('k=v', '(\w)=(\w)', ['a', 'b']).b
--> 'v'

-- spark: split into two parts at the most
SELECT split('a,b,c', ',', 2)
--> ['a', 'b,c']
