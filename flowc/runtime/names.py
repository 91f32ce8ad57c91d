"""Names in the SQL that connectors themselves write: always quoted, so that no name can be more than a name."""

from __future__ import annotations

import json
from collections.abc import Iterable

from flowc.catalog import TableName


def quoted(name: str) -> str:
    """An identifier between double quotes, as PostgreSQL, DuckDB and SQLite all read it."""
    return '"' + name.replace('"', '""') + '"'


def qualified(table: TableName) -> str:
    """A table's quoted name with its schema where it has one."""
    return f"{quoted(table.schema)}.{quoted(table.name)}" if table.schema else quoted(table.name)


def listed(names: Iterable[str]) -> str:
    """Quoted names with commas between."""
    return ", ".join(quoted(name) for name in names)


def folded(name: str) -> str:
    """A name without the case of its ASCII letters, as SQLite and DuckDB compare names."""
    return "".join(c.lower() if c.isascii() else c for c in name)


def literal(text: str, *, plain_backslash: bool = True) -> str:
    """Text as a SQL string.

    Where a mode of the session decides what a backslash means, as in MySQL, a text with one is written in hexadecimal.
    """
    if not plain_backslash and "\\" in text:
        return f"_utf8mb4 X'{text.encode().hex()}'"
    return "'" + text.replace("'", "''") + "'"


def without_end(sql: str) -> str:
    """A statement without the semicolon that may end it, so that it can stand inside another."""
    return sql.rstrip().rstrip(";").rstrip()


def derived(sql: str, names: Iterable[str], chosen: Iterable[str]) -> str:
    """A query over a query: `chosen` expressions over its columns, which are named `names`.

    The query stands on lines of its own, for it may end in a comment.
    """
    return f"SELECT {', '.join(chosen)} FROM (\n{without_end(sql)}\n) AS flowc_query({listed(names)})"


def nameless(names: Iterable[str]) -> str:
    """What is wrong with a name that holds a NUL: what hands columns on ends it there, and finds no values for it."""
    found = next((name for name in names if "\0" in name), None)
    return "" if found is None else f"the name of its column {json.dumps(found)} holds a NUL"
