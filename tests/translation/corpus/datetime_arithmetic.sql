-- postgres: add an interval
SELECT placed_at + INTERVAL '1 day', placed_at - INTERVAL '2 hours' FROM orders WHERE id = 3
--> 2024-03-01 00:00:00 | 2024-02-28 22:00:00

-- postgres: a month after the end of January
SELECT placed_at + INTERVAL '1 month' FROM orders WHERE id = 2
--> 2024-02-29 23:59:59

-- postgres: an interval of several units
SELECT placed_at + INTERVAL '1 day 2 hours 30 minutes' FROM orders WHERE id = 1
--> 2024-01-16 12:00:00

-- postgres: a number times an interval
SELECT placed_at + quantity * INTERVAL '1 day' FROM orders WHERE id IN (1, 4) ORDER BY id
--> 2024-01-17 09:30:00
--> 2024-03-07 12:00:00

-- postgres: date plus and minus days
SELECT shipped_on + 7, shipped_on - 1 FROM orders WHERE id = 3
--> 2024-03-08 | 2024-02-29

-- postgres: date minus date is a number of days
SELECT shipped_on - placed_at::date FROM orders WHERE id IN (1, 3, 6) ORDER BY id
--> 2
--> 1
--> 4

-- postgres: seconds between two timestamps
SELECT extract(epoch FROM TIMESTAMP '2024-01-02 00:00:00' - TIMESTAMP '2024-01-01 12:00:00')
--> 43200

-- duckdb: add an interval
SELECT placed_at + INTERVAL 1 DAY, placed_at - INTERVAL '3 months' FROM orders WHERE id = 1
--> 2024-01-16 09:30:00 | 2023-10-15 09:30:00

-- duckdb: date plus days
SELECT shipped_on + 7 FROM orders WHERE id = 3
--> 2024-03-08

-- duckdb: date_diff counts boundaries
SELECT date_diff('day', placed_at, TIMESTAMP '2024-02-01 00:00:00'), date_diff('month', placed_at, TIMESTAMP '2024-02-01 00:00:00') FROM orders WHERE id = 2
--> 1 | 1

-- duckdb: date_sub counts whole units
SELECT date_sub('month', DATE '2024-01-15', DATE '2024-02-14'), date_sub('day', DATE '2024-01-01', DATE '2024-03-01')
--> 0 | 60

-- duckdb: age of dates in days
SELECT shipped_on - CAST(placed_at AS DATE) FROM orders WHERE id = 1
--> 2

-- spark: date_add and date_sub
SELECT date_add(shipped_on, 30), date_sub(shipped_on, 1) FROM orders WHERE id = 3
--> 2024-03-31 | 2024-02-29

-- spark: datediff has the end first
SELECT datediff(shipped_on, placed_at) FROM orders WHERE id IN (1, 3) ORDER BY id
--> 2
--> 1

-- spark: add_months keeps to the end of the month
SELECT add_months(DATE '2024-01-31', 1), add_months(DATE '2024-03-31', -1)
--> 2024-02-29 | 2024-02-29

-- spark: months_between
SELECT months_between(DATE '2024-03-15', DATE '2024-01-15')
--> 2

-- spark: add an interval
SELECT placed_at + INTERVAL 2 HOURS, placed_at - INTERVAL '1' DAY FROM orders WHERE id = 3
--> 2024-02-29 02:00:00 | 2024-02-28 00:00:00

-- spark: timestampdiff counts whole units
SELECT timestampdiff(HOUR, placed_at, TIMESTAMP '2024-01-15 12:15:00') FROM orders WHERE id = 1
--> 2

-- spark: dateadd with a unit
SELECT dateadd(MONTH, 1, DATE '2024-01-31')
--> 2024-02-29

-- mysql: DATE_ADD and DATE_SUB
SELECT DATE_ADD(placed_at, INTERVAL 1 MONTH), DATE_SUB(placed_at, INTERVAL 90 MINUTE) FROM orders WHERE id = 3
--> 2024-03-29 00:00:00 | 2024-02-28 22:30:00

-- mysql: plus an interval
SELECT shipped_on + INTERVAL 1 WEEK FROM orders WHERE id = 1
--> 2024-01-24

-- mysql: DATEDIFF has the end first and looks at dates only
SELECT DATEDIFF('2024-02-01 00:00:01', placed_at) FROM orders WHERE id = 2
--> 1

-- mysql: TIMESTAMPDIFF counts whole units
SELECT TIMESTAMPDIFF(MONTH, '2024-01-31', '2024-02-29'), TIMESTAMPDIFF(DAY, '2024-01-01 12:00:00', '2024-01-03 11:00:00'), TIMESTAMPDIFF(YEAR, '2000-06-01', '2024-05-31')
--> 0 | 1 | 23

-- mysql: TIMESTAMPADD
SELECT TIMESTAMPADD(MINUTE, 30, placed_at) FROM orders WHERE id = 1
--> 2024-01-15 10:00:00

-- mysql: ADDDATE with days
SELECT ADDDATE(shipped_on, 10) FROM orders WHERE id = 1
--> 2024-01-27

