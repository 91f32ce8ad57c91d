"""flowc's own tables in a database: made where they are missing. Each row of them is of a project."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flowc.catalog import Column, Table, TableName
from flowc.compiler.dialect import Dialect
from flowc.compiler.quote import ident, idents, table, text
from flowc.compiler.tables.ddl import keyed, spell
from flowc.loadplan import PROJECT
from flowc.types import TEXT, DataType, Kind

PROJECT_COLUMN = Column(PROJECT, TEXT, nullable=False)
KEPT = (
    "migrations",
    "migration_steps",
    "watermarks",
    "loads",
    "positions",
    "checkpoints",
    "epochs",
    "segments",
    "facts",
    "payloads",
)
"""The names of those of flowc's own tables whose rows are of projects, without their schema or prefix."""
OWN = (*KEPT, "locks", "dead_letters", "runs", "schedules", "leases", "conditions")
"""The names of all of flowc's own tables."""
_LENGTHS = {PROJECT: 64, "source": 128, "partition_name": 64, "condition_name": 32, "alert_name": 128, "lane": 128}
"""Characters of texts in keys, where keys have a greatest length."""


def own_tables(dialect: Dialect) -> tuple[TableName, ...]:
    """The names of flowc's own tables in a database."""
    return tuple(dialect.state_table(name) for name in OWN)


def ensure_state(name: str, columns: Sequence[Column], key: Sequence[str], dialect: Dialect) -> tuple[str, ...]:
    """The statements that make one of flowc's own tables, for instance `flowc.watermarks`, where it is missing."""
    return ensure_table(dialect.state_table(name), columns, key, dialect)


def ensure_table(state: TableName, columns: Sequence[Column], key: Sequence[str], dialect: Dialect) -> tuple[str, ...]:
    """The statements that make a table, and its schema, where it is missing."""
    whole = Table(state, tuple(columns), tuple(key))
    parts = {
        "schema": (schema := ident(state.schema or "")),
        "schema_text": text(schema, dialect),
        "table": table(state),
        "text": text(table(state), dialect),
        "columns": _columns(whole, dialect),
    }
    if dialect.names.schemas and state.schema is None:
        return (f"CREATE TABLE IF NOT EXISTS {parts['table']} ({parts['columns']})",)
    return tuple(template.format(**parts) for template in dialect.tables.ensure)


def _columns(whole: Table, dialect: Dialect) -> str:
    spelled = ", ".join(_column(column, whole, dialect) for column in whole.columns)
    return f"{spelled}, PRIMARY KEY ({idents(whole.primary_key)})" if whole.primary_key else spelled


def _column(column: Column, whole: Table, dialect: Dialect) -> str:
    length = _LENGTHS.get(column.name)
    if length and column.name in whole.primary_key and dialect.types.in_keys:
        column = replace(column, type=DataType(Kind.TEXT, length=length))
    kind = spell(keyed(column, whole, dialect).type, dialect)
    return f"{ident(column.name)} {kind}{'' if column.nullable else ' NOT NULL'}"


def move_project(name: str, old: str, new: str, dialect: Dialect, where: str = "") -> str:
    """Gives the rows of a project in one of flowc's own tables, or some of them, to another name."""
    sets, of = (f"{ident(PROJECT)} = {text(project, dialect)}" for project in (new, old))
    condition = f" AND {where}" if where else ""
    return f"UPDATE {table(dialect.state_table(name))} SET {sets} WHERE {of}{condition}"


def count_project(name: str, project: str, dialect: Dialect, where: str = "") -> str:
    """How many rows of a project one of flowc's own tables holds."""
    conditions = " AND ".join(filter(None, (f"{ident(PROJECT)} = {text(project, dialect)}", where)))
    return f"SELECT count(*) AS {ident('n')} FROM {table(dialect.state_table(name))} WHERE {conditions}"


def list_projects(name: str, dialect: Dialect) -> str:
    """The projects of which one of flowc's own tables holds rows."""
    return f"SELECT DISTINCT {ident(PROJECT)} FROM {table(dialect.state_table(name))}"
