"""flowc's own tables in a database: made where they are missing."""

from __future__ import annotations

from collections.abc import Sequence

from flowc.catalog import Column, Table, TableName
from flowc.compiler.dialect import Dialect
from flowc.compiler.quote import ident, idents, table, text
from flowc.compiler.tables.ddl import keyed, spell


def ensure_state(name: str, columns: Sequence[Column], key: Sequence[str], dialect: Dialect) -> tuple[str, ...]:
    """The statements that make one of flowc's own tables, for instance `flowc.watermarks`, where it is missing."""
    return ensure_table(dialect.state_table(name), columns, key, dialect)


def ensure_table(state: TableName, columns: Sequence[Column], key: Sequence[str], dialect: Dialect) -> tuple[str, ...]:
    """The statements that make a table, and its schema, where it is missing."""
    whole = Table(state, tuple(columns), tuple(key))
    spelled = ", ".join(
        f"{ident(c.name)} {spell(keyed(c, whole, dialect).type, dialect)}{'' if c.nullable else ' NOT NULL'}"
        for c in columns
    )
    parts = {
        "schema": ident(state.schema or ""),
        "table": table(state),
        "text": text(table(state), dialect),
        "columns": f"{spelled}, PRIMARY KEY ({idents(key)})" if key else spelled,
    }
    if dialect.schemas and state.schema is None:
        return (f"CREATE TABLE IF NOT EXISTS {parts['table']} ({parts['columns']})",)
    return tuple(template.format(**parts) for template in dialect.ensure_table)
