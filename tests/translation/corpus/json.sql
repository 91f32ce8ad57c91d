-- postgres: a field as text
SELECT payload ->> 'page' FROM events WHERE user_id = 1 ORDER BY happened_at
--> 'home'
--> 'cart'
--> 'home'

-- postgres: a nested field as text
SELECT payload -> 'user' ->> 'name' FROM events WHERE user_id = 1 ORDER BY happened_at
--> 'Ada'
--> NULL
--> NULL

-- postgres: a path as text
SELECT payload #>> '{user,name}' FROM events WHERE user_id = 1 AND kind = 'view' ORDER BY happened_at
--> 'Ada'
--> NULL

-- postgres: a field as a number
SELECT sum((payload ->> 'ms')::numeric) FROM events
--> 152.5

-- postgres: a filter on a field
SELECT user_id FROM events WHERE payload ->> 'page' = 'cart'
--> 1

-- postgres: an element of an array
SELECT payload -> 'tags' ->> 0 FROM events WHERE user_id = 1 AND kind = 'view' ORDER BY happened_at
--> 'a'
--> NULL

-- duckdb: arrow with a path
SELECT payload ->> '$.user.name' FROM events WHERE user_id = 1 ORDER BY happened_at
--> 'Ada'
--> NULL
--> NULL

-- duckdb: json_extract_string
SELECT json_extract_string(payload, '$.page') FROM events WHERE kind = 'click'
--> 'cart'

-- duckdb: json_extract of a number
SELECT CAST(json_extract(payload, '$.ms') AS DOUBLE) FROM events WHERE user_id = 2 AND kind = 'view'
--> 2.5

-- duckdb: json_array_length
SELECT json_array_length(payload, '$.tags') FROM events WHERE user_id = 1 AND kind = 'click'
--> 0

-- mysql: JSON_EXTRACT unquoted
SELECT JSON_UNQUOTE(JSON_EXTRACT(payload, '$.page')) FROM events WHERE kind = 'click'
--> 'cart'

-- mysql: the arrow with two heads
SELECT payload ->> '$.user.name' FROM events WHERE kind = 'view' AND user_id = 1 ORDER BY happened_at LIMIT 1
--! mysql: MariaDB has no `->>`, MySQL has
--> 'Ada'

-- mysql: JSON_EXTRACT of a number
SELECT JSON_EXTRACT(payload, '$.ms') + 1 FROM events WHERE kind = 'click'
--> 31

-- mysql: JSON_VALUE
SELECT JSON_VALUE(payload, '$.page') FROM events WHERE kind = 'click'
--> 'cart'

-- mysql: JSON_LENGTH
SELECT JSON_LENGTH(payload, '$.tags') FROM events WHERE user_id = 1 AND kind = 'view' ORDER BY happened_at LIMIT 1
--> 2

-- bigquery: JSON_VALUE
SELECT JSON_VALUE(payload, '$.user.name') FROM events WHERE user_id = 1 ORDER BY happened_at
--> 'Ada'
--> NULL
--> NULL

-- bigquery: JSON_EXTRACT_SCALAR
SELECT JSON_EXTRACT_SCALAR(payload, '$.page') FROM events WHERE user_id = 2 ORDER BY happened_at
--> 'it''s'
--> NULL

-- bigquery: JSON_VALUE of a number as INT64
SELECT CAST(JSON_VALUE(payload, '$.ms') AS INT64) FROM events WHERE kind = 'click'
--> 30

-- bigquery: an element of an array
SELECT JSON_VALUE(payload, '$.tags[1]') FROM events WHERE user_id = 1 AND kind = 'view' ORDER BY happened_at LIMIT 1
--> 'b'

-- bigquery: JSON_QUERY
SELECT JSON_QUERY(payload, '$.tags') FROM events WHERE user_id = 1 AND kind = 'view' ORDER BY happened_at LIMIT 1
--> json ["a", "b"]

-- spark: get_json_object
SELECT get_json_object(payload, '$.page'), get_json_object(payload, '$.user.name') FROM events WHERE user_id = 1 ORDER BY happened_at
--> 'home' | 'Ada'
--> 'cart' | NULL
--> 'home' | NULL

-- spark: get_json_object of an element
SELECT get_json_object(payload, '$.tags[0]') FROM events WHERE user_id = 1 ORDER BY happened_at LIMIT 1
--> 'a'

-- spark: get_json_object as a number
SELECT CAST(get_json_object(payload, '$.ms') AS INT) FROM events WHERE kind = 'click'
--> 30

-- snowflake: a path with a cast
SELECT PARSE_JSON(payload):page::STRING FROM events WHERE kind = 'click'
--> 'cart'

-- snowflake: a nested path with a cast
SELECT PARSE_JSON(payload):user.name::VARCHAR, PARSE_JSON(payload):ms::INT FROM events WHERE kind = 'view' AND user_id = 1 ORDER BY happened_at LIMIT 1
--> 'Ada' | 120

-- snowflake: an element of an array
SELECT PARSE_JSON(payload):tags[1]::STRING FROM events WHERE kind = 'view' AND user_id = 1 ORDER BY happened_at LIMIT 1
--> 'b'

-- snowflake: JSON_EXTRACT_PATH_TEXT
SELECT JSON_EXTRACT_PATH_TEXT(payload, 'user.name') FROM events WHERE user_id = 1 ORDER BY happened_at LIMIT 1
--> 'Ada'

-- postgres: jsonb_build_object
SELECT jsonb_build_object('id', id, 'name', name) FROM customers WHERE id = 10
--> json {"id": 10, "name": "Ada"}

-- bigquery: TO_JSON_STRING of a column
SELECT TO_JSON_STRING(tags) FROM customers WHERE id = 10
--> json ["vip", "eu"]

-- duckdb: json_object
SELECT json_object('id', id, 'name', name) FROM customers WHERE id = 10
--> json {"id": 10, "name": "Ada"}

-- mysql: JSON_OBJECT and JSON_ARRAY
SELECT JSON_OBJECT('id', id), JSON_ARRAY(1, 'a') FROM customers WHERE id = 10
--> json {"id": 10} | json [1, "a"]

-- postgres: does a key exist
SELECT user_id FROM events WHERE payload::jsonb ? 'user' ORDER BY happened_at
--> 1
--> 1

-- postgres: jsonb contains
SELECT user_id FROM events WHERE payload::jsonb @> '{"page": "cart"}'
--> 1

-- postgres: elements of an array as rows
SELECT e.user_id, t.value FROM events e CROSS JOIN jsonb_array_elements_text(e.payload::jsonb -> 'tags') AS t(value) ORDER BY 2
--> 1 | 'a'
--> 1 | 'b'

-- postgres: json_agg
SELECT json_agg(name ORDER BY id) FROM customers WHERE id < 30
--> json ["Ada", "Bob"]

-- postgres: ->> gives text
SELECT payload ->> 'ms', payload ->> 'page' FROM events WHERE user_id = 1 ORDER BY happened_at
--> '120' | 'home'
--> '30' | 'cart'
--> NULL | 'home'

-- postgres: ->> of true, null and a text
SELECT CAST('{"a": true, "b": "x"}' AS json) ->> 'a', CAST('{"b": "x"}' AS json) ->> 'b', CAST('{"c": null}' AS json) ->> 'c'
--> 'true' | 'x' | NULL
