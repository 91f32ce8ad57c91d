-- postgres: an integer cast to numeric divides to a fraction
SELECT CAST(n AS NUMERIC) / 2 FROM metrics WHERE id = 1
--> 3.5

-- postgres: integers divide to an integer
SELECT id, n / d FROM metrics WHERE d <> 0 ORDER BY id
--> 1 | 3
--> 2 | -3
--> 3 | -3
--> 4 | 3

-- duckdb: integers divide to a float
SELECT id, n / d FROM metrics WHERE d <> 0 ORDER BY id
--> 1 | 3.5
--> 2 | -3.5
--> 3 | -3.5
--> 4 | 3.3333333333333335

-- spark: integers divide to a float
SELECT n / d FROM metrics WHERE id = 1
--> 3.5

-- mysql: integers divide to a number
SELECT n / d FROM metrics WHERE id IN (1, 2) ORDER BY id
--> 3.5
--> -3.5

-- bigquery: integers divide to a float
SELECT n / d FROM metrics WHERE id = 1
--> 3.5

-- snowflake: integers divide to a number
SELECT n / d FROM metrics WHERE id = 1
--> 3.5

-- spark: literals divide to a float
SELECT 7 / 2
--> 3.5

-- postgres: literals divide to an integer
SELECT 7 / 2, 7 / 2.0, -7 / 2
--> 3 | 3.5 | -3

-- duckdb: two slashes round down
SELECT id, n // d FROM metrics WHERE d <> 0 ORDER BY id
--> 1 | 3
--> 2 | -3
--> 3 | -3
--> 4 | 3

-- spark: div cuts
SELECT n div d FROM metrics WHERE id = 2
--> -3

-- mysql: DIV cuts
SELECT n DIV d FROM metrics WHERE id = 2
--> -3

-- bigquery: DIV cuts
SELECT DIV(n, d) FROM metrics WHERE id = 2
--> -3

-- mysql: division by zero is NULL
SELECT 1 / d FROM metrics WHERE id = 5
--> NULL

-- bigquery: SAFE_DIVIDE
SELECT SAFE_DIVIDE(n, d), SAFE_DIVIDE(1, 0) FROM metrics WHERE id = 1
--> 3.5 | NULL

-- snowflake: DIV0
SELECT DIV0(10, 0), DIV0(10, 4)
--> 0 | 2.5

-- postgres: division guarded by NULLIF
SELECT id, quantity / NULLIF(quantity - 2, 0) FROM orders WHERE id < 4 ORDER BY id
--> 1 | NULL
--> 2 | -1
--> 3 | 1

-- postgres: modulo takes the sign of the dividend
SELECT id, n % d FROM metrics WHERE d <> 0 ORDER BY id
--> 1 | 1
--> 2 | -1
--> 3 | 1
--> 4 | 1

-- spark: modulo takes the sign of the dividend
SELECT -7 % 2, mod(7, -2)
--> -1 | 1

-- spark: pmod is never negative
SELECT pmod(-7, 3), pmod(7, 3)
--> 2 | 1

-- mysql: MOD
SELECT MOD(n, d), n MOD d FROM metrics WHERE id = 2
--> -1 | -1

-- bigquery: MOD of a negative
SELECT MOD(-7, 3)
--> -1

-- snowflake: MOD of a fraction
SELECT MOD(5.5, 2)
--> 1.5

-- postgres: round of an exact number goes away from zero
SELECT round(2.5), round(-2.5), round(0.5)
--> 3 | -3 | 1

-- postgres: round of a column to a place
SELECT id, round(amount, 1) FROM orders WHERE id IN (3, 4) ORDER BY id
--> 3 | 15.3
--> 4 | 100

-- duckdb: round to places
SELECT round(2.345, 2), round(-1.5), round(12345, -2)
--> 2.35 | -2 | 12300

-- mysql: ROUND to places
SELECT ROUND(amount, 1), ROUND(12345, -2) FROM orders WHERE id = 3
--> 15.3 | 12300

-- spark: round and bround
SELECT round(2.5), bround(2.5), bround(3.5)
--> 3 | 2 | 4

-- bigquery: ROUND of a float
SELECT ROUND(x), ROUND(x * 1.01, 1) FROM metrics WHERE id = 1
--> 3 | 2.5

-- snowflake: ROUND of a column
SELECT ROUND(amount, 0) FROM orders WHERE id = 1
--> 121

-- mysql: TRUNCATE cuts
SELECT TRUNCATE(1.999, 1), TRUNCATE(-1.999, 1), TRUNCATE(1999, -2)
--> 1.9 | -1.9 | 1900

-- postgres: trunc with places
SELECT trunc(15.279, 2), trunc(-1.9)
--> 15.27 | -1

-- snowflake: TRUNC with places
SELECT TRUNC(15.279, 1), TRUNC(-1.9)
--> 15.2 | -1

-- postgres: ceil and floor of negatives
SELECT ceil(-1.5), floor(-1.5), ceiling(1.1)
--> -1 | -2 | 2

