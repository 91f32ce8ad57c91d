-- postgres: date_trunc to the month
SELECT date_trunc('month', placed_at) FROM orders WHERE id = 3
--> 2024-02-01 00:00:00

-- postgres: date_trunc to hour, day, quarter and year
SELECT date_trunc('hour', placed_at), date_trunc('day', placed_at), date_trunc('quarter', placed_at), date_trunc('year', placed_at) FROM orders WHERE id = 2
--> 2024-01-31 23:00:00 | 2024-01-31 00:00:00 | 2024-01-01 00:00:00 | 2024-01-01 00:00:00

-- postgres: date_trunc to the week starts on Monday
SELECT date_trunc('week', placed_at) FROM orders WHERE id IN (4, 6) ORDER BY id
--> 2024-03-04 00:00:00
--> 2024-12-30 00:00:00

-- duckdb: date_trunc of a timestamp
SELECT date_trunc('minute', placed_at), date_trunc('week', placed_at) FROM orders WHERE id = 5
--> 2024-12-30 18:45:00 | 2024-12-30 00:00:00

-- spark: date_trunc
SELECT date_trunc('MONTH', placed_at), date_trunc('DD', placed_at) FROM orders WHERE id = 2
--> 2024-01-01 00:00:00 | 2024-01-31 00:00:00

-- spark: trunc of a date
SELECT trunc(shipped_on, 'MM'), trunc(shipped_on, 'YEAR') FROM orders WHERE id = 4
--> 2024-03-01 | 2024-01-01

-- bigquery: TIMESTAMP_TRUNC
SELECT TIMESTAMP_TRUNC(placed_at, HOUR) FROM orders WHERE id = 5
--> 2024-12-30 18:00:00

-- bigquery: DATE_TRUNC to the month
SELECT DATE_TRUNC(shipped_on, MONTH) FROM orders WHERE id = 4
--> 2024-03-01

-- bigquery: DATE_TRUNC to the week starts on Sunday
SELECT DATE_TRUNC(DATE '2024-03-12', WEEK)
--> 2024-03-10

-- bigquery: DATE_TRUNC to the week from Monday
SELECT DATE_TRUNC(DATE '2024-03-12', WEEK(MONDAY)), DATE_TRUNC(DATE '2024-03-10', ISOWEEK)
--> 2024-03-11 | 2024-03-04

-- snowflake: DATE_TRUNC
SELECT DATE_TRUNC('month', placed_at), DATE_TRUNC('week', placed_at) FROM orders WHERE id = 4
--> 2024-03-01 00:00:00 | 2024-03-04 00:00:00

-- snowflake: TRUNC of a date
SELECT DATE_TRUNC(month, shipped_on) FROM orders WHERE id = 3
--> 2024-03-01

-- postgres: extract year, month, day and hour
SELECT extract(year FROM placed_at), extract(month FROM placed_at), extract(day FROM placed_at), extract(hour FROM placed_at) FROM orders WHERE id = 2
--> 2024 | 1 | 31 | 23

-- postgres: extract seconds with their fraction
SELECT extract(second FROM placed_at) FROM orders WHERE id = 5
--> 30.123456

-- postgres: date_part of the day of week and year
SELECT date_part('dow', placed_at), date_part('isodow', placed_at), date_part('doy', placed_at) FROM orders WHERE id = 4
--> 0 | 7 | 70

-- postgres: ISO week and ISO year
SELECT extract(week FROM placed_at), extract(isoyear FROM placed_at), extract(quarter FROM placed_at) FROM orders WHERE id = 5
--> 1 | 2025 | 4

-- duckdb: dayofweek counts Sunday as zero
SELECT dayofweek(placed_at), isodow(placed_at), dayname(placed_at), monthname(placed_at) FROM orders WHERE id = 4
--> 0 | 7 | 'Sunday' | 'March'

-- duckdb: week and yearweek
SELECT week(placed_at), yearweek(placed_at) FROM orders WHERE id = 5
--> 1 | 202501

-- duckdb: year, month, day, hour and second
SELECT year(placed_at), month(placed_at), day(placed_at), hour(placed_at), second(placed_at) FROM orders WHERE id = 5
--> 2024 | 12 | 30 | 18 | 30

-- spark: dayofweek counts Sunday as one
SELECT dayofweek(placed_at), weekday(placed_at) FROM orders WHERE id = 4
--> 1 | 6

-- spark: year, quarter, weekofyear and dayofyear
SELECT year(placed_at), quarter(placed_at), weekofyear(placed_at), dayofyear(placed_at) FROM orders WHERE id = 5
--> 2024 | 4 | 1 | 365

-- mysql: DAYOFWEEK and WEEKDAY
SELECT DAYOFWEEK(placed_at), WEEKDAY(placed_at), DAYNAME(placed_at) FROM orders WHERE id = 4
--> 1 | 6 | 'Sunday'

-- mysql: YEAR, MONTH and DAY
SELECT YEAR(placed_at), MONTH(placed_at), DAY(placed_at), HOUR(placed_at), MINUTE(placed_at) FROM orders WHERE id = 1
--> 2024 | 1 | 15 | 9 | 30

-- mysql: WEEK counts from Sunday and from zero
SELECT WEEK('2024-01-06'), WEEK('2024-01-07')
--> 0 | 1

-- mysql: WEEK with a mode is the ISO week
SELECT WEEK(placed_at, 3) FROM orders WHERE id = 5
--> 1

