"""What lint says of statements in MySQL's SQL, and what MariaDB says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pymysql
import pytest

from flowc.compiler.dialects import DIALECTS
from flowc.compiler.tables.ddl import spell
from tests.lint_catalogs import corpus

_OTHER = re.compile(r"\b(lc|ext)\.(?=[a-z_]+\b)")
_ONLY_MYSQL = """
SELECT c.name, o.order_id FROM customers c JOIN LATERAL (SELECT order_id FROM orders) o ON TRUE
SELECT profile->'$.a' AS a, profile->>'$.b' AS b FROM customers WHERE profile->>'$.c' = 'x'
SELECT REGEXP_LIKE(name, 'a', 'i'), REGEXP_REPLACE(name, 'a', 'b', 1, 2), ANY_VALUE(name) FROM customers
SELECT BIN_TO_UUID(UUID_TO_BIN(UUID())), IS_UUID(uid), RANDOM_BYTES(3) FROM customers
SELECT country, GROUPING(country), SUM(score) FROM customers GROUP BY country WITH ROLLUP
SELECT CAST(profile AS JSON), CAST(birthday AS YEAR) FROM customers
SELECT 1 MEMBER OF ('[1, 2]'), JSON_OVERLAPS('[1]', '[2]'), JSON_PRETTY('{}'), JSON_SCHEMA_VALID('{}', '{}')
SELECT * FROM (VALUES ROW(1, 2), ROW(3, 4)) AS t (a, b)
SELECT ST_Distance_Sphere(POINT(1, 2), POINT(3, 4)), ST_AsGeoJSON(POINT(1, 2))
SELECT RANK() OVER () AS r FROM orders
SELECT TO_VECTOR('[1]'), VECTOR_DIM(x) FROM ext.raw
""".strip().splitlines()


@pytest.fixture
def server(mysql: str) -> Iterator[pymysql.cursors.Cursor]:
    at = urlsplit(mysql)
    name = at.path.removeprefix("/")
    connection = pymysql.connect(
        host=at.hostname or "", port=at.port or 3306, user=at.username, password=at.password or "", database=name
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE `{name}_ext`")
        cursor.execute(f"CREATE TABLE `{name}_ext`.raw (id int PRIMARY KEY, name text, whatever int, x int, y text)")
        cursor.execute("CREATE FUNCTION my_own(a text) RETURNS text RETURN a")
        for table, key in corpus.KEYS.items():
            columns = [f"`{c.name}` {spell(c.type, DIALECTS['mysql'])}" for c in corpus.columns("mysql", table)]
            cursor.execute(f"CREATE TABLE {table} ({', '.join(columns)}, PRIMARY KEY ({key}))")
        yield cursor
        cursor.execute(f"DROP DATABASE `{name}_ext`")


def test_lint_says_what_mariadb_says(server, mysql):
    name = urlsplit(mysql).path.removeprefix("/")

    def refusal(sql: str) -> str | None:
        there = _OTHER.sub(lambda found: f"`{name}`." if found[1] == "lc" else f"`{name}_ext`.", sql)
        try:
            server.execute(f"EXPLAIN {there}")
        except pymysql.MySQLError as error:
            return str(error)
        return None

    corpus.judge("mysql", refusal)


@pytest.mark.parametrize("sql", _ONLY_MYSQL)
def test_what_mysql_alone_has_is_taken(sql):
    assert corpus.errors("mysql", sql) == []
