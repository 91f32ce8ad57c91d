"""Which table a watermark is of: a table that was dropped and created again has the name of the one before, alone."""

from __future__ import annotations

from flowc.catalog import Column, TableName
from flowc.compiler.dialect import Dialect
from flowc.compiler.quote import ident, table, text
from flowc.types import TEXT

TABLE_ID = Column("table_id", TEXT)
"""What the engine calls the table itself, in flowc's own table of watermarks; only where the engine has such names."""


def identity(name: TableName, dialect: Dialect) -> str | None:
    """An expression of what tells a table from another one of its name; None where the engine knows nothing."""
    return dialect.tables.identity.format(text=text(table(name), dialect)) or None


def column_types(name: TableName, dialect: Dialect) -> str:
    """A query of the names and types of a table's columns; '' where nobody alters them while a session is open."""
    schema = text(name.schema, dialect) if name.schema else "DATABASE()"
    parts = {"text": text(table(name), dialect), "schema": schema, "name": text(name.name, dialect)}
    return dialect.tables.column_types.format(**parts)


def look_at(name: TableName, dialect: Dialect) -> str:
    """A query of one row: whether a table has rows, and its identity."""
    filled = f"EXISTS (SELECT 1 FROM {table(name)}) AS {ident('filled')}"
    return f"SELECT {filled}, {identity(name, dialect) or 'NULL'} AS {ident(TABLE_ID.name)}"
