"""Lint and the engines without a server agree about the corpus."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import duckdb

from flowc.catalog import Column
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.tables.ddl import spell
from flowc.runtime.engine.context import new_context
from flowc.runtime.engine.engine import engine_schema
from flowc.runtime.systems.sqlite.functions import register
from flowc.types import parse_type
from tests.lint_corpus.corpus import HERE, columns, judge

ROWS = (HERE / "rows.sql").read_text("utf-8")
POSTS = "INSERT INTO posts VALUES (1, 'Hello', ['a', 'b'], 'text'), (2, 'World', [], NULL);"
ODD = "INSERT INTO odd_names VALUES ('Ada', 1, 2.50);"


def creates(engine: str) -> str:
    """The tables, in an engine's words."""
    made = []
    for name, kinds in columns().items():
        parts = [f'"{column}" {spell(parse_type(kind), DIALECTS[engine])}' for column, kind in kinds.items()]
        made.append(f"CREATE TABLE {name} ({', '.join(parts)});")
    return "\n".join(made)


def test_duckdb(tmp_path: Path) -> None:
    database = duckdb.connect()
    database.execute("SET TimeZone = 'UTC';" + creates("duckdb") + ROWS + POSTS + ODD)

    def refusal(sql: str) -> str | None:
        try:
            database.execute(sql).fetchall()
        except duckdb.Error as error:
            return str(error)
        return None

    judge("duckdb", refusal, tmp_path)


def test_sqlite(tmp_path: Path) -> None:
    database = sqlite3.connect(":memory:")
    register(database)
    posts = POSTS.replace("['a', 'b']", '\'["a", "b"]\'').replace("[]", "'[]'")
    database.executescript(creates("sqlite") + ROWS + posts + ODD)

    def refusal(sql: str) -> str | None:
        try:
            database.execute(sql).fetchall()
        except sqlite3.Error as error:
            return str(error)
        return None

    judge("sqlite", refusal, tmp_path)


def test_datafusion(tmp_path: Path) -> None:
    source, context = duckdb.connect(), new_context()
    source.execute("SET TimeZone = 'UTC';" + creates("duckdb") + ROWS + POSTS + ODD)
    for name, kinds in columns().items():
        schema = engine_schema(Column(column, parse_type(kind)) for column, kind in kinds.items())
        rows = source.sql(f"SELECT * FROM {name}").to_arrow_table().cast(schema)
        context.register_record_batches(name, [rows.to_batches()])

    def refusal(sql: str) -> str | None:
        try:
            context.sql(sql).collect()
        except Exception as error:
            return str(error)
        return None

    judge("datafusion", refusal, tmp_path)