-- bigquery: EXTRACT of the day of week counts Sunday as one
SELECT EXTRACT(DAYOFWEEK FROM placed_at), EXTRACT(DAYOFYEAR FROM placed_at) FROM orders WHERE id = 4
--> 1 | 70

-- bigquery: EXTRACT of ISO week and ISO year
SELECT EXTRACT(ISOWEEK FROM placed_at), EXTRACT(ISOYEAR FROM placed_at), EXTRACT(YEAR FROM placed_at) FROM orders WHERE id = 5
--> 1 | 2025 | 2024

-- bigquery: EXTRACT of the date
SELECT EXTRACT(DATE FROM placed_at) FROM orders WHERE id = 2
--> 2024-01-31

-- snowflake: DAYOFWEEK counts Sunday as zero
SELECT DAYOFWEEK(placed_at), DAYOFYEAR(placed_at) FROM orders WHERE id = 4
--> 0 | 70

-- snowflake: DAYNAME and MONTHNAME are short
SELECT DAYNAME(placed_at), MONTHNAME(placed_at) FROM orders WHERE id = 4
--> 'Sun' | 'Mar'

-- snowflake: YEAR, WEEKISO and DATE_PART
SELECT YEAR(placed_at), WEEKISO(placed_at), DATE_PART(month, placed_at) FROM orders WHERE id = 5
--> 2024 | 1 | 12

-- postgres: date of a timestamp
SELECT placed_at::date, CAST(placed_at AS date) + 1 FROM orders WHERE id = 2
--> 2024-01-31 | 2024-02-01

-- mysql: DATE of a timestamp
SELECT DATE(placed_at) FROM orders WHERE id = 2
--> 2024-01-31

-- spark: to_date of a timestamp
SELECT to_date(placed_at) FROM orders WHERE id = 2
--> 2024-01-31

-- bigquery: DATE of a timestamp
SELECT DATE(placed_at) FROM orders WHERE id = 2
--> 2024-01-31

-- spark: last_day
SELECT last_day(shipped_on), last_day('2023-02-03') FROM orders WHERE id = 4
--> 2024-03-31 | 2023-02-28

-- mysql: LAST_DAY
SELECT LAST_DAY(placed_at) FROM orders WHERE id = 3
--> 2024-02-29

-- snowflake: LAST_DAY
SELECT LAST_DAY(shipped_on), LAST_DAY(shipped_on, 'year') FROM orders WHERE id = 4
--> 2024-03-31 | 2024-12-31

-- bigquery: LAST_DAY
SELECT LAST_DAY(shipped_on), LAST_DAY(shipped_on, YEAR) FROM orders WHERE id = 4
--> 2024-03-31 | 2024-12-31

-- duckdb: last_day
SELECT last_day(placed_at) FROM orders WHERE id = 3
--> 2024-02-29

-- postgres: make_date
SELECT make_date(2024, 2, 29)
--> 2024-02-29

-- spark: make_date
SELECT make_date(2024, 2, 29)
--> 2024-02-29

-- bigquery: DATE from parts
SELECT DATE(2024, 2, 29)
--> 2024-02-29

-- snowflake: DATE_FROM_PARTS
SELECT DATE_FROM_PARTS(2024, 2, 29)
--> 2024-02-29

-- duckdb: time_bucket
SELECT time_bucket(INTERVAL '15 minutes', placed_at) FROM orders WHERE id IN (1, 2) ORDER BY id
--> 2024-01-15 09:30:00
--> 2024-01-31 23:45:00

-- postgres: date_bin
SELECT date_bin('15 minutes', placed_at, TIMESTAMP '2001-01-01') FROM orders WHERE id = 2
--> 2024-01-31 23:45:00

-- snowflake: TIME_SLICE
SELECT TIME_SLICE(placed_at, 15, 'MINUTE') FROM orders WHERE id = 2
--> 2024-01-31 23:45:00

-- spark: next_day
SELECT next_day(DATE '2024-03-12', 'MO')
--> 2024-03-18

-- snowflake: NEXT_DAY
SELECT NEXT_DAY(DATE '2024-03-12', 'mo')
--> 2024-03-18

-- postgres: comparison of a timestamp with a date text
SELECT id FROM orders WHERE placed_at >= '2024-03-01' AND placed_at < '2025-01-01' ORDER BY id
--> 4
--> 5

-- mysql: WEEKOFYEAR is the ISO week
SELECT WEEKOFYEAR('2024-12-30'), WEEKOFYEAR(shipped_on), WEEKDAY('2024-05-05') FROM orders WHERE id = 6
--> 1 | 1 | 6

-- postgres: milliseconds with their fraction
SELECT extract(milliseconds FROM placed_at), extract(microseconds FROM placed_at) FROM orders WHERE id = 5
--> 30123.456 | 30123456

-- duckdb: milliseconds are whole
SELECT extract(milliseconds FROM placed_at) FROM orders WHERE id = 5
--> 30123

-- postgres: parts of times divide as decimals
SELECT extract(month FROM placed_at) / 5, (extract(month FROM placed_at) - 1) / 4, 3 / extract(month FROM placed_at) FROM orders WHERE id = 5
--> 2.4 | 2.75 | 0.25

-- postgres: sums within COALESCE and CASE divide as decimals
SELECT coalesce(sum(id), 0) / 4, CASE WHEN count(*) > 0 THEN sum(id) / count(*) ELSE 0 END FROM orders
--> 5.25 | 3.5
