"""Defaults of tables in the words of the engine that tests run on, and the numbers that a database would count."""

from __future__ import annotations

import re
from dataclasses import replace

from flowc.catalog import Table, TableName
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.front.spec import ColumnSpec, TableSpec
from flowc.compiler.lowering.context import sqlglot_name
from flowc.compiler.quote import ident, text
from flowc.compiler.sql.text.sqltext import parse_condition
from flowc.compiler.sql.translate import translate_expression
from flowc.compiler.tables.ddl import create_table
from flowc.compiler.tables.made import way
from flowc.diagnostics import Reporter
from flowc.errors import FlowcError
from flowc.runtime.contracts.database import Database
from flowc.source import Located, MappedText, Segment

_COUNTS = re.compile(r"\s*nextval\s*\(", re.IGNORECASE)
_PROBE = TableName(None, "flowc probe")


def with_defaults(spec: TableSpec, kind: str, engine: str) -> TableSpec:
    """A table of a kind of database with its defaults in the words of another engine, as far as these have a word."""
    return replace(spec, columns=tuple(_with_default(column, spec, kind, engine) for column in spec.columns))


def _with_default(column: ColumnSpec, spec: TableSpec, kind: str, engine: str) -> ColumnSpec:
    default = column.default
    if default is None or way(default.value) == "computed":
        return column
    if _COUNTS.match(default.value) or way(default.value) == "numbered":
        made = f"nextval({text(ident(_sequence(spec.table_name, column.name.value)), DIALECTS[engine])})"
        return replace(column, default=Located(made, default.span))
    given = MappedText(
        default.value, default.span.file, (Segment(0, len(default.value), default.span.start, default.span.end),)
    )
    parsed = parse_condition(given, sqlglot_name(kind), Reporter())
    written = translate_expression(parsed, engine, Reporter()) if parsed is not None else None
    return replace(column, default=Located(written, default.span)) if written else column


def _sequence(table: TableName, column: str) -> str:
    return f"{table}.{column} numbers"


def make_ready(database: Database, table: Table, engine: str) -> str | None:
    """Makes the counters that defaults of a table need; why the engine cannot make the table, if it cannot."""
    if not any(column.default for column in table.columns):
        return None
    for column in table.columns:
        if _COUNTS.match(column.default or ""):
            database.execute(f"CREATE SEQUENCE IF NOT EXISTS {ident(_sequence(table.name, column.name))}")
    database.begin()
    try:
        for statement in create_table(replace(table, name=_PROBE, indexes=()), DIALECTS[engine]):
            database.execute(statement)
    except FlowcError as error:
        return error.message.splitlines()[0]
    finally:
        database.rollback()
    return None
