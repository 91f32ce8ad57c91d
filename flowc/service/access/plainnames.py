"""One form for each name of a table, by which the tables of projects are compared."""

from __future__ import annotations

from flowc.catalog import TableName
from flowc.compiler.dialects import DIALECTS

_DEFAULT_SCHEMA = {"postgres": "public", "duckdb": "main"}
_FOLDED = ("sqlite", "duckdb")
"""The kinds whose names of tables are the same in any case."""


def plain_name(name: TableName, kind: str, here: str | None = None) -> TableName:
    """The one form of a table's names in a database: without the schema that a name without one means, or `here`."""
    fold = DIALECTS[kind].names.fold if kind in _FOLDED else str
    schema = None if name.schema in (None, here or _DEFAULT_SCHEMA.get(kind)) else fold(str(name.schema))
    return TableName(schema, fold(name.name))
