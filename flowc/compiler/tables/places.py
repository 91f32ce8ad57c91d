"""Which names certainly mean one table, as far as that can be told without asking the database."""

from __future__ import annotations

from flowc.catalog import TableName
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.front.places import Place

_ANY_CASE = ("sqlite", "duckdb")
"""Kinds of database in which names never differ by case; elsewhere they do, or a setting decides."""


def place_in(database: Place, kind: str, name: TableName) -> tuple[str, ...]:
    """What tells a table from those of other connections: their addresses may say which schema plain names are in."""
    plain = TableName(database.schema, name.name) if name.schema is None and database.schema else name
    return (*database.at, *table_place(kind, plain))


def table_place(kind: str, name: TableName) -> tuple[str, str]:
    """The schema and the name, the default schema written out, without case where that never counts."""
    dialect = DIALECTS.get(kind)
    default = dialect.names.default_schema if dialect is not None else None
    schema = name.schema or default or ""
    return (schema.lower(), name.name.lower()) if kind in _ANY_CASE else (schema, name.name)
