-- What DataFusion, flowc's own engine says of these; see corpus.py.
-- taken: plain selections
SELECT id, name, country FROM customers;
SELECT c.id, c.name AS customer, c.born FROM customers AS c WHERE c.country = 'GB';
SELECT id, amount * quantity AS total FROM orders WHERE amount IS NOT NULL;
SELECT DISTINCT status FROM orders;
SELECT id FROM orders WHERE status IN ('paid', 'sent') AND quantity BETWEEN 1 AND 5;
SELECT id FROM customers WHERE name LIKE 'A%' OR email IS NULL;
SELECT id, name FROM customers WHERE NOT active;
SELECT id AS "Order Id", status AS "State" FROM orders;
SELECT id, -quantity AS negative, +quantity AS positive FROM orders;
SELECT 1 AS one, 'text' AS word, NULL AS nothing, 1.5 AS number;
SELECT * FROM customers;
SELECT c.* FROM customers c WHERE c.id > 1;
SELECT id, quantity % 2 AS parity FROM orders;
SELECT id, name || ' (' || country || ')' AS label FROM customers;
SELECT id FROM orders WHERE note IS NULL ORDER BY placed_at DESC LIMIT 10;
SELECT id FROM orders ORDER BY placed_at DESC LIMIT 10 OFFSET 5;
SELECT id, amount FROM orders ORDER BY 2 DESC, 1;
SELECT id, amount FROM orders ORDER BY amount DESC NULLS LAST;

-- taken: cases and missing values
SELECT id, CASE WHEN quantity > 2 THEN 'many' WHEN quantity = 2 THEN 'two' ELSE 'few' END AS size FROM orders;
SELECT id, CASE status WHEN 'paid' THEN 1 WHEN 'sent' THEN 2 END AS code FROM orders;
SELECT id, coalesce(note, status, 'none') AS remark FROM orders;
SELECT id, nullif(quantity, 0) AS quantity FROM orders;
SELECT id, CASE WHEN note IS NULL THEN 0 ELSE 1 END AS has_note FROM orders;

-- taken: aggregates
SELECT country, count(*) AS customers FROM customers GROUP BY country;
SELECT count(*) AS n, sum(amount) AS total, avg(amount) AS mean, min(placed_at) AS first_at, max(placed_at) AS last_at FROM orders;
SELECT status, count(DISTINCT customer_id) AS buyers FROM orders GROUP BY status HAVING count(*) > 1;
SELECT customer_id, sum(CASE WHEN status = 'paid' THEN amount ELSE 0 END) AS paid FROM orders GROUP BY customer_id;
SELECT status, count(*) AS n FROM orders GROUP BY 1 ORDER BY 2 DESC;
SELECT status AS state, count(*) AS n FROM orders GROUP BY status ORDER BY state;
SELECT sum(quantity) AS all_of_them FROM orders HAVING sum(quantity) > 100;
SELECT customer_id, status, sum(amount) AS total FROM orders GROUP BY customer_id, status;
SELECT upper(country) AS country, count(*) AS n FROM customers GROUP BY upper(country);
SELECT count(*) FILTER (WHERE status = 'paid') AS paid, count(*) AS n FROM orders;
SELECT max(amount) - min(amount) AS spread FROM orders;
SELECT sum(amount) / count(*) AS mean FROM orders;
SELECT country FROM customers GROUP BY country HAVING max(balance) > 10 AND count(*) >= 1;

-- taken: joins
SELECT o.id, c.name FROM orders o JOIN customers c ON c.id = o.customer_id;
SELECT c.id, o.id AS order_id FROM customers c LEFT JOIN orders o ON o.customer_id = c.id AND o.status = 'paid';
SELECT o.id, i.sku, i.quantity * i.price AS line FROM orders o INNER JOIN items i ON i.order_id = o.id;
SELECT a.id AS id, b.id AS other FROM customers a CROSS JOIN customers b WHERE a.id < b.id;
SELECT c.name, o.status, i.sku FROM customers c JOIN orders o ON o.customer_id = c.id LEFT JOIN items i ON i.order_id = o.id;
SELECT c.name, count(o.id) AS orders FROM customers c LEFT JOIN orders o ON o.customer_id = c.id GROUP BY c.id, c.name;
SELECT o.id FROM orders o, customers c WHERE c.id = o.customer_id;
SELECT a.id FROM orders a JOIN orders b ON b.customer_id = a.customer_id AND b.placed_at > a.placed_at;
SELECT c.id FROM customers c FULL OUTER JOIN orders o ON o.customer_id = c.id;
SELECT c.name FROM orders o RIGHT JOIN customers c ON c.id = o.customer_id;
SELECT quantity, o.id FROM orders o JOIN items i USING (quantity);

-- taken: subqueries
SELECT id FROM customers WHERE id IN (SELECT customer_id FROM orders WHERE amount > 10);
SELECT c.id FROM customers c WHERE EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id);
SELECT c.id FROM customers c WHERE NOT EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id AND o.status = 'sent');
SELECT c.id, (SELECT max(o.amount) FROM orders o WHERE o.customer_id = c.id) AS largest FROM customers c;
SELECT id, amount FROM orders WHERE amount > (SELECT avg(amount) FROM orders);
SELECT t.status, t.n FROM (SELECT status, count(*) AS n FROM orders GROUP BY status) AS t WHERE t.n > 1;
SELECT id FROM orders o WHERE amount = (SELECT max(amount) FROM orders p WHERE p.customer_id = o.customer_id);
SELECT x.id FROM (SELECT id, status FROM orders) x JOIN (SELECT order_id FROM items) y ON y.order_id = x.id;

-- taken: common table expressions
WITH paid AS (SELECT id, customer_id, amount FROM orders WHERE status = 'paid') SELECT customer_id, sum(amount) AS total FROM paid GROUP BY customer_id;
WITH a AS (SELECT id FROM orders), b AS (SELECT id FROM a WHERE id > 1) SELECT b.id FROM b;
WITH totals (customer, total) AS (SELECT customer_id, sum(amount) FROM orders GROUP BY customer_id) SELECT c.name, t.total FROM totals t JOIN customers c ON c.id = t.customer;
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 10) SELECT n FROM numbers;
WITH RECURSIVE chain AS (SELECT id, customer_id, 1 AS depth FROM orders WHERE id = 1 UNION ALL SELECT o.id, o.customer_id, c.depth + 1 FROM orders o JOIN chain c ON o.id = c.id + 1 WHERE c.depth < 5) SELECT id, depth FROM chain;
WITH ranked AS (SELECT id, row_number() OVER (PARTITION BY customer_id ORDER BY placed_at DESC) AS place FROM orders) SELECT id FROM ranked WHERE place = 1;

