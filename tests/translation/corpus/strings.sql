-- spark: split_part counts from one
SELECT split_part('a,b,c', ',', 2)
--> 'b'

-- postgres: split_part beyond the last part is empty
SELECT split_part('a,b,c', ',', 7)
--> ''

-- postgres: split_part from the end
SELECT split_part('a,b,c', ',', -1)
--> 'c'

-- snowflake: SPLIT_PART of a column
SELECT id, SPLIT_PART(note, ',', 2) FROM orders WHERE id = 5
--> 5 | 'b'

-- bigquery: SPLIT and OFFSET
SELECT SPLIT('2024-05-17', '-')[OFFSET(1)]
--> '05'

-- spark: concat_ws skips NULL
SELECT concat_ws('-', 'a', NULL, 'b')
--> 'a-b'

-- mysql: CONCAT_WS skips NULL
SELECT CONCAT_WS(', ', name, country) FROM customers ORDER BY id
--> 'Ada, GB'
--> 'Bob, US'
--> 'Çelik, TR'
--> 'dave'

-- postgres: concat skips NULL
SELECT concat('a', NULL, 'b')
--> 'ab'

-- duckdb: concat skips NULL
SELECT concat(name, country, '!') FROM customers WHERE id = 40
--> 'dave!'

-- spark: concat with NULL is NULL
SELECT concat(name, country) FROM customers WHERE id = 40
--> NULL

-- mysql: CONCAT with NULL is NULL
SELECT CONCAT(name, '/', country) FROM customers WHERE id >= 30 ORDER BY id
--> 'Çelik/TR'
--> NULL

-- snowflake: CONCAT with NULL is NULL
SELECT CONCAT(name, country) FROM customers WHERE id = 40
--> NULL

-- bigquery: CONCAT with NULL is NULL
SELECT CONCAT('a', CAST(NULL AS STRING))
--> NULL

-- postgres: two bars with NULL is NULL
SELECT name || country FROM customers WHERE id IN (10, 40) ORDER BY id
--> 'AdaGB'
--> NULL

-- snowflake: two bars
SELECT name || ' <' || email || '>' FROM customers WHERE id = 10
--> 'Ada <ada@example.com>'

-- mysql: CONCAT of a number
SELECT CONCAT('order-', id) FROM orders WHERE id = 3
--> 'order-3'

-- postgres: two bars with a number
SELECT 'order-' || id FROM orders WHERE id = 3
--> 'order-3'

-- mysql: LOCATE has the needle first
SELECT LOCATE('@', email) FROM customers WHERE id = 10
--> 4

-- spark: locate with a start
SELECT locate('a', 'banana', 3)
--> 4

-- spark: instr
SELECT instr('banana', 'na')
--> 3

-- snowflake: POSITION
SELECT POSITION('na', 'banana')
--> 3

-- snowflake: CHARINDEX with a start
SELECT CHARINDEX('na', 'banana', 4)
--> 5

-- bigquery: STRPOS without a match is zero
SELECT STRPOS('banana', 'x')
--> 0

-- postgres: position in
SELECT position('na' IN 'banana')
--> 3

-- mysql: SUBSTRING_INDEX
SELECT SUBSTRING_INDEX('www.example.com', '.', 2)
--> 'www.example'

-- spark: substring_index from the end
SELECT substring_index('www.example.com', '.', -1)
--> 'com'

-- spark: substring from the end
SELECT substring('flowc rocks', -5, 3)
--> 'roc'

-- mysql: SUBSTRING from the end
SELECT SUBSTRING(name, -2) FROM customers WHERE id = 10
--> 'da'

-- bigquery: SUBSTR from the end
SELECT SUBSTR('abcdef', -2)
--> 'ef'

-- snowflake: SUBSTR from the end with a length
SELECT SUBSTR('abcdef', -4, 2)
--> 'cd'

-- duckdb: substring from the end
SELECT substring('abcdef', -3, 2)
--> 'de'

-- postgres: substring before the start
SELECT substring('abcdef', -1, 4)
--> 'ab'

