"""The engines that run here, each with the corpus' tables, configured as flowc's runtime configures them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal

import duckdb
import psycopg
import pyarrow as pa
from datafusion import SessionConfig, SessionContext

from flowc.catalog import Table
from flowc.compiler.dialects import DIALECTS
from flowc.runtime.arrow import arrow_type
from flowc.runtime.connectors import sqlite_functions
from tests.translation.tables import ROWS

ENGINES = ("duckdb", "datafusion", "postgres", "sqlite")
TYPELESS = ("sqlite",)
"""Engines whose values have no type of their own for dates, booleans and arrays."""

Rows = list[tuple[object, ...]]
Run = Callable[[str], Rows]


class Failed(Exception):
    """An engine refused a query; its words in one line."""


def _ddl(table: Table, kind: str) -> str:
    dialect = DIALECTS[kind]
    types = ((c.name, dialect.native(c.type) or dialect.spell[c.type.kind]) for c in table.columns)
    return f"CREATE TABLE {table.name} ({', '.join(f'{name} {spelled}' for name, spelled in types)})"


def _insert(table: Table, mark: str) -> str:
    return f"INSERT INTO {table.name} VALUES ({', '.join([mark] * len(table.columns))})"


@contextmanager
def open_duckdb() -> Iterator[Run]:
    """DuckDB in memory."""
    with duckdb.connect(":memory:") as session:
        session.execute("SET TimeZone = 'UTC'")
        for table, rows in ROWS.items():
            session.execute(_ddl(table, "duckdb"))
            session.executemany(_insert(table, "?"), rows)

        def run(sql: str) -> Rows:
            try:
                return session.execute(sql).fetchall()
            except duckdb.Error as error:
                raise Failed(_line(error)) from error

        yield run


@contextmanager
def open_sqlite() -> Iterator[Run]:
    """SQLite in memory with flowc's functions."""
    session = sqlite3.connect(":memory:")
    sqlite_functions.register(session)
    for table, rows in ROWS.items():
        session.execute(_ddl(table, "sqlite"))
        session.executemany(_insert(table, "?"), [tuple(_stored(v) for v in row) for row in rows])

    def run(sql: str) -> Rows:
        try:
            return session.execute(sql).fetchall()
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise Failed(_line(error)) from error

    yield run
    session.close()


def _stored(value: object) -> object:
    """A value as flowc stores it in SQLite."""
    if isinstance(value, datetime):
        return value.isoformat(" ", "microseconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list):
        return json.dumps(value)
    return float(value) if isinstance(value, Decimal) else value


@contextmanager
def open_postgres(dsn: str) -> Iterator[Run]:
    """A PostgreSQL database with temporary tables; every query runs in a transaction that is rolled back."""
    with psycopg.connect(dsn, options="-c timezone=UTC") as session:
        for table, rows in ROWS.items():
            session.execute(_ddl(table, "postgres").replace("CREATE TABLE", "CREATE TEMPORARY TABLE"))
            session.cursor().executemany(_insert(table, "%s"), rows)
        session.commit()

        def run(sql: str) -> Rows:
            try:
                return session.execute(sql.encode(), prepare=False).fetchall()
            except psycopg.Error as error:
                raise Failed(_line(error)) from error
            finally:
                session.rollback()

        yield run


@contextmanager
def open_datafusion() -> Iterator[Run]:
    """DataFusion over Arrow tables."""
    options = {"datafusion.execution.time_zone": "+00:00", "datafusion.sql_parser.dialect": "duckdb"}
    session = SessionContext(SessionConfig(options).with_target_partitions(1))
    for table, rows in ROWS.items():
        arrays = [
            pa.array(values, arrow_type(column.type))
            for values, column in zip(zip(*rows, strict=True), table.columns, strict=True)
        ]
        batch = pa.RecordBatch.from_arrays(arrays, names=[c.name for c in table.columns])
        session.register_record_batches(str(table.name), [[batch]])

    def run(sql: str) -> Rows:
        try:
            return _rows(session.sql(sql).to_arrow_table())
        except Exception as error:
            raise Failed(_line(error)) from error

    yield run


def _rows(table: pa.Table) -> Rows:
    columns = [_microseconds(column).to_pylist() for column in table.columns]
    return list(zip(*columns, strict=True)) if columns else [()] * table.num_rows


def _microseconds(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Python has no nanoseconds; a value that needs them is an error."""
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.timestamp("us", column.type.tz))
    if pa.types.is_list(column.type) and pa.types.is_timestamp(column.type.value_type):
        return column.cast(pa.list_(pa.timestamp("us", column.type.value_type.tz)))
    return column


def _line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0]