-- taken: windows
SELECT id, row_number() OVER (ORDER BY placed_at) AS number FROM orders;
SELECT id, rank() OVER (PARTITION BY status ORDER BY amount DESC) AS place, dense_rank() OVER (ORDER BY amount) AS dense FROM orders;
SELECT id, sum(amount) OVER (PARTITION BY customer_id ORDER BY placed_at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS running FROM orders;
SELECT id, lag(amount) OVER (ORDER BY placed_at) AS before, lead(amount, 2) OVER (ORDER BY placed_at) AS later FROM orders;
SELECT id, avg(amount) OVER w AS mean, count(*) OVER w AS n FROM orders WINDOW w AS (PARTITION BY status);
SELECT id, first_value(status) OVER (PARTITION BY customer_id ORDER BY placed_at) AS first_status FROM orders;
SELECT id, ntile(4) OVER (ORDER BY amount) AS quarter FROM orders;
SELECT id, amount / sum(amount) OVER () AS share FROM orders;
SELECT status, sum(sum(amount)) OVER () AS all_of_it FROM orders GROUP BY status;
SELECT id, max(amount) OVER (ORDER BY id ROWS BETWEEN 2 PRECEDING AND 2 FOLLOWING) AS around FROM orders;
SELECT id, percent_rank() OVER (ORDER BY amount) AS part, cume_dist() OVER (ORDER BY amount) AS dist FROM orders;
SELECT id, nth_value(amount, 2) OVER (PARTITION BY customer_id ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS second FROM orders;
SELECT id, last_value(status) OVER (ORDER BY id RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS last_status FROM orders;
SELECT id, count(*) FILTER (WHERE status = 'paid') OVER (PARTITION BY customer_id) AS paid FROM orders;
SELECT id, sum(quantity) OVER (ORDER BY id GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW) AS near FROM orders;

-- taken: set operations and values
SELECT id FROM customers UNION SELECT customer_id FROM orders;
SELECT id, 'c' AS kind FROM customers UNION ALL SELECT id, 'o' FROM orders ORDER BY 1;
SELECT id FROM customers EXCEPT SELECT customer_id FROM orders;
SELECT id FROM customers INTERSECT SELECT customer_id FROM orders;
SELECT v.a, v.b FROM (SELECT 1 AS a, 'x' AS b UNION ALL SELECT 2, 'y') v;
WITH v(code, label) AS (VALUES (1, 'one'), (2, 'two')) SELECT v.label, o.id FROM orders o JOIN v ON v.code = o.quantity;
SELECT a.n FROM (SELECT count(*) AS n FROM orders) a UNION ALL SELECT b.n FROM (SELECT count(*) AS n FROM items) b;

-- taken: texts
SELECT upper(name) AS u, lower(name) AS l, length(name) AS n FROM customers;
SELECT trim(name) AS t, ltrim(name) AS lt, rtrim(name) AS rt FROM customers;
SELECT replace(email, '@', ' at ') AS email FROM customers;
SELECT substr(name, 1, 3) AS short FROM customers;
SELECT id FROM customers WHERE lower(email) LIKE '%@example.org';
SELECT id FROM customers WHERE name LIKE 'A\_%' ESCAPE '\';
SELECT name || '' AS name FROM customers WHERE length(trim(name)) > 0;
SELECT id, upper(substr(name, 1, 1)) || lower(substr(name, 2)) AS title FROM customers;

-- taken: numbers
SELECT round(amount, 1) AS r, abs(amount) AS a FROM orders;
SELECT id, cast(amount AS integer) AS whole FROM orders;
SELECT cast(quantity AS double precision) / 3 AS third FROM orders;
SELECT id, quantity + 1 AS q1, quantity - 1 AS q2, quantity * 2 AS q3, quantity / 2 AS q4 FROM orders;
SELECT round(weight * 2.5, 2) AS w FROM items;
SELECT cast(amount AS decimal(10,2)) AS a, cast(id AS varchar(20)) AS t FROM orders;
SELECT ceil(weight) AS c, floor(weight) AS f, sqrt(weight) AS s, power(weight, 2) AS p FROM items;
SELECT ln(weight) AS l, exp(weight) AS e FROM items;
SELECT cast(quantity AS bigint) * 100 AS cents FROM orders;

-- taken: dates
SELECT id FROM orders WHERE placed_on >= '2024-01-01' AND placed_on < '2024-07-01';
SELECT id FROM orders WHERE placed_at > '2024-01-01 00:00:00';
SELECT current_date AS today, current_timestamp AS moment;
SELECT min(born) AS oldest, max(born) AS youngest FROM customers;
SELECT id, cast(placed_at AS date) AS day FROM orders;
SELECT cast('2024-02-29' AS date) AS leap;

-- taken: quoted names and letters
SELECT "First Name", "select" FROM odd_names;
SELECT o."First Name" AS first_name, o."Amount" AS amount FROM odd_names o WHERE o."select" > 0;
SELECT "Amount" + 1 AS "Amount plus" FROM odd_names;
SELECT 'it''s' AS quoted, 'größe' AS letters FROM customers;
SELECT id /* the key */, name -- the name
FROM customers;
SELECT
  c.id,
  c.name
FROM customers AS c
WHERE c.country = 'SE'
  AND c.balance >= 0;

-- taken: dates of PostgreSQL
SELECT id, date_trunc('month', placed_at) AS month FROM orders;
SELECT extract(year FROM placed_on) AS year, extract(month FROM placed_on) AS month FROM orders;
SELECT date_part('dow', placed_on) AS weekday FROM orders;
SELECT placed_on + INTERVAL '1 day' AS next FROM orders;
SELECT placed_at - INTERVAL '2 hours' AS before FROM orders;
SELECT placed_on - born AS days FROM orders o JOIN customers c ON c.id = o.customer_id;
SELECT placed_on + 7 AS week_later FROM orders;
SELECT DATE '2024-02-29' AS day, TIMESTAMP '2024-01-01 10:00:00' AS moment;
SELECT id FROM orders WHERE placed_on > DATE '2024-01-01';
SELECT now() AS moment, current_date - 1 AS yesterday;
SELECT to_char(placed_at, 'YYYY-MM') AS month FROM orders;
SELECT make_date(2024, 1, 31) AS day;
SELECT happened_at AT TIME ZONE 'UTC' AS utc FROM events;
SELECT extract(epoch FROM placed_at) AS seconds FROM orders;
SELECT to_timestamp(1700000000) AS moment;
SELECT placed_at::date AS day, placed_at::time AS clock FROM orders;
SELECT date_bin(INTERVAL '15 minutes', placed_at, TIMESTAMP '2020-01-01 00:00:00') AS slot FROM orders;
SELECT g AS n FROM generate_series(1, 10) AS t(g);

-- taken: casts of PostgreSQL
SELECT id::text AS id, amount::integer AS amount, '12'::int AS twelve FROM orders;
SELECT '2024-01-01'::date AS day, '10:00'::time AS clock, 'true'::boolean AS yes;
SELECT amount::double precision AS f, quantity::numeric(10,2) AS n FROM orders;
SELECT CAST(placed_at AS text) AS t FROM orders;
SELECT try_cast(note AS integer) AS number FROM orders;
SELECT '1 day'::interval AS span;
SELECT CAST(NULL AS bigint) AS nothing;
SELECT active::int AS flag FROM customers;

-- taken: texts of PostgreSQL
SELECT concat(name, ' ', email) AS c, concat_ws('-', name, country) AS w FROM customers;
SELECT left(name, 2) AS l, right(name, 2) AS r FROM customers;
SELECT split_part(email, '@', 2) AS domain FROM customers;
SELECT position('@' IN email) AS at FROM customers;
SELECT substring(name FROM 1 FOR 2) AS s FROM customers;
SELECT lpad(country, 5, '*') AS l, rpad(country, 5, '*') AS r FROM customers;
SELECT id FROM customers WHERE name ILIKE 'a%';
SELECT id FROM customers WHERE name ~ '^A';
SELECT regexp_replace(email, '@.*$', '') AS account FROM customers;
SELECT initcap(name) AS name FROM customers;
SELECT reverse(name) AS r, repeat(name, 2) AS twice FROM customers;
SELECT md5(name) AS hash FROM customers;
SELECT id FROM customers WHERE name SIMILAR TO '(A|B)%';
SELECT string_agg(name, ', ') AS names FROM customers;
SELECT string_agg(name, ', ' ORDER BY name) AS names FROM customers;
SELECT strpos(email, '@') AS at FROM customers;
SELECT translate(name, 'abc', 'xyz') AS t FROM customers;
SELECT chr(65) AS letter, ascii('A') AS code;
SELECT trim(BOTH 'x' FROM name) AS t FROM customers;
SELECT overlay(name PLACING 'xx' FROM 1 FOR 2) AS o FROM customers;
SELECT starts_with(name, 'A') AS s FROM customers;
SELECT char_length(name) AS n, octet_length(name) AS bytes FROM customers;
SELECT levenshtein(name, 'Ada') AS distance FROM customers;
SELECT to_hex(id) AS h FROM orders;

-- taken: arrays
SELECT id, tags[1] AS first_tag FROM posts;
SELECT id, unnest(tags) AS tag FROM posts;
SELECT id FROM posts WHERE 'a' = ANY(tags);
SELECT array_length(tags, 1) AS n FROM posts;
SELECT cardinality(tags) AS n FROM posts;
SELECT ARRAY[1, 2, 3] AS numbers;
SELECT array_agg(name) AS names FROM customers;
SELECT array_agg(name ORDER BY name DESC) AS names FROM customers;
SELECT array_to_string(tags, ',') AS joined FROM posts;
SELECT array_append(tags, 'z') AS tags FROM posts;
SELECT tags || ARRAY['z'] AS tags FROM posts;
SELECT string_to_array('a,b', ',') AS parts;
SELECT id FROM posts WHERE tags @> ARRAY['a'];
SELECT array_position(tags, 'b') AS place FROM posts;

-- taken: distinct on, lateral, grouping sets
SELECT DISTINCT ON (customer_id) customer_id, id, placed_at FROM orders ORDER BY customer_id, placed_at DESC;
SELECT c.id, o.amount FROM customers c LEFT JOIN LATERAL (SELECT max(amount) AS amount FROM orders WHERE customer_id = c.id) o ON true;
SELECT status, customer_id, sum(amount) AS total FROM orders GROUP BY ROLLUP (status, customer_id);
SELECT status, customer_id, sum(amount) AS total FROM orders GROUP BY CUBE (status, customer_id);
SELECT status, customer_id, count(*) AS n FROM orders GROUP BY GROUPING SETS ((status), (customer_id), ());
SELECT status, grouping(status) AS g, count(*) AS n FROM orders GROUP BY ROLLUP (status);
SELECT id FROM orders ORDER BY id OFFSET 2;
SELECT id FROM orders WHERE note IS NOT DISTINCT FROM status;
SELECT id FROM orders WHERE note IS DISTINCT FROM 'last';
SELECT id FROM orders WHERE (status = 'paid') IS TRUE;
SELECT id FROM orders WHERE amount > ALL (SELECT amount FROM orders WHERE status = 'sent');
SELECT id FROM customers WHERE active IS NOT FALSE;
SELECT v.id, v.label FROM (VALUES (1, 'a'), (2, 'b')) AS v(id, label);
SELECT a.id FROM orders a NATURAL JOIN items b;
SELECT id FROM orders TABLESAMPLE BERNOULLI (10);
SELECT id FROM customers EXCEPT ALL SELECT customer_id FROM orders;
SELECT id FROM customers INTERSECT ALL SELECT customer_id FROM orders;

-- taken: statistics
SELECT corr(quantity, amount) AS c FROM orders;
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY amount) AS median FROM orders;
SELECT median(amount) AS m FROM orders;
SELECT bool_and(active) AS all_active, bool_or(active) AS any_active FROM customers;
SELECT approx_distinct(customer_id) AS n FROM orders;
SELECT regr_slope(amount, quantity) AS slope FROM orders;
SELECT greatest(quantity, 2) AS g, least(quantity, 2) AS l FROM orders;
SELECT pi() AS p, degrees(1.0) AS d, radians(180.0) AS r;
SELECT random() AS r FROM orders;
SELECT log(10, weight) AS l, log10(weight) AS l10 FROM items;
SELECT any_value(name) AS someone FROM customers GROUP BY country;
SELECT bit_and(quantity) AS b FROM orders;
SELECT sum(quantity) FILTER (WHERE note IS NOT NULL) AS noted FROM orders;
SELECT count(DISTINCT (customer_id, status)) AS pairs FROM orders;

-- taken: DuckDB's own
FROM customers;
FROM orders SELECT id, amount WHERE amount > 10;
SELECT * EXCLUDE (email, born) FROM customers;
SELECT * REPLACE (upper(name) AS name) FROM customers;
SELECT status, sum(amount) AS total FROM orders GROUP BY ALL;
SELECT id, amount FROM orders QUALIFY row_number() OVER (PARTITION BY customer_id ORDER BY placed_at DESC) = 1;
SELECT {'a': 1, 'b': 'x'} AS pair;
SELECT s.a AS a FROM (SELECT {'a': 1} AS s) t;
SELECT MAP {'a': 1} AS m;
SELECT MAP {'a': 1}['a'] AS one;
SELECT tags[1:2] AS two FROM posts;
SELECT quantile_cont(amount, 0.9) AS p90 FROM orders;
SELECT name FROM customers UNION BY NAME SELECT sku AS name FROM items;
SELECT name FROM customers UNION ALL BY NAME SELECT sku AS name FROM items;
SELECT n FROM range(10) t(n);
SELECT unnest(range(3)) AS n;
SELECT unnest({'a': 1, 'b': 2}) FROM customers;
SELECT coalesce(try_cast(note AS date), DATE '2024-01-01') AS day FROM orders;
SELECT array_sort(tags) AS s, list_distinct(tags) AS d, list_reverse(tags) AS r FROM posts;
SELECT flatten([[1], [2]]) AS f, list_concat([1], [2]) AS c;
SELECT o.id, count(*) OVER (PARTITION BY status) AS n FROM orders o WHERE quantity > 0 QUALIFY n > 1;
SELECT uuid() AS u, current_timestamp::timestamp AS t;
SELECT id, * EXCLUDE (id) FROM orders;

-- taken: SQLite's own
SELECT instr(email, '@') AS at, substr(email, instr(email, '@') + 1) AS domain FROM customers;
SELECT id FROM orders WHERE status == 'paid' AND quantity <> 1 AND quantity != 7;
SELECT placed_on + 1 AS n FROM orders;
SELECT cast('2020-13-45' AS text) AS t;
SELECT name AS 'quoted alias' FROM customers;
SELECT a.value AS n FROM generate_series(1, 5) a;
SELECT id, sum(amount) OVER (ORDER BY id ROWS 2 PRECEDING) AS s FROM orders;
SELECT CASE WHEN quantity THEN 'some' ELSE 'none' END AS s FROM orders;
SELECT count(*) AS n FROM orders WHERE status = 'paid' GROUP BY customer_id HAVING n > 0;
SELECT column1 AS a, column2 AS b FROM (VALUES (1, 'x'), (2, 'y'));
SELECT trim(name, 'A') AS t, soundex FROM (SELECT name, 'x' AS soundex FROM customers);
SELECT sum(DISTINCT quantity) AS s, avg(DISTINCT quantity) AS a FROM orders;
SELECT id FROM orders WHERE (id, quantity) = (1, 2);
SELECT id FROM orders WHERE id BETWEEN 1 AND 2 AND NOT quantity > 5;
SELECT id FROM orders WHERE status LIKE 'P%' AND status NOT LIKE 'x%';
SELECT id FROM customers WHERE id NOT IN (SELECT customer_id FROM orders WHERE customer_id IS NOT NULL);
SELECT id FROM orders WHERE note NOTNULL;
SELECT substring(name, 2) AS s, length(x'00') AS l FROM customers;

-- taken: DataFusion's own
SELECT arrow_typeof(amount) AS t FROM orders;
SELECT arrow_cast(quantity, 'Int64') AS q FROM orders;
SELECT named_struct('id', id, 'name', name) AS doc FROM customers;
SELECT struct(id, name) AS doc FROM customers;
SELECT make_array(1, 2, 3) AS list, [1, 2] AS other;
SELECT array_has(tags, 'a') AS h, array_sort(tags) AS s, array_distinct(tags) AS d FROM posts;
SELECT array_element(tags, 1) AS a, list_element(tags, 1) AS b FROM posts;
SELECT array_slice(tags, 1, 2) AS two FROM posts;
SELECT flatten(make_array(make_array(1), make_array(2))) AS f;
SELECT approx_percentile_cont(0.9) WITHIN GROUP (ORDER BY weight) AS p FROM items;
SELECT approx_median(weight) AS m FROM items;
SELECT first_value(name ORDER BY born) AS oldest, last_value(name ORDER BY born) AS youngest FROM customers;
SELECT to_timestamp('2024-01-01 10:00:00') AS t, to_date('2024-01-01') AS d;
SELECT to_timestamp_seconds(1700000000) AS s, to_timestamp_millis(1700000000000) AS m;
SELECT to_char(placed_on, '%Y-%m') AS month FROM orders;
SELECT date_format(placed_at, '%Y-%m-%d') AS day FROM orders;
SELECT date_bin(INTERVAL '1 day', placed_at) AS day FROM orders;
SELECT nvl(note, '') AS n, nvl2(note, 'yes', 'no') AS m, ifnull(note, 'x') AS i FROM orders;
SELECT digest(name, 'sha256') AS d, sha256(name) AS s FROM customers;
SELECT encode(name, 'hex') AS h, encode(name, 'base64') AS b FROM customers;
SELECT find_in_set('a', 'a,b') AS f, substr_index(email, '@', 1) AS s FROM customers;
SELECT regexp_like(name, '^A') AS l, regexp_match(email, '@(.*)') AS m, regexp_count(email, 'a') AS c FROM customers;
SELECT btrim(name) AS b, bit_length(name) AS n, uuid() AS u FROM customers;
SELECT isnan(weight) AS n, iszero(weight) AS z, nanvl(weight, 0) AS v, cbrt(weight) AS c FROM items;
SELECT range(1, 5) AS r, generate_series(1, 5) AS g;
SELECT value AS n FROM generate_series(1, 5);
SELECT * EXCLUDE (email) FROM customers;
SELECT * REPLACE (upper(name) AS name) FROM customers;
SELECT id FROM orders QUALIFY row_number() OVER (PARTITION BY customer_id ORDER BY id) = 1;
SELECT c.id FROM customers c LEFT SEMI JOIN orders o ON o.customer_id = c.id;
SELECT c.id FROM customers c LEFT ANTI JOIN orders o ON o.customer_id = c.id;
SELECT name, amount FROM customers JOIN orders ON customers.id = orders.customer_id AND amount > 1;
SELECT map(['a'], [1]) AS m;
SELECT map_extract(map(['a'], [1]), 'a') AS m;
SELECT get_field(named_struct('a', 1), 'a') AS a;
SELECT named_struct('a', 1)['a'] AS a;
SELECT array_to_string(tags, '-') AS t, array_length(tags) AS n FROM posts;
SELECT unnest(make_array(1, 2)) AS n;
SELECT covar_pop(weight, price) AS c, covar_samp(weight, price) AS s FROM items;
SELECT var_pop(weight) AS v, stddev_pop(weight) AS s FROM items;
SELECT bit_or(quantity) AS o, bit_xor(quantity) AS x FROM orders;
SELECT nth_value(name, 1) OVER (ORDER BY id) AS n FROM customers;
SELECT lag(amount, 1, 0) OVER (ORDER BY id) AS before FROM orders;
SELECT sum(amount) OVER (ORDER BY placed_at RANGE BETWEEN INTERVAL '7 days' PRECEDING AND CURRENT ROW) AS week FROM orders;
SELECT array_agg(DISTINCT status) AS s FROM orders;
SELECT string_agg(name, ',') AS n FROM customers;
SELECT date_part('epoch', placed_at) AS e, date_part('week', placed_on) AS w FROM orders;
SELECT extract(quarter FROM placed_on) AS q, extract(day FROM placed_at) AS d FROM orders;
SELECT from_unixtime(1700000000) AS t, current_time AS c;
SELECT make_date(2024, 2, 29) AS d, date_trunc('week', placed_on) AS w FROM orders;
SELECT placed_at + INTERVAL '1 month 2 days' AS later FROM orders;
SELECT placed_at - joined AS since FROM orders o JOIN customers c ON c.id = o.customer_id;
SELECT id FROM orders WHERE placed_at BETWEEN '2024-01-01' AND TIMESTAMP '2024-12-31 23:59:59';
SELECT try_cast('x' AS int) AS n, TRY_CAST(note AS DOUBLE) AS d FROM orders;
SELECT cast(amount AS float) AS f, cast(id AS varchar) AS t, cast('2024-01-01' AS timestamp) AS m FROM orders;
SELECT power(2, 10) AS p, log(2, 8) AS l, factorial(5) AS f, gcd(12, 8) AS g, lcm(4, 6) AS m;
SELECT trunc(weight, 1) AS t, signum(weight) AS s, round(price) AS r FROM items;
SELECT split_part(email, '@', 1) AS a, strpos(email, '@') AS p, substr(email, 2, 3) AS s FROM customers;
SELECT concat(name, 1) AS c, concat_ws(',', name, NULL) AS w FROM customers;
SELECT starts_with(name, 'A') AS s, ends_with(name, 'a') AS e, contains(name, 'd') AS c FROM customers;
SELECT levenshtein('kitten', 'sitting') AS d, overlay('Txxxxas' PLACING 'hom' FROM 2 FOR 4) AS o;
SELECT CASE WHEN active THEN 'yes' ELSE 'no' END AS a FROM customers WHERE active = true;
SELECT quantity IS NULL AS missing, quantity IS NOT NULL AS there, active IS UNKNOWN AS u FROM orders, customers;
SELECT count(*) AS n FROM orders GROUP BY GROUPING SETS ((status), ());
SELECT status, count(*) AS n FROM orders GROUP BY ALL;
SELECT grouping(status) AS g, status FROM orders GROUP BY ROLLUP (status);
SELECT x.n FROM (VALUES (1), (2)) AS x(n);
VALUES (1, 'a'), (2, 'b');
SELECT "First Name" AS f FROM odd_names WHERE "Amount" > 1.5;
SELECT id FROM orders WHERE status ~ '^p' AND status !~ 'x$' AND status ~* 'P';
SELECT 5 % 2 AS r, 5 & 3 AS b, 5 | 3 AS o, 5 ^ 3 AS x, 1 << 2 AS s;
SELECT coalesce(NULL, 1) AS c, greatest(1, 2, 3) AS g, least(1, 2) AS l;
WITH a AS (SELECT 1 AS x), b AS (SELECT x + 1 AS y FROM a) SELECT a.x, b.y FROM a CROSS JOIN b;

-- taken: what other engines refuse: columns that are not there
SELECT id FROM orders o JOIN items i ON i.order_id = o.id;

-- taken: what other engines refuse: types
SELECT id FROM orders WHERE placed_on = 5;
SELECT CASE WHEN active THEN 1 ELSE 'no' END AS c FROM customers;
SELECT id FROM orders WHERE placed_on BETWEEN 1 AND 2;
SELECT id FROM customers UNION SELECT name FROM customers;
SELECT count(id, name) AS n FROM customers;

-- refused: words of other engines: numbers
SELECT sign(quantity) AS s FROM orders;

-- refused: words of other engines: dates of PostgreSQL
SELECT age(placed_at, joined) AS since FROM orders o JOIN customers c ON c.id = o.customer_id;
SELECT datediff('day', placed_on, current_date) AS days FROM orders;
SELECT last_day(placed_on) AS month_end FROM orders;
SELECT generate_series AS day FROM generate_series(DATE '2024-01-01', DATE '2024-01-31', INTERVAL '1 day');

-- refused: words of other engines: texts of PostgreSQL
SELECT format('{} is {}', name, country) AS f FROM customers;

-- refused: words of other engines: arrays
SELECT p.id, t.tag FROM posts p, unnest(p.tags) AS t(tag);

-- refused: words of other engines: json
SELECT payload->>'page' AS page FROM events;
SELECT payload->'list'->>0 AS first_one FROM events;
SELECT (payload->>'n')::int AS n FROM events WHERE payload->>'page' = 'home';
SELECT json_build_object('id', id, 'name', name) AS doc FROM customers;
SELECT row_to_json(c) AS doc FROM customers c;
SELECT payload #>> '{list,0}' AS one FROM events;

-- refused: words of other engines: distinct on, lateral, grouping sets
SELECT c.id, o.amount FROM customers c CROSS JOIN LATERAL (SELECT amount FROM orders WHERE customer_id = c.id ORDER BY amount DESC LIMIT 1) o;
SELECT id FROM orders FETCH FIRST 5 ROWS ONLY;
WITH m AS MATERIALIZED (SELECT id FROM orders) SELECT id FROM m;

-- refused: words of other engines: statistics
SELECT mode() WITHIN GROUP (ORDER BY status) AS most FROM orders;
SELECT gen_random_uuid() AS u;
SELECT every(active) AS e FROM customers;

-- refused: words of other engines: DuckDB
SELECT status, sum(amount) AS total FROM orders GROUP BY ALL ORDER BY ALL;
SELECT list(name) AS names FROM customers;
SELECT struct_pack(id := id, name := name) AS doc FROM customers;
SELECT arg_max(name, balance) AS richest FROM customers;
SELECT approx_count_distinct(customer_id) AS n FROM orders;
SELECT c.name, o.id FROM customers c SEMI JOIN orders o ON o.customer_id = c.id;
SELECT o.id, c.name FROM orders o ASOF JOIN customers c ON o.customer_id = c.id AND o.placed_at >= c.joined;
SELECT id FROM orders USING SAMPLE 10%;
SELECT * FROM (SELECT status, quantity, amount FROM orders) PIVOT (sum(amount) FOR quantity IN (1, 2, 3));
SELECT name, value FROM (UNPIVOT (SELECT quantity, customer_id::integer AS customer FROM orders) ON quantity, customer INTO NAME name VALUE value);
SELECT struct_extract({'a': 1}, 'a') AS a;
SELECT monthname(placed_on) AS m, dayname(placed_on) AS d, year(placed_on) AS y, quarter(placed_on) AS q FROM orders;
SELECT date_sub('month', joined, placed_at) AS months FROM orders o JOIN customers c ON c.id = o.customer_id;
SELECT epoch_ms(placed_at) AS ms, epoch_us(placed_at) AS us FROM orders;
SELECT payload->'$.page' AS page, payload->>'$.list[0]' AS one FROM events;
SELECT from_json(payload, '{"page": "VARCHAR", "n": "INTEGER"}') AS doc FROM events;
SELECT to_json({'id': id}) AS doc FROM orders;
SELECT if(quantity > 1, 'many', 'one') AS size, ifnull(note, '') AS note FROM orders;
SELECT string_split(email, '@') AS parts, str_split(email, '@')[2] AS domain FROM customers;
SELECT printf('%d: %s', id, name) AS line FROM customers;
SELECT strlen(name) AS bytes, unicode(name) AS code, contains(name, 'd') AS c FROM customers;
SELECT quantity // 2 AS half, quantity ** 2 AS square FROM orders;
SELECT list_aggregate([1, 2, 3], 'sum') AS total, list_sum([1, 2]) AS s;
SELECT #1 AS first FROM (SELECT id FROM orders);
SELECT lag(amount IGNORE NULLS) OVER (ORDER BY id) AS before FROM orders;
SELECT sum(quantity)::hugeint AS total, 1::utinyint AS small FROM orders;
SELECT bar(amount, 0, 100, 10) AS chart FROM orders;
SELECT 'a' AS x, E'line\n' AS y, $$dollar$$ AS z;

-- refused: words of other engines: SQLite
SELECT ifnull(note, 'none') AS note, iif(quantity > 1, 'many', 'one') AS size FROM orders;
SELECT date(placed_at) AS d, time(placed_at) AS t, datetime(placed_at, '+1 day') AS later FROM orders;
SELECT julianday(placed_at) - julianday(joined) AS days FROM orders o JOIN customers c ON c.id = o.customer_id;
SELECT group_concat(name) AS names, group_concat(name, '; ') AS more FROM customers;
SELECT status, amount FROM orders GROUP BY status;
SELECT printf('%.2f', amount) AS a, format('%d', id) AS f FROM orders;
SELECT typeof(amount) AS t FROM orders;
SELECT max(quantity, 2) AS m, min(quantity, 2) AS n FROM orders;
SELECT json_extract(payload, '$.page') AS page FROM events;
SELECT e.id, j.value AS tag FROM events e, json_each(e.payload, '$.list') j;
SELECT j.fullkey AS k, j.atom AS a FROM events, json_tree(events.payload) j;
SELECT json_array(1, 2, 3) AS list, json_array_length('[1,2]') AS n;
SELECT json_set(payload, '$.x', 1) AS p, json_remove(payload, '$.n') AS q FROM events;
SELECT id FROM orders WHERE note IS 'last';
SELECT id FROM customers WHERE name = 'ada' COLLATE NOCASE;
SELECT id FROM orders LIMIT 5, 10;
SELECT 'abc' + 1 AS n;
SELECT abs(name) AS a FROM customers;
SELECT id FROM orders INDEXED BY missing_index WHERE id = 1;
SELECT likely(id > 1) AS l, likelihood(id > 1, 0.9) AS m FROM orders;
SELECT changes() AS c, sqlite_version() AS v;
SELECT id, sum(amount) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW) AS near FROM orders;
SELECT id FROM orders WHERE quantity;
SELECT 5 / 2 AS whole, 5 % 2 AS rest, 5 | 2 AS either, 5 & 1 AS both, 1 << 3 AS shifted, ~1 AS other;
SELECT nullif(status, 'paid') AS n, coalesce(note, 1) AS c FROM orders;
SELECT EXISTS (SELECT 1 FROM orders) AS any_orders;
SELECT main.orders.id FROM main.orders;
SELECT id FROM orders WHERE placed_at > datetime('now', '-7 days');

-- refused: words of other engines: DataFusion
SELECT * EXCEPT (email) FROM customers;

-- refused: syntax
SELECT country,, count(*) AS n FROM customers;
SELECT id FROM orders GROUP;
SELECT id FROM orders ORDER;
SELECT id name country FROM customers;
SELECT id FROM FROM orders;
SELECT id FROM orders WHERE;
SELECT id FROM orders WHERE status = ;
SELECT (id FROM orders;
SELECT id) FROM orders;
SELECT id FROM orders WHERE status IN ();
SELECT count(* AS n FROM orders;
SELECT id FROM orders LIMIT LIMIT 5;
SELECT id FROM orders o JOIN customers c ON;
SELECT CASE WHEN quantity > 1 THEN 'x' FROM orders;
SELECT id FROM orders WHERE AND status = 'paid';
SELECT id FROM orders HAVING;
SELECT id FROM orders WHERE quantity > > 1;
SELECT id FROM orders WHERE BETWEEN 1 AND 2;
SELECT id AS FROM orders;
SELECT id FROM orders ORDER BY;
SELECT FROM WHERE id = 1;
SELEC id FROM orders;
SELECT id FROM orders WHERE status LIKE;
SELECT cast(id AS) FROM orders;
SELECT cast(id bigint) AS x FROM orders;
SELECT id FROM orders UNION;
SELECT id FROM orders UNION ALL ORDER BY 1;
WITH a AS SELECT id FROM orders SELECT id FROM a;
WITH a (SELECT id FROM orders) SELECT id FROM a;
SELECT id FROM orders WHERE id = 1 status = 'paid';
SELECT sum(amount OVER (ORDER BY id) AS s FROM orders;
SELECT sum(amount) OVER (ORDER id) AS s FROM orders;
SELECT sum(amount) OVER (PARTITION customer_id) AS s FROM orders;
SELECT id, FROM WHERE quantity;
SELECT * customers;
SELECT id FROM orders GROUP BY BY id;
SELECT id FROM customers c LEFT orders o ON o.id = c.id;
SELECT id FROM orders WHERE NOT;
SELECT DISTINCT FROM orders WHERE;
SELECT id FROM orders;; SELECT 2;
SELECT 1 AS a b;
SELECT id FROM orders WHERE id IN (1, 2;
SELECT id FROM orders LEFT JOIN;
SELECT id FROM orders INNER customers;
SELECT a.id. FROM orders a;
SELECT id FROM orders WHERE quantity BETWEEN 1;
SELECT 'abc AS x FROM orders;

-- refused: columns that are not there
SELECT customr_id AS c FROM orders;
SELECT o.nope AS n FROM orders o;
SELECT id FROM orders WHERE statuss = 'paid';
SELECT id FROM orders ORDER BY placed;
SELECT status, count(*) AS n FROM orders GROUP BY state;
SELECT x.id FROM orders o;
SELECT orders.id FROM orders o;
SELECT o.id FROM orders o JOIN customers c ON c.id = o.client_id;
SELECT t.nope AS n FROM (SELECT id FROM orders) t;
WITH a AS (SELECT id FROM orders) SELECT amount FROM a;
SELECT id FROM orders WHERE total > 10;
SELECT sum(amont) AS s FROM orders;
SELECT id FROM customers c WHERE EXISTS (SELECT 1 FROM orders o WHERE o.cust = c.id);
SELECT row_number() OVER (ORDER BY placed) AS r FROM orders;
SELECT id AS a, b + 1 AS c FROM orders;
SELECT quantity FROM orders o JOIN items i ON i.order_id = o.id;
SELECT upper(nme) AS n FROM customers;
SELECT first_name FROM odd_names;
SELECT "first name " AS f FROM odd_names;

-- refused: functions that are not there
SELECT summ(amount) AS s FROM orders;
SELECT cnt(*) AS n FROM orders;
SELECT upperr(name) AS u FROM customers;
SELECT to_upper(name) AS u FROM customers;
SELECT isnull(note, '') AS n FROM orders;
SELECT getdate() AS now;
SELECT nvl3(note, 1, 2) AS n FROM orders;
SELECT date_formatt(placed_at, '%Y') AS y FROM orders;
SELECT convert_tz(placed_at, 'UTC', 'CET') AS t FROM orders;
SELECT str_to_date('2024', '%Y') AS d;
SELECT lenght(name) AS l FROM customers;
SELECT subsrt(name, 1, 2) AS s FROM customers;
SELECT rownumber() OVER (ORDER BY id) AS r FROM orders;
SELECT dateadd(day, 1, placed_on) AS d FROM orders;
SELECT charindex('@', email) AS c FROM customers;
SELECT safe_divide(amount, quantity) AS s FROM orders;
SELECT array_aggg(name) AS n FROM customers;
SELECT decode_it(status, 'paid', 1) AS d FROM orders;
SELECT avarage(amount) AS a FROM orders;
SELECT regexp_substring(email, '@') AS r FROM customers;
SELECT json_get_text(payload, 'page') AS p FROM events;
SELECT to_number(note) AS n FROM orders;
SELECT sysdate() AS s;
SELECT stuff(name, 1, 1, 'x') AS s FROM customers;
SELECT collect_set(status) AS s FROM orders;

-- refused: grouping and aggregates
SELECT country, count(*) AS n FROM customers;
SELECT country, name, count(*) AS n FROM customers GROUP BY country;
SELECT id, sum(amount) AS s FROM orders;
SELECT status, amount FROM orders GROUP BY status;
SELECT status FROM orders GROUP BY status ORDER BY placed_at;
SELECT id FROM orders WHERE sum(amount) > 10;
SELECT id FROM orders WHERE count(*) > 1;
SELECT customer_id FROM orders GROUP BY customer_id HAVING amount > 10;
SELECT sum(count(*)) AS s FROM orders;
SELECT sum(sum(amount)) AS s FROM orders GROUP BY status;
SELECT id FROM orders WHERE row_number() OVER (ORDER BY id) = 1;
SELECT count(*) AS n FROM orders GROUP BY count(*);
SELECT status, count(*) AS n FROM orders GROUP BY 3;
SELECT o.id FROM orders o JOIN customers c ON sum(o.amount) > 1;
SELECT id FROM orders ORDER BY 5;
SELECT max(row_number() OVER (ORDER BY id)) AS m FROM orders;
SELECT row_number() AS r FROM orders;
SELECT status, row_number() OVER (ORDER BY id) AS r FROM orders GROUP BY status;
SELECT sum(DISTINCT) AS s FROM orders;

-- refused: types
SELECT sum(name) AS s FROM customers;
SELECT avg(status) AS a FROM orders;
SELECT quantity + placed_on AS x FROM orders WHERE quantity * placed_on > 1;
SELECT placed_on * 2 AS x FROM orders;
SELECT name - 1 AS x FROM customers;
SELECT name * name AS x FROM customers;
SELECT abs(name) AS a FROM customers;
SELECT id FROM orders WHERE status > 5;
SELECT id FROM orders WHERE placed_on > DATE '2020-13-45';
SELECT DATE '2020-13-45' AS d;
SELECT cast('abc' AS integer) AS n;
SELECT cast('2020-02-30' AS date) AS d FROM orders;
SELECT TIMESTAMP '2024-01-01 25:00:00' AS t;
SELECT placed_on + placed_on AS x FROM orders;
SELECT NOT name AS x FROM customers;
SELECT id FROM orders WHERE name;
SELECT id FROM customers WHERE name;
SELECT id FROM customers WHERE born;
SELECT CASE WHEN name THEN 1 END AS c FROM customers;
SELECT name AND active AS x FROM customers;
SELECT active + 1 AS x FROM customers;
SELECT sum(active) AS s FROM customers;
SELECT round(name, 2) AS r FROM customers;
SELECT upper(5) AS u;
SELECT upper(born) AS u FROM customers;
SELECT substr(5, 1, 2) AS s;
SELECT sqrt(name) AS s FROM customers;
SELECT date_trunc('month', name) AS d FROM customers;
SELECT extract(year FROM name) AS y FROM customers;
SELECT coalesce(quantity, 'none') AS c FROM orders;
SELECT id FROM orders WHERE id IN ('a', 'b');
SELECT id, name FROM customers UNION SELECT id FROM orders;
SELECT id FROM orders WHERE customer_id = (SELECT id, name FROM customers);
SELECT id FROM orders WHERE id IN (SELECT id, name FROM customers);
SELECT (SELECT id, name FROM customers) AS x;
SELECT quantity || born AS x, -name AS y FROM orders, customers;
SELECT tags + 1 AS x FROM posts;
SELECT sum(tags) AS s FROM posts;
SELECT payload + 1 AS p FROM events;
SELECT quantity[1] AS q FROM orders;
SELECT id FROM orders WHERE active = placed_on;
SELECT INTERVAL '1 day' + 5 AS i;
SELECT INTERVAL 'soon' AS i;
SELECT avg(placed_on) AS a FROM orders WHERE avg(placed_on) IS NULL;
SELECT bool_and(quantity) AS b FROM orders;
SELECT sum(DISTINCT name, email) AS s FROM customers;
SELECT length() AS l FROM customers;
SELECT upper(name, email) AS u FROM customers;
SELECT round() AS r;
SELECT abs(1, 2, 3) AS a;
SELECT lag() OVER (ORDER BY id) AS l FROM orders;
SELECT ntile() OVER (ORDER BY id) AS n FROM orders;
SELECT coalesce() AS c;
SELECT replace(name, 'a') AS r FROM customers;
SELECT cast(id AS intt) AS x FROM orders;
SELECT cast(born AS numeric(50,10)) AS x FROM customers;
SELECT id::nosuchtype AS x FROM orders;
SELECT regexp_replace(name) AS r FROM customers;
SELECT sum(amount) OVER (ORDER BY id ROWS BETWEEN CURRENT ROW AND 1 PRECEDING) AS s FROM orders;
SELECT sum(amount) OVER (PARTITION BY nope) AS s FROM orders;
SELECT sum(amount) OVER w AS s FROM orders;
SELECT id FROM orders LIMIT 'ten';
SELECT id FROM orders LIMIT -1;
SELECT id FROM orders JOIN customers USING (name);
SELECT id FROM orders o, orders o;
WITH a AS (SELECT 1 AS x), a AS (SELECT 2 AS x) SELECT x FROM a;
SELECT v.a FROM (VALUES (1, 2), (3)) v(a, b);
WITH t(a, b) AS (SELECT 1) SELECT a FROM t;
SELECT x.a FROM (SELECT 1) AS x(a, b);
SELECT c.id FROM customers c CROSS JOIN orders o ON o.id = c.id;

-- taken: subqueries that the engine can join
SELECT c.id, (SELECT count(*) FROM orders o WHERE o.customer_id = c.id) > 0 AS ordered FROM customers c;
SELECT c.id, (SELECT max(o.amount) FROM orders o WHERE o.customer_id = c.id) AS most FROM customers c;
SELECT c.id FROM customers c WHERE EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id) OR c.active;
SELECT c.id FROM customers c WHERE CASE WHEN EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id) THEN true ELSE false END;
SELECT id FROM customers WHERE CASE WHEN id IN (SELECT customer_id FROM orders) THEN true ELSE false END;
SELECT customer_id, count(*) AS n FROM orders GROUP BY customer_id HAVING customer_id IN (SELECT id FROM customers);
SELECT id FROM customers WHERE id <> ALL (SELECT customer_id FROM orders WHERE customer_id IS NOT NULL);
SELECT id FROM customers c WHERE id IN (SELECT customer_id FROM orders o WHERE o.note > c.name);
SELECT c.id, x.amount FROM customers c CROSS JOIN LATERAL (SELECT o.amount FROM orders o WHERE o.customer_id > c.id) x;
SELECT c.id FROM customers c WHERE EXISTS (SELECT o.id FROM orders o WHERE o.customer_id = c.id GROUP BY o.id HAVING count(*) > 1);
SELECT c.id, found.customer_id IS NOT NULL AS ordered FROM customers c LEFT JOIN (SELECT DISTINCT customer_id FROM orders) AS found ON found.customer_id = c.id;

-- refused: subqueries that the engine cannot join
SELECT c.id, EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id) AS ordered FROM customers c;
SELECT c.id, NOT EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id) AS quiet FROM customers c;
SELECT c.id, CASE WHEN EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id) THEN 1 ELSE 0 END AS ordered FROM customers c;
WITH x AS (SELECT c.id, EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id) AS ordered FROM customers c) SELECT id FROM x WHERE ordered;
SELECT c.id FROM customers c WHERE EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id UNION ALL SELECT 1 FROM orders o WHERE o.id = c.id);
SELECT c.id FROM customers c LEFT JOIN orders o ON o.customer_id = c.id AND EXISTS (SELECT 1 FROM orders p WHERE p.id = c.id);
SELECT c.id FROM customers c WHERE EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id AND EXISTS (SELECT 1 FROM items i WHERE i.order_id = c.id));
SELECT id, id IN (SELECT customer_id FROM orders) AS ordered FROM customers;
SELECT id, id NOT IN (SELECT customer_id FROM orders) AS quiet FROM customers;
SELECT CASE WHEN id IN (SELECT customer_id FROM orders) THEN 1 ELSE 0 END AS ordered FROM customers;
SELECT count(*) FILTER (WHERE id IN (SELECT customer_id FROM orders)) AS n FROM customers;
SELECT id FROM customers c WHERE id NOT IN (SELECT customer_id FROM orders o WHERE o.note = c.name);
SELECT c.id, (SELECT o.amount FROM orders o WHERE o.customer_id = c.id) AS amount FROM customers c;
SELECT c.id, (SELECT o.amount FROM orders o WHERE o.customer_id = c.id ORDER BY o.amount LIMIT 1) AS amount FROM customers c;
SELECT c.id, (SELECT max(o.amount) FROM orders o WHERE o.customer_id > c.id) AS most FROM customers c;
SELECT c.id FROM customers c WHERE c.balance = (SELECT max(o.amount) FROM orders o WHERE o.customer_id < c.id);
SELECT c.id FROM customers c ORDER BY (SELECT max(o.amount) FROM orders o WHERE o.customer_id = c.id);
SELECT sum((SELECT max(o.amount) FROM orders o WHERE o.customer_id = c.id)) AS total FROM customers c;
SELECT c.id, x.amount FROM customers c CROSS JOIN LATERAL (SELECT c.balance + 1 AS amount) x;