-- spark: substring from zero starts at one
SELECT substring('abcdef', 0, 2)
--> 'ab'

-- mysql: SUBSTRING from zero is empty
SELECT SUBSTRING('abcdef', 0, 2)
--> ''

-- duckdb: slice of a text
SELECT name[1:2] FROM customers WHERE id = 10
--> 'Ad'

-- duckdb: LEFT and RIGHT
SELECT left('abcdef', 2), right('abcdef', 2)
--> 'ab' | 'ef'

-- mysql: LEFT and RIGHT
SELECT LEFT(name, 2), RIGHT(name, 2) FROM customers WHERE id = 20
--> 'Bo' | 'ob'

-- postgres: left with a negative length
SELECT left('abcdef', -2)
--> 'abcd'

-- snowflake: LPAD and RPAD cut what is too long
SELECT LPAD('7', 3, '0'), RPAD('abcdef', 3, '.')
--> '007' | 'abc'

-- spark: lpad pads with blanks
SELECT lpad('7', 3)
--> '  7'

-- postgres: trim both, leading and trailing
SELECT trim('  a '), ltrim('xxa', 'x'), rtrim('axx', 'x'), trim(both 'x' from 'xaxx')
--> 'a' | 'a' | 'a' | 'a'

-- mysql: TRIM takes whole texts off
SELECT TRIM(LEADING 'ab' FROM 'abababc')
--> 'c'

-- bigquery: TRIM with characters
SELECT TRIM('**a*b**', '*')
--> 'a*b'

-- snowflake: LTRIM with characters
SELECT LTRIM('000123', '0')
--> '123'

-- mysql: LENGTH counts bytes
SELECT LENGTH(name), CHAR_LENGTH(name) FROM customers WHERE id = 30
--> 6 | 5

-- spark: length counts characters
SELECT length(name) FROM customers WHERE id = 30
--> 5

-- bigquery: LENGTH and BYTE_LENGTH
SELECT LENGTH(name), BYTE_LENGTH(name) FROM customers WHERE id = 30
--> 5 | 6

-- postgres: octet_length
SELECT octet_length(name) FROM customers WHERE id = 30
--> 6

-- postgres: upper and lower
SELECT upper(name), lower(name) FROM customers WHERE id = 20
--> 'BOB' | 'bob'

-- spark: initcap
SELECT initcap('hello big world')
--> 'Hello Big World'

-- snowflake: INITCAP
SELECT INITCAP('hello WORLD')
--> 'Hello World'

-- mysql: REPEAT and REVERSE
SELECT REPEAT('ab', 3), REVERSE('abc')
--> 'ababab' | 'cba'

-- duckdb: replace takes every match
SELECT replace(note, ',', ';') FROM orders WHERE id = 5
--> 'a;b;;c'

-- snowflake: REPLACE with two arguments removes
SELECT REPLACE('a-b-c', '-')
--> 'abc'

-- spark: translate
SELECT translate('2024/05/17', '/', '-')
--> '2024-05-17'

-- postgres: translate removes what has no partner
SELECT translate('12.34,56', '.,', '_')
--> '12_3456'

-- postgres: LIKE tells cases apart
SELECT id FROM orders WHERE note LIKE 'rush%'
-->

-- postgres: ILIKE
SELECT id FROM orders WHERE note ILIKE 'rush%'
--> 3

-- spark: ILIKE
SELECT name FROM customers WHERE name ILIKE 'A%'
--> 'Ada'

-- snowflake: LIKE with an escape
SELECT id FROM orders WHERE note LIKE 'x^_y%' ESCAPE '^'
--> 6

-- duckdb: LIKE of a percent sign
SELECT 'x_y%z' LIKE 'x!_y!%z' ESCAPE '!', 'xayz' LIKE 'x!_yz' ESCAPE '!'
--> true | false

-- postgres: NOT LIKE leaves NULL out
SELECT id FROM orders WHERE note NOT LIKE '%,%' ORDER BY id
--> 1
--> 3
--> 4
--> 6

