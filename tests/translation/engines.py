"""The engines that run here, each with the corpus' tables, configured as flowc's runtime configures them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import duckdb
import numpy as np
import psycopg
import pyarrow as pa
from datafusion import SessionConfig, SessionContext, udf
from psycopg.adapt import Loader
from psycopg.types.string import TextLoader

from flowc.catalog import Column, Table
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.systems.datafusion.arithmetic import arithmetic
from flowc.errors import FlowcError
from flowc.runtime.arrow import arrow_type
from flowc.runtime.engine.arithmetic import Query
from flowc.runtime.engine.context import demand_shallow, keep_full_joins
from flowc.runtime.engine.json import register_json, register_parts, without_json
from flowc.runtime.systems.mysql.session import MySQL
from flowc.runtime.systems.sqlite import functions as sqlite_functions
from flowc.runtime.text.postgres import output
from flowc.types import DataType, Kind
from tests.translation.tables import ROWS

ENGINES = ("duckdb", "datafusion", "postgres", "sqlite", "mysql")
LOOSE: Mapping[str, frozenset[type]] = {"sqlite": frozenset((bool, date, list)), "mysql": frozenset((bool, list))}
"""The types that an engine's values lack: 0 and 1 count as booleans there, ISO text as dates, JSON text as arrays."""

Rows = list[tuple[object, ...]]
Run = Callable[[str], Rows]


class Document(str):
    """JSON as PostgreSQL shows it."""


class _Documents(Loader):
    def load(self, data: Any) -> Document:
        return Document(bytes(data).decode())


class _Reals(Loader):
    """Floats of 32 bits as the numbers that they are, not as the shortest that tells them apart."""

    def load(self, data: Any) -> float:
        return float(np.float32(bytes(data).decode()))


class Failed(Exception):
    """An engine refused a query; its words in one line."""


def _ddl(table: Table, kind: str) -> str:
    dialect = DIALECTS[kind]
    types = ((c.name, dialect.types.native(c.type) or dialect.types.spell[c.type.kind]) for c in table.columns)
    return f"CREATE TABLE {table.name} ({', '.join(f'{name} {spelled}' for name, spelled in types)})"


def _insert(table: Table, mark: str) -> str:
    return f"INSERT INTO {table.name} VALUES ({', '.join([mark] * len(table.columns))})"


@contextmanager
def open_engines(postgres: str, mysql: str) -> Iterator[dict[str, Run]]:
    """All of them; `postgres` and `mysql` are the addresses of databases."""
    with ExitStack() as stack:
        opened = (open_duckdb(), open_datafusion(), open_postgres(postgres), open_sqlite(), open_mysql(mysql))
        yield dict(zip(ENGINES, map(stack.enter_context, opened), strict=True))


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
    """A PostgreSQL database with temporary tables; each query is a transaction."""
    with _postgres_session(dsn) as session:
        session.autocommit = True

        def run(sql: str) -> Rows:
            try:
                return session.execute(sql.encode(), prepare=False).fetchall()
            except psycopg.Error as error:
                raise Failed(_line(error)) from error

        yield run


@contextmanager
def open_postgres_types(dsn: str) -> Iterator[Callable[[str], list[str]]]:
    """What gives the names that PostgreSQL has for the types of a query's columns, over the same tables."""
    with _postgres_session(dsn) as session:

        def types(sql: str) -> list[str]:
            columns = session.execute(sql.encode(), prepare=False).description or ()
            session.rollback()
            return [column.type_display for column in columns]

        yield types


@contextmanager
def _postgres_session(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(dsn, options="-c timezone=UTC") as session:
        session.adapters.register_loader("float4", _Reals)
        session.adapters.register_loader("interval", TextLoader)
        for kind in ("json", "jsonb"):
            session.adapters.register_loader(kind, _Documents)
        for table, rows in ROWS.items():
            session.execute(_ddl(table, "postgres").replace("CREATE TABLE", "CREATE TEMPORARY TABLE"))
            session.cursor().executemany(_insert(table, "%s"), rows)
        session.commit()
        yield session


@contextmanager
def open_datafusion() -> Iterator[Run]:
    """DataFusion over Arrow tables."""
    sessions = [_datafusion(), _datafusion()]
    keep_full_joins(sessions[1], "FULL")

    def run(sql: str) -> Rows:
        session = sessions["FULL" in sql]

        def register(name: str, function: Any, takes: list[pa.DataType], gives: pa.DataType) -> None:
            session.register_udf(udf(function, takes, gives, "immutable", name))

        try:
            register_parts(session, sql, lambda error: None)
            demand_shallow(sql)
            found, checked = arithmetic(sql), sql
            if found:
                query = Query(sql, found, register, lambda error: None)
                checked = query.checked(lambda text: session.sql(without_json(text)))
            register_json(session, checked)
            return _rows(session.sql(checked).to_arrow_table())
        except Exception as error:
            raise Failed(_line(error)) from error

    yield run


def _datafusion() -> SessionContext:
    options = {"datafusion.execution.time_zone": "+00:00", "datafusion.sql_parser.dialect": "duckdb"}
    session = SessionContext(SessionConfig(options).with_target_partitions(1))
    for table, rows in ROWS.items():
        session.register_record_batches(str(table.name), [[_batch(table, rows)]])
    return session


def _batch(table: Table, rows: Sequence[Sequence[object]]) -> pa.RecordBatch:
    arrays = [
        pa.array(values, arrow_type(column.type))
        for values, column in zip(zip(*rows, strict=True), table.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, names=[c.name for c in table.columns])


@contextmanager
def open_mysql(dsn: str) -> Iterator[Run]:
    """A MySQL database by flowc's own session; arrays are JSON there, and texts compare by the database's default."""
    session = MySQL({"url": dsn})
    for table, rows in ROWS.items():
        kept = Table(table.name, tuple(_kept_by_mysql(c) for c in table.columns))
        values = [tuple(json.dumps(v) if isinstance(v, list) else v for v in row) for row in rows]
        session.execute(_ddl(kept, "mysql"))
        session.ingest(kept.name, kept.columns, iter([_batch(kept, values)]), temporary=False)

    def run(sql: str) -> Rows:
        try:
            return _rows(session.query(sql))
        except FlowcError as error:
            raise Failed(_line(error)) from error

    yield run
    session.close()


def _kept_by_mysql(column: Column) -> Column:
    return Column(column.name, DataType(Kind.JSON)) if column.type.kind is Kind.ARRAY else column


def _rows(table: pa.Table) -> Rows:
    columns = [_shown(column).to_pylist() for column in table.columns]
    return list(zip(*columns, strict=True)) if columns else [()] * table.num_rows


def _shown(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    """Intervals as PostgreSQL writes them, whose months and days Python's own type has not; durations stay."""
    return output(column.combine_chunks()) if pa.types.is_interval(column.type) else _microseconds(column)


def _microseconds(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Python has no nanoseconds; a value that needs them is an error."""
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.timestamp("us", column.type.tz))
    if pa.types.is_list(column.type) and pa.types.is_timestamp(column.type.value_type):
        return column.cast(pa.list_(pa.timestamp("us", column.type.value_type.tz)))
    return column


def _line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0]
