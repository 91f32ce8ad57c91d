-- postgres: to_char of a timestamp
SELECT to_char(placed_at, 'YYYY-MM-DD HH24:MI:SS') FROM orders WHERE id = 2
--> '2024-01-31 23:59:59'

-- postgres: to_char of a month
SELECT to_char(placed_at, 'YYYY-MM') AS month, count(*) FROM orders GROUP BY 1 ORDER BY 1
--> '2024-01' | 2
--> '2024-02' | 1
--> '2024-03' | 1
--> '2024-12' | 1
--> '2025-01' | 1

-- postgres: to_char with names
SELECT to_char(placed_at, 'Mon DD'), to_char(placed_at, 'Dy') FROM orders WHERE id = 4
--> 'Mar 10' | 'Sun'

-- postgres: to_char of a number
SELECT to_char(amount, 'FM9990.00') FROM orders WHERE id = 1
--> '120.50'

-- postgres: to_char of an ISO week
SELECT to_char(placed_at, 'IYYY-IW') FROM orders WHERE id = 5
--> '2025-01'

-- duckdb: strftime
SELECT strftime(placed_at, '%Y/%m/%d %H:%M') FROM orders WHERE id = 5
--> '2024/12/30 18:45'

-- duckdb: strptime
SELECT strptime('17.05.2024 08:15', '%d.%m.%Y %H:%M')
--> 2024-05-17 08:15:00

-- spark: date_format
SELECT date_format(placed_at, 'yyyy-MM-dd HH:mm') FROM orders WHERE id = 2
--> '2024-01-31 23:59'

-- spark: date_format with names
SELECT date_format(placed_at, 'EEEE'), date_format(placed_at, 'MMM yyyy') FROM orders WHERE id = 4
--> 'Sunday' | 'Mar 2024'

-- spark: to_timestamp with a format
SELECT to_timestamp('17/05/2024 08:15:00', 'dd/MM/yyyy HH:mm:ss')
--> 2024-05-17 08:15:00

-- spark: to_date with a format
SELECT to_date('20240517', 'yyyyMMdd')
--> 2024-05-17

-- mysql: DATE_FORMAT
SELECT DATE_FORMAT(placed_at, '%Y-%m-01'), DATE_FORMAT(placed_at, '%H:%i:%s') FROM orders WHERE id = 2
--> '2024-01-01' | '23:59:59'

-- mysql: DATE_FORMAT with names
SELECT DATE_FORMAT(placed_at, '%W %M %Y') FROM orders WHERE id = 4
--> 'Sunday March 2024'

-- mysql: STR_TO_DATE
SELECT STR_TO_DATE('17.05.2024', '%d.%m.%Y'), STR_TO_DATE('2024-05-17 08:15:00', '%Y-%m-%d %H:%i:%s')
--> 2024-05-17 | 2024-05-17 08:15:00

-- bigquery: FORMAT_DATE
SELECT FORMAT_DATE('%Y%m%d', shipped_on), FORMAT_DATE('%b %d, %Y', shipped_on) FROM orders WHERE id = 3
--> '20240301' | 'Mar 01, 2024'

-- bigquery: FORMAT_TIMESTAMP
SELECT FORMAT_TIMESTAMP('%Y-%m-%dT%H:%M:%S', placed_at) FROM orders WHERE id = 2
--> '2024-01-31T23:59:59'

-- bigquery: PARSE_DATE
SELECT PARSE_DATE('%d/%m/%Y', '17/05/2024')
--> 2024-05-17

-- bigquery: PARSE_DATETIME
SELECT PARSE_DATETIME('%Y-%m-%d %H:%M', '2024-05-17 08:15')
--> 2024-05-17 08:15:00

-- snowflake: TO_CHAR of a timestamp
SELECT TO_CHAR(placed_at, 'YYYY-MM-DD HH24:MI:SS') FROM orders WHERE id = 2
--> '2024-01-31 23:59:59'