-- duckdb: starts_with, ends_with and contains
SELECT starts_with('flowc', 'fl'), ends_with('flowc', 'wc'), contains('flowc', 'ow')
--> true | true | true

-- bigquery: STARTS_WITH and ENDS_WITH
SELECT id FROM orders WHERE STARTS_WITH(status, 'pa') AND ENDS_WITH(status, 'id') ORDER BY id
--> 1
--> 3
--> 6

-- snowflake: STARTSWITH and CONTAINS
SELECT STARTSWITH('flowc', 'f'), CONTAINS('flowc', 'x')
--> true | false

-- spark: contains and startswith
SELECT contains('flowc', 'low'), startswith('flowc', 'c')
--> true | false

-- mysql: FIND_IN_SET
SELECT FIND_IN_SET('b', 'a,b,c')
--> 2

-- mysql: FIELD
SELECT FIELD('b', 'a', 'b', 'c')
--> 2

-- postgres: ascii and chr
SELECT ascii('A'), chr(66)
--> 65 | 'B'

-- mysql: CHAR
SELECT CHAR(65 USING utf8mb4)
--> 'A'

-- spark: md5
SELECT md5('flowc')
--> '1264e883209d6f9145ca25625811715b'

-- postgres: md5 of a column
SELECT md5(name) FROM customers WHERE id = 20
--> '2fc1c0beb992cd7096975cfebf9d5c3b'

-- bigquery: TO_HEX of MD5
SELECT TO_HEX(MD5('flowc'))
--> '1264e883209d6f9145ca25625811715b'

-- spark: sha2
SELECT sha2('flowc', 256)
--> '03db7143dd143d3eeb19cc79a9fc1037b5819ccfce37e3b422b2c0b9c93412f6'

-- snowflake: SHA2
SELECT SHA2('flowc')
--> '03db7143dd143d3eeb19cc79a9fc1037b5819ccfce37e3b422b2c0b9c93412f6'

-- duckdb: format of a number with leading zeros
SELECT lpad(CAST(id AS VARCHAR), 4, '0') FROM orders WHERE id = 2
--> '0002'

-- snowflake: ILIKE ANY
SELECT name FROM customers WHERE name ILIKE ANY ('a%', 'D%') ORDER BY id
--> 'Ada'
--> 'dave'

-- snowflake: EDITDISTANCE
SELECT EDITDISTANCE('kitten', 'sitting')
--> 3

-- mysql: text with an escaped quote
SELECT 'it''s', "a \"quoted\" text", 'tab\there'
--> 'it''s' | 'a "quoted" text' | e'tab\there'

-- bigquery: double quoted text
SELECT "it's", r'a\d'
--> 'it''s' | 'a\d'

-- spark: backslash in a text
SELECT 'a\nb', r'a\d'
--> e'a\nb' | 'a\d'

-- postgres: backslash in a text is a backslash
SELECT 'a\nb', E'a\nb'
--> 'a\nb' | e'a\nb'

-- spark: LIKE with a backslash
SELECT id FROM orders WHERE note LIKE '%\_%'
--> 6

-- postgres: LIKE with a backslash
SELECT 'ab' NOT LIKE 'a\_', 'a_' LIKE 'a\_', 'ab' LIKE 'a\_', 'a_' ILIKE 'A\_'
--> true | true | false | true

-- postgres: LIKE with a backslash in a pattern that is computed
SELECT id FROM orders WHERE note LIKE replace(note, '_', '\_') ORDER BY id
--> 1
--> 3
--> 4
--> 5
--> 6

-- duckdb: LIKE without an escape character
SELECT 'a\b' LIKE 'a\b', 'a_' LIKE 'a\_', 'a\x' LIKE 'a\_', 'a\x' ILIKE 'A\_'
--> true | false | true | true

-- duckdb: LIKE of a computed pattern without an escape character
SELECT note LIKE concat('x', '\_', note) FROM orders WHERE id = 6
--> false

-- bigquery: LIKE with a backslash
SELECT 'a_' LIKE 'a\\_', 'ax' LIKE 'a\\_'
--> true | false
