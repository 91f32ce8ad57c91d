-- postgres: two colons
SELECT '42'::int + 1, '1.50'::numeric(10,2), 7::text
--> 43 | 1.5 | '7'

-- postgres: a float to an integer rounds to even
SELECT 2.5::float8::int, 3.5::float8::int, (-2.5)::float8::int
--> 2 | 4 | -2

-- postgres: an exact number to an integer rounds away from zero
SELECT 2.5::numeric::int, 120.50::numeric::int
--> 3 | 121

-- postgres: a decimal column to an integer rounds
SELECT amount::int FROM orders WHERE id IN (1, 3, 4) ORDER BY id
--> 121
--> 15
--> 100

-- duckdb: a decimal column to an integer rounds
SELECT CAST(amount AS INTEGER) FROM orders WHERE id IN (1, 3, 4) ORDER BY id
--> 121
--> 15
--> 100

-- duckdb: TRY_CAST
SELECT TRY_CAST('abc' AS INTEGER), TRY_CAST('12' AS INTEGER)
--> NULL | 12

-- duckdb: TRY_CAST to a date
SELECT TRY_CAST('2024-02-30' AS DATE), TRY_CAST('2024-02-29' AS DATE)
--> NULL | 2024-02-29

-- bigquery: SAFE_CAST
SELECT SAFE_CAST('abc' AS INT64), SAFE_CAST('12' AS INT64), SAFE_CAST(note AS FLOAT64) FROM orders WHERE id = 1
--> NULL | 12 | NULL

-- bigquery: CAST of a float to INT64 rounds
SELECT CAST(2.5 AS INT64), CAST(-2.5 AS INT64), CAST(1.4 AS INT64)
--> 3 | -3 | 1

-- spark: CAST of a fraction to INT cuts
SELECT CAST(2.9 AS INT), CAST(-2.9 AS INT)
--> 2 | -2

-- spark: CAST of a column to INT cuts
SELECT CAST(x AS INT), CAST(x AS BIGINT) FROM metrics WHERE id = 2
--> -2 | -2

-- spark: try_cast
SELECT try_cast('abc' AS INT), try_cast('12.5' AS DOUBLE)
--> NULL | 12.5

-- spark: functions named as types
SELECT int('42'), string(7), double('1.5')
--> 42 | '7' | 1.5

-- snowflake: TRY_TO_NUMBER and TRY_CAST
SELECT TRY_TO_NUMBER('abc'), TRY_CAST('12' AS INT), TRY_TO_DATE('2024-13-01')
--> NULL | 12 | NULL

-- snowflake: TO_NUMBER with a scale
SELECT TO_NUMBER('12.345', 10, 2)
--> 12.35

-- snowflake: CAST of a fraction to INT rounds
SELECT CAST(2.5 AS INT), 1.4::INT
--> 3 | 1

-- snowflake: TO_VARCHAR, TO_DOUBLE and TO_BOOLEAN
SELECT TO_VARCHAR(42), TO_DOUBLE('1.5'), TO_BOOLEAN('true')
--> '42' | 1.5 | true

-- mysql: CAST to SIGNED
SELECT CAST('42' AS SIGNED), CAST('12.34' AS DECIMAL(10, 2)), CAST(42 AS CHAR)
--> 42 | 12.34 | '42'

-- mysql: CAST of a fraction to SIGNED rounds
SELECT CAST(2.5 AS SIGNED), CAST(amount AS SIGNED) FROM orders WHERE id = 1
--> 3 | 121

-- mysql: CAST to DATE and DATETIME
SELECT CAST('2024-02-29' AS DATE), CAST('2024-02-29 10:00:00' AS DATETIME)
--> 2024-02-29 | 2024-02-29 10:00:00

-- mysql: a text counts as the number it starts with
SELECT '12abc' + 1
--> 13

-- postgres: text to date and timestamp
SELECT '2024-02-29'::date, '2024-02-29 10:00:00'::timestamp, DATE '2024-01-01'
--> 2024-02-29 | 2024-02-29 10:00:00 | 2024-01-01

-- postgres: date and timestamp to text
SELECT shipped_on::text, placed_at::text FROM orders WHERE id = 3
--> '2024-03-01' | '2024-02-29 00:00:00'

-- postgres: text with a zone to timestamptz
SELECT '2024-02-29 10:00:00+02'::timestamptz
--> 2024-02-29 08:00:00Z

-- postgres: boolean casts
SELECT 'yes'::boolean, true::int, 0::boolean
--> true | 1 | false

-- postgres: a boolean to text
SELECT true::text, (amount > 50)::text FROM orders WHERE id = 3
--> 'true' | 'false'

-- spark: a boolean to text and to INT
SELECT CAST(true AS STRING), CAST(false AS INT), CAST('true' AS BOOLEAN)
--> 'true' | 0 | true

-- bigquery: a number to STRING
SELECT CAST(42 AS STRING), CAST(TRUE AS STRING), CAST('2024-02-29' AS DATE)
--> '42' | 'true' | 2024-02-29

-- bigquery: CAST of a DATE to DATETIME
SELECT CAST(shipped_on AS DATETIME) FROM orders WHERE id = 3
--> 2024-03-01 00:00:00

-- duckdb: a decimal to text keeps its zeros
SELECT CAST(amount AS VARCHAR) FROM orders WHERE id = 1
--> '120.50'

-- postgres: a decimal to text keeps its zeros
SELECT amount::text FROM orders WHERE id IN (1, 5) ORDER BY id
--> '120.50'
--> '0.00'

-- postgres: a decimal with fewer places rounds
SELECT amount::numeric(10, 1), 2.345::numeric(5, 2) FROM orders WHERE id = 3
--> 15.3 | 2.35

-- duckdb: a float to text
SELECT CAST(x AS VARCHAR) FROM metrics WHERE id = 1
--> '2.5'

-- postgres: a varchar with a length cuts
SELECT 'abcdef'::varchar(3)
--> 'abc'

-- spark: a number from a text with blanks
SELECT CAST(' 42 ' AS INT)
--> 42

-- spark: timestamps as text
SELECT cast(placed_at AS string) FROM orders WHERE id IN (3, 5) ORDER BY id
--> '2024-02-29 00:00:00'
--> '2024-12-30 18:45:30.123456'
