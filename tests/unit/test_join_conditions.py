"""A join says its condition, or that it has none."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import duckdb
import psycopg
import pytest

from flowc.compiler.sql.text.sqltext import parse_query
from flowc.diagnostics import Reporter
from flowc.source import MappedText, SourceFile

BARE = [
    "SELECT 1 FROM a <JOIN> b",
    "SELECT 1 FROM a INNER <JOIN> b",
    "SELECT 1 FROM a LEFT OUTER <JOIN> b WHERE a.x = 1",
    "SELECT 1 FROM a FULL <JOIN> b",
    "SELECT 1 FROM a <JOIN> b, c",
    "SELECT 1 FROM a <JOIN> b CROSS JOIN c",
    "SELECT 1 FROM a <JOIN> b JOIN c ON a.x = c.x",
    "SELECT 1 FROM a JOIN b USING (x) <JOIN> c ORDER BY 1",
    "SELECT 1 FROM a <JOIN> b UNION ALL SELECT 1 FROM a",
    "WITH q AS (SELECT 1 FROM a <JOIN> b) SELECT * FROM q JOIN a ON TRUE",
    "SELECT 1 FROM a WHERE EXISTS (SELECT 1 FROM a <JOIN> b GROUP BY 1)",
    "SELECT 1 FROM (a <JOIN> b) JOIN c ON TRUE",
    "SELECT 1 FROM a <JOIN> (SELECT 2 AS x) AS q LIMIT 1",
]
SOUND = [
    "SELECT 1 FROM a CROSS JOIN b",
    "SELECT 1 FROM a, b",
    "SELECT 1 FROM a NATURAL LEFT JOIN b",
    "SELECT 1 FROM a JOIN b USING (x) JOIN c ON c.x = a.x",
    "SELECT 1 FROM a JOIN (SELECT x FROM c CROSS JOIN b AS d(y)) AS q ON q.x = a.x",
    "SELECT DISTINCT a.x FROM a JOIN (b JOIN c ON b.x = c.x) ON a.x = b.x WHERE a.x IN (SELECT x FROM b)",
]
NESTED = "SELECT 1 FROM a JOIN b JOIN c ON b.x = c.x ON a.x = b.x"
BESIDE = [
    "SELECT 1 FROM a CROSS JOIN LATERAL (SELECT a.x + 1 AS y) AS q",
    "SELECT 1 FROM a, LATERAL (SELECT a.x + 1 AS y) AS q",
    "SELECT 1 FROM a LEFT JOIN LATERAL (SELECT a.x + 1 AS y) AS q ON TRUE",
    "SELECT 1 FROM a CROSS JOIN unnest(ARRAY[1, 2]) AS u(y)",
    "SELECT 1 FROM a, unnest(ARRAY[1, 2]) AS u(y)",
    "SELECT DISTINCT ON (x) x FROM a CROSS JOIN b AS c(y)",
]


def found(sql: str, dialect: str) -> list[tuple[str, int, int]]:
    reporter = Reporter()
    parse_query(MappedText.whole(SourceFile("q.sql", sql)), dialect, reporter)
    return [(d.code, d.span.start, d.span.end) for d in reporter.found if d.span is not None]


@pytest.mark.parametrize("dialect", ["postgres", "mysql", "sqlite", "duckdb", "datafusion", "spark", "bigquery"])
@pytest.mark.parametrize("marked", BARE)
def test_a_join_without_condition_is_an_error_at_its_place(marked: str, dialect: str):
    start = marked.index("<")
    sql = marked.replace("<", "").replace(">", "")
    assert found(sql, dialect) == [("join-without-condition", start, start + len("JOIN"))]


@pytest.mark.parametrize("dialect", ["postgres", "mysql", "sqlite", "duckdb", "datafusion", "spark", "bigquery"])
@pytest.mark.parametrize("sql", SOUND)
def test_what_says_that_it_has_no_condition_is_none(sql: str, dialect: str):
    assert found(sql, dialect) == []


@pytest.mark.parametrize(
    ("dialect", "sql"),
    [
        *(("postgres", sql) for sql in (*BESIDE, NESTED)),
        *(("duckdb", sql) for sql in (*BESIDE, NESTED)),
        ("duckdb", "SELECT 1 FROM a POSITIONAL JOIN b"),
        ("duckdb", "SELECT 1 FROM a ASOF LEFT JOIN b ON a.x >= b.x"),
        ("mysql", NESTED),
        ("mysql", "SELECT 1 FROM a STRAIGHT_JOIN b ON a.x = b.x"),
        ("mysql", "SELECT 1 FROM a USE INDEX FOR JOIN (i) JOIN b ON a.x = b.x"),
        ("mysql", "SELECT 1 FROM a JOIN LATERAL (SELECT a.x) AS q"),
        ("mysql", "SELECT 1 FROM a JOIN JSON_TABLE(a.x, '$[*]' COLUMNS (y INT PATH '$')) AS q"),
        ("sqlite", "SELECT 1 FROM a JOIN json_each(a.x) AS q"),
        ("sqlite", "SELECT 1 FROM a LEFT JOIN json_tree(a.x, '$.b') AS q WHERE q.key = 1"),
        ("bigquery", "SELECT 1 FROM a JOIN UNNEST(a.xs) AS x"),
        ("snowflake", "SELECT 1 FROM a LEFT JOIN LATERAL FLATTEN(input => a.xs) AS f"),
        ("spark", "SELECT 1 FROM a JOIN LATERAL (SELECT a.x + 1) AS q"),
        ("spark", "SELECT 1 FROM a LEFT SEMI JOIN b ON a.x = b.x LATERAL VIEW explode(a.xs) t AS y"),
        ("tsql", "SELECT 1 FROM a CROSS APPLY (SELECT a.x) AS q"),
        ("clickhouse", "SELECT 1 FROM a ARRAY JOIN xs"),
    ],
)
def test_what_needs_no_condition_in_its_dialect_is_taken(dialect: str, sql: str):
    assert found(sql, dialect) == []


def test_straight_join_needs_a_condition_too():
    assert found("SELECT 1 FROM a STRAIGHT_JOIN b", "mysql")[0][0] == "join-without-condition"


@pytest.fixture(scope="module")
def engines(postgres_module: str) -> dict[str, Callable[[str], object]]:
    duck, lite = duckdb.connect(":memory:"), sqlite3.connect(":memory:")
    with psycopg.connect(postgres_module, autocommit=True) as postgres:
        for name in "abc":
            for session in (duck, lite):
                session.execute(f"CREATE TABLE {name} (x INT)")
            postgres.execute(f"CREATE TEMPORARY TABLE {name} (x INT)")
        yield {"duckdb": duck.execute, "sqlite": lite.execute, "postgres": postgres.execute}
        duck.close()
        lite.close()


@pytest.mark.parametrize("engine", ["postgres", "duckdb"])
def test_the_engines_that_know_it_refuse_what_is_refused_and_take_the_rest(engine: str, engines: dict):
    for sql in (*SOUND, *BESIDE, NESTED):
        engines[engine](sql)
    for marked in BARE:
        with pytest.raises((psycopg.errors.SyntaxError, duckdb.ParserException)):
            engines[engine](marked.replace("<", "").replace(">", ""))
