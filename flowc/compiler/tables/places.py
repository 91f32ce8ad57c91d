"""Which names certainly mean one table, as far as that can be told without asking the database."""

from __future__ import annotations

from flowc.catalog import TableName
from flowc.compiler.dialects import dialect_of
from flowc.compiler.front.places import Place


def place_in(database: Place, kind: str, name: TableName) -> tuple[str, ...]:
    """What tells a table from those of other connections: their addresses may say which schema plain names are in."""
    plain = TableName(database.schema, name.name) if name.schema is None and database.schema else name
    return (*database.at, *table_place(kind, plain))


def table_place(kind: str, name: TableName) -> tuple[str, str]:
    """The schema and the name, the default schema written out, without case where that never counts."""
    names = dialect_of(kind).names
    schema = name.schema or names.default_schema or ""
    return (schema.lower(), name.name.lower()) if names.tables_any_case else (schema, name.name)
