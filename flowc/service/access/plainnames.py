"""One form for each name of a table, by which the tables of projects are compared."""

from __future__ import annotations

from flowc.catalog import TableName
from flowc.compiler.dialects import dialect_of


def plain_name(name: TableName, kind: str, here: str | None = None) -> TableName:
    """The one form of a table's names in a database: without the schema that a name without one means, or `here`."""
    names = dialect_of(kind).names
    fold = names.fold if names.tables_any_case else str
    schema = None if name.schema in (None, here or names.plain_schema) else fold(str(name.schema))
    return TableName(schema, fold(name.name))