-- snowflake: TO_VARCHAR of a date
SELECT TO_VARCHAR(shipped_on, 'DD.MM.YYYY') FROM orders WHERE id = 3
--> '01.03.2024'

-- snowflake: TO_DATE with a format
SELECT TO_DATE('17/05/2024', 'DD/MM/YYYY')
--> 2024-05-17

-- snowflake: TO_TIMESTAMP with a format
SELECT TO_TIMESTAMP('2024-05-17 08:15', 'YYYY-MM-DD HH24:MI')
--> 2024-05-17 08:15:00

-- postgres: to_date
SELECT to_date('17 05 2024', 'DD MM YYYY')
--> 2024-05-17

-- postgres: to_timestamp of a text
SELECT to_timestamp('2024-05-17 08:15:00', 'YYYY-MM-DD HH24:MI:SS')
--> 2024-05-17 08:15:00Z

-- postgres: to_timestamp of epoch seconds
SELECT to_timestamp(1715933700)
--> 2024-05-17 08:15:00Z

-- postgres: extract the epoch
SELECT extract(epoch FROM placed_at) FROM orders WHERE id IN (3, 5) ORDER BY id
--> 1709164800
--> 1735584330.123456

-- duckdb: epoch and epoch_ms
SELECT epoch(placed_at), epoch_ms(placed_at) FROM orders WHERE id = 3
--> 1709164800 | 1709164800000

-- duckdb: epoch_ms of a number
SELECT epoch_ms(1715933700123)
--> 2024-05-17 08:15:00.123

-- spark: unix_timestamp
SELECT unix_timestamp(placed_at) FROM orders WHERE id = 3
--> 1709164800

-- spark: from_unixtime
SELECT from_unixtime(1715933700), from_unixtime(1715933700, 'yyyy-MM-dd')
--> '2024-05-17 08:15:00' | '2024-05-17'

-- spark: timestamp_seconds
SELECT timestamp_seconds(1715933700)
--> 2024-05-17 08:15:00

-- mysql: UNIX_TIMESTAMP
SELECT UNIX_TIMESTAMP('2024-02-29 00:00:00')
--> 1709164800

-- mysql: FROM_UNIXTIME
SELECT FROM_UNIXTIME(1715933700)
--> 2024-05-17 08:15:00

-- bigquery: UNIX_SECONDS and UNIX_MILLIS
SELECT UNIX_SECONDS(TIMESTAMP '2024-02-29 00:00:00+00'), UNIX_MILLIS(TIMESTAMP '2024-02-29 00:00:00.5+00')
--> 1709164800 | 1709164800500

-- bigquery: TIMESTAMP_SECONDS and TIMESTAMP_MILLIS
SELECT TIMESTAMP_SECONDS(1715933700), TIMESTAMP_MILLIS(1715933700123)
--> 2024-05-17 08:15:00Z | 2024-05-17 08:15:00.123Z

-- snowflake: TO_TIMESTAMP of epoch seconds
SELECT TO_TIMESTAMP(1715933700)
--> 2024-05-17 08:15:00

-- snowflake: DATE_PART of the epoch
SELECT DATE_PART(epoch_second, placed_at) FROM orders WHERE id = 3
--> 1709164800

-- spark: date_format with thousandths
SELECT date_format(placed_at, 'HH:mm:ss.SSS') FROM orders WHERE id = 5
--> '18:45:30.123'

-- spark: date_format with quoted text
SELECT date_format(placed_at, "yyyy-MM-dd'T'HH:mm:ss") FROM orders WHERE id = 5
--> '2024-12-30T18:45:30'

-- spark: date_format with a quarter
SELECT date_format(placed_at, 'Q') FROM orders WHERE id = 5
--> '4'

-- spark: to_timestamp with quoted text
SELECT to_timestamp('2024-01-01T10:00:00', "yyyy-MM-dd'T'HH:mm:ss")
--> 2024-01-01 10:00:00