-- bigquery: DATE_ADD and DATE_SUB
SELECT DATE_ADD(shipped_on, INTERVAL 5 DAY), DATE_SUB(shipped_on, INTERVAL 1 MONTH) FROM orders WHERE id = 3
--> 2024-03-06 | 2024-02-01

-- bigquery: TIMESTAMP_ADD and DATETIME_ADD
SELECT DATETIME_ADD(placed_at, INTERVAL 45 MINUTE), TIMESTAMP_SUB(placed_at, INTERVAL 1 DAY) FROM orders WHERE id = 1
--> 2024-01-15 10:15:00 | 2024-01-14 09:30:00

-- bigquery: DATE_DIFF has the end first and counts boundaries
SELECT DATE_DIFF(DATE '2024-03-01', DATE '2024-02-28', DAY), DATE_DIFF(DATE '2024-03-01', DATE '2024-02-29', MONTH), DATE_DIFF(DATE '2025-01-01', DATE '2024-12-31', YEAR)
--> 2 | 1 | 1

-- bigquery: DATE_DIFF of weeks counts Sundays
SELECT DATE_DIFF(DATE '2024-03-10', DATE '2024-03-09', WEEK), DATE_DIFF(DATE '2024-03-11', DATE '2024-03-10', WEEK)
--> 1 | 0

-- bigquery: TIMESTAMP_DIFF counts whole units
SELECT TIMESTAMP_DIFF(TIMESTAMP '2024-01-01 12:59:00', TIMESTAMP '2024-01-01 11:30:00', HOUR), TIMESTAMP_DIFF(TIMESTAMP '2024-01-01 12:00:00', TIMESTAMP '2024-01-01 11:30:00', SECOND)
--> 1 | 1800

-- bigquery: DATETIME_DIFF counts boundaries
SELECT DATETIME_DIFF(DATETIME '2024-01-02 00:01:00', DATETIME '2024-01-01 23:59:00', DAY)
--> 1

-- snowflake: DATEADD
SELECT DATEADD(day, 10, shipped_on), DATEADD('month', 1, shipped_on) FROM orders WHERE id = 1
--> 2024-01-27 | 2024-02-17

-- snowflake: DATEADD of hours
SELECT DATEADD(hour, -3, placed_at) FROM orders WHERE id = 3
--> 2024-02-28 21:00:00

-- snowflake: DATEDIFF counts boundaries
SELECT DATEDIFF(day, placed_at, shipped_on), DATEDIFF('hour', placed_at, TIMESTAMP '2024-01-15 11:15:00') FROM orders WHERE id = 1
--> 2 | 2

-- snowflake: DATEDIFF of months and years
SELECT DATEDIFF(month, DATE '2024-01-31', DATE '2024-03-01'), DATEDIFF(year, DATE '2023-12-31', DATE '2024-01-01')
--> 2 | 1

-- snowflake: ADD_MONTHS stays at the end of the month
SELECT ADD_MONTHS(DATE '2024-02-29', 1), ADD_MONTHS(DATE '2024-01-15', 1)
--> 2024-03-31 | 2024-02-15

-- snowflake: TIMESTAMPDIFF and date plus days
SELECT TIMESTAMPDIFF(minute, placed_at, DATEADD(minute, 90, placed_at)), shipped_on + 1 FROM orders WHERE id = 1
--> 90 | 2024-01-18

-- postgres: rows of the last thirty days before a date
SELECT id FROM orders WHERE placed_at > TIMESTAMP '2024-03-15' - INTERVAL '30 days' AND placed_at <= '2024-03-15' ORDER BY id
--> 3
--> 4

-- postgres: at time zone makes an instant
SELECT placed_at AT TIME ZONE 'Europe/Berlin' FROM orders WHERE id = 1
--> 2024-01-15 08:30:00Z

-- postgres: at time zone shows an instant as a clock there does
SELECT CAST(placed_at AS TIMESTAMPTZ) AT TIME ZONE 'Asia/Tokyo', placed_at AT TIME ZONE 'UTC' AT TIME ZONE 'Europe/Berlin' FROM orders WHERE id = 1
--> 2024-01-15 18:30:00 | 2024-01-15 10:30:00

-- snowflake: CONVERT_TIMEZONE of a naive timestamp
SELECT CONVERT_TIMEZONE('UTC', 'Europe/Berlin', placed_at) FROM orders WHERE id = 1
--> 2024-01-15 10:30:00

-- spark: from_utc_timestamp
SELECT from_utc_timestamp(placed_at, 'Europe/Berlin') FROM orders WHERE id = 1
--> 2024-01-15 10:30:00

-- duckdb: latest minus earliest in days
SELECT date_diff('day', min(placed_at), max(placed_at)) FROM orders
--> 352

-- postgres: overlapping periods
SELECT a.id, b.id FROM orders a JOIN orders b ON a.id < b.id AND a.placed_at < b.placed_at AND a.shipped_on > b.placed_at::date ORDER BY 1, 2
-->
