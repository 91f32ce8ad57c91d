"""What lint says of statements in PostgreSQL's SQL, and what PostgreSQL says."""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg
import pytest

from flowc.compiler.dialects import DIALECTS
from flowc.compiler.tables.ddl import spell
from tests.lint_catalogs import corpus

_MORE = """
CREATE SCHEMA ext;
CREATE TABLE ext.raw (id int PRIMARY KEY, name text, whatever int, x int, y text);
CREATE FUNCTION public.my_own(text) RETURNS text LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION ext.other(int, text) RETURNS text LANGUAGE sql AS 'SELECT $2';
"""
_CAST = re.compile(r"cast it: `(CAST\((.+) AS [a-z ]+\))`")


@pytest.fixture
def server(postgres: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres.replace("postgres://", "postgresql://"), autocommit=True) as connection:
        for table, key in corpus.KEYS.items():
            columns = [f"{c.name} {spell(c.type, DIALECTS['postgres'])}" for c in corpus.columns("postgres", table)]
            connection.execute(f"CREATE TABLE {table} ({', '.join(columns)}, PRIMARY KEY ({key}))")
        connection.execute(_MORE)
        yield connection


def _refusal(server: psycopg.Connection, sql: str) -> str | None:
    try:
        server.execute(f"EXPLAIN {sql}", prepare=False)
    except psycopg.Error as error:
        return str(error)
    return None


def test_lint_says_what_postgres_says(server):
    corpus.judge("postgres", lambda sql: _refusal(server, sql))


def test_casts_that_lint_advises_are_taken(server):
    advised = 0
    for case in corpus.cases("postgres"):
        for error in corpus.errors("postgres", case.sql) if case.refused else ():
            for cast in (found for text in error.helps if (found := _CAST.fullmatch(text))):
                start = error.span.start
                sql = case.sql[:start] + case.sql[start:].replace(cast[2], cast[1], 1)
                assert _refusal(server, sql) is None, sql
                advised += 1
    assert advised > 25