-- spark: ceil and floor give integers
SELECT ceil(x), floor(x) FROM metrics WHERE id = 2
--> -2 | -3

-- mysql: CEILING and FLOOR
SELECT CEILING(x), FLOOR(x) FROM metrics WHERE id = 1
--> 3 | 2

-- postgres: abs, sign and power
SELECT abs(n), sign(n), power(2, 10) FROM metrics WHERE id = 2
--> 7 | -1 | 1024

-- duckdb: power operators
SELECT 2 ** 10, 2 ^ 3
--> 1024 | 8

-- postgres: the caret is a power
SELECT 2 ^ 3
--> 8

-- mysql: the caret is XOR
SELECT 6 ^ 3, 6 & 3, 6 | 3
--> 5 | 2 | 7

-- postgres: bit operators
SELECT 6 # 3, 6 & 3, 6 | 3, 1 << 4
--> 5 | 2 | 7 | 16

-- spark: bit operators
SELECT 6 ^ 3, shiftleft(1, 4)
--> 5 | 16

-- snowflake: BITAND and BITOR
SELECT BITAND(6, 3), BITOR(6, 3), BITXOR(6, 3)
--> 2 | 7 | 5

-- postgres: log of one argument has base ten
SELECT log(100), ln(1)
--> 2 | 0

-- mysql: LOG of one argument is natural
SELECT LOG(1), LOG10(1000), LOG2(8), LOG(2, 8)
--> 0 | 3 | 3 | 3

-- duckdb: log of one argument has base ten
SELECT log(1000), log2(8), ln(1)
--> 3 | 3 | 0

-- bigquery: LOG has the base last
SELECT LOG(1), LOG(8, 2), LOG10(100)
--> 0 | 3 | 2

-- snowflake: LOG has the base first
SELECT LOG(2, 8), LN(1)
--> 3 | 0

-- spark: log has the base first
SELECT log(2, 8), log(1)
--> 3 | 0

-- postgres: sqrt, exp and pi
SELECT sqrt(16), exp(0), round(pi()::numeric, 4)
--> 4 | 1 | 3.1416

-- duckdb: greatest and least skip NULL
SELECT greatest(1, NULL, 3), least(2, NULL, 5)
--> 3 | 2

-- postgres: greatest and least skip NULL
SELECT greatest(n, d), least(n, d) FROM metrics WHERE id IN (1, 5) ORDER BY id
--> 7 | 2
--> 0 | 0

-- mysql: GREATEST with NULL is NULL
SELECT GREATEST(n, d), LEAST(n, 1) FROM metrics WHERE id = 5
--> NULL | NULL

-- snowflake: GREATEST with NULL is NULL
SELECT GREATEST(n, d) FROM metrics WHERE id = 5
--> NULL

-- bigquery: GREATEST with NULL is NULL
SELECT GREATEST(n, d), LEAST(1, 2) FROM metrics WHERE id = 5
--> NULL | 1

-- spark: greatest skips NULL
SELECT greatest(n, d), least(n, d) FROM metrics WHERE id = 5
--> 0 | 0

-- spark: width_bucket
SELECT width_bucket(5.3, 0.2, 10.6, 5)
--> 3

-- postgres: width_bucket
SELECT width_bucket(5.3, 0.2, 10.6, 5)
--> 3

-- mysql: decimal arithmetic is exact
SELECT amount * quantity, amount + 0.1 FROM orders WHERE id = 1
--> 241 | 120.6

-- postgres: a sum of cents is exact
SELECT sum(amount) FROM orders
--> 357.74

-- spark: hexadecimal
SELECT hex(255), conv('ff', 16, 10)
--> 'FF' | '255'

-- mysql: HEX
SELECT HEX(255)
--> 'FF'

-- duckdb: even and factorial
SELECT factorial(5)
--> 120

-- postgres: is a number between
SELECT id FROM orders WHERE amount BETWEEN 42 AND 99.99 ORDER BY id
--> 2
--> 4
--> 6

-- bigquery: SIGN, ABS and POW
SELECT SIGN(-2.5), ABS(-2.5), POW(2, 3)
--> -1 | 2.5 | 8

-- bigquery: IEEE_DIVIDE guarded by IF
SELECT IF(d = 0, NULL, n / d) FROM metrics ORDER BY id
--> 3.5
--> -3.5
--> -3.5
--> 3.3333333333333335
--> NULL

-- bigquery: TRUNC
SELECT TRUNC(-1.99), TRUNC(1.999, 2)
--> -1 | 1.99

-- postgres: halves of doubles go to the even number
SELECT id, round(x), round(x / 5) FROM metrics WHERE id < 4 ORDER BY id
--> 1 | 2 | 0
--> 2 | -2 | 0
--> 3 | 0 | 0

-- mysql: halves of doubles go to the even number
SELECT id, ROUND(x) FROM metrics WHERE id < 4 ORDER BY id
--> 1 | 2
--> 2 | -2
--> 3 | 0

-- spark: halves of doubles go away from zero
SELECT id, round(x) FROM metrics WHERE id < 4 ORDER BY id
--> 1 | 3
--> 2 | -3
--> 3 | 1
