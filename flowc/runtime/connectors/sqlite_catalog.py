"""SQLite's live tables, as its pragmas and its own record of every CREATE tell them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from flowc.catalog import Column, Index, Resolved, Table, TableName
from flowc.runtime.names import folded, literal, quoted
from flowc.types import UNKNOWN, DataType

Ask = Callable[[str], Sequence[Any]]

_BEYOND = re.compile(
    r"\b(CHECK|REFERENCES|COLLATE|GENERATED|AUTOINCREMENT|WITHOUT\s+ROWID|STRICT)\b|\bAS\s*\(", re.IGNORECASE
)
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|\[[^\]]*\]|--[^\n]*|/\*.*?\*/", re.DOTALL)


def read_table(ask: Ask, name: TableName, type_of: Callable[[str], DataType | None]) -> Table | None:
    """The live table, or None."""
    prefix = f"{quoted(name.schema)}." if name.schema else ""
    rows = ask(f"PRAGMA {prefix}table_xinfo({quoted(name.name)})")
    if not rows:
        return None
    columns = tuple(Column(r[1], type_of(r[2]) or UNKNOWN, not (r[3] or r[5]), r[4]) for r in rows if r[6] != 1)
    keys = tuple(r[1] for r in sorted((r for r in rows if r[5]), key=lambda r: r[5]))
    master = f"{prefix}sqlite_master"
    return Table(
        name,
        columns,
        keys,
        _indexes(ask, name, prefix),
        plain=bool(ask(f"SELECT 1 FROM {master} WHERE type = 'table' AND name = {literal(name.name)}")),
        dependents=_dependents(ask, name, master),
        create_sql=tuple(row[0] for row in ask(_triggers(name, master))),
        beyond=_beyond(ask, name, master),
    )


def resolved(ask: Ask, name: TableName) -> Resolved:
    """The table that a name means: names differ by more than the case of ASCII letters."""
    schema = folded(name.schema or "main")
    prefix = f"{quoted(name.schema)}." if name.schema else ""
    rows = ask(
        f"SELECT name FROM {prefix}sqlite_master WHERE type IN ('table', 'view') "
        f"AND name = {literal(name.name)} COLLATE NOCASE"
    )
    kept = TableName(None if schema == "main" else schema, rows[0][0] if rows else name.name)
    return Resolved(TableName(schema, folded(name.name)), kept)


def names(ask: Ask) -> tuple[TableName, ...]:
    """The tables of the database itself, SQLite's own left out."""
    rows = ask(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY 1"
    )
    return tuple(TableName(None, row[0]) for row in rows)


def _triggers(name: TableName, master: str) -> str:
    return f"SELECT sql FROM {master} WHERE type = 'trigger' AND tbl_name = {literal(name.name)} ORDER BY name"


def _dependents(ask: Ask, name: TableName, master: str) -> tuple[str, ...]:
    """Views that name the table, and foreign keys that point at it."""
    word = re.compile(rf"(?<![\w$]){re.escape(name.name)}(?![\w$])", re.IGNORECASE)
    views = (row[0] for row in ask(f"SELECT name, sql FROM {master} WHERE type = 'view'") if word.search(row[1] or ""))
    keys = ask(
        f"SELECT DISTINCT m.name FROM {master} AS m, pragma_foreign_key_list(m.name) AS k "
        f"WHERE m.type = 'table' AND lower(k.\"table\") = lower({literal(name.name)})"
    )
    return (*(f"view {view}" for view in views), *(f"foreign key of {row[0]}" for row in keys))


def _beyond(ask: Ask, name: TableName, master: str) -> tuple[str, ...]:
    rows = ask(f"SELECT sql FROM {master} WHERE type = 'table' AND name = {literal(name.name)}")
    bare = _QUOTED.sub(" ", (rows[0][0] or "") if rows else "")
    found = (" ".join((match[1] or "GENERATED").upper().split()) for match in _BEYOND.finditer(bare))
    return tuple(dict.fromkeys(found))


def _indexes(ask: Ask, name: TableName, prefix: str) -> tuple[Index, ...]:
    found = []
    for row in ask(f"PRAGMA {prefix}index_list({quoted(name.name)})"):
        if row[3] != "pk":
            parts = ask(f"PRAGMA {prefix}index_info({quoted(row[1])})")
            columns = tuple(part[2] for part in parts if part[2])
            where = _where(ask, row[1], prefix)
            found.append(Index(columns, bool(row[2]), row[1], where, constraint=row[3] == "u"))
    return tuple(sorted(found, key=lambda index: index.name or ""))


def _where(ask: Ask, index: str, prefix: str) -> str | None:
    rows = ask(f"SELECT sql FROM {prefix}sqlite_master WHERE type = 'index' AND name = {literal(index)}")
    head, where, condition = (rows[0][0] if rows and rows[0][0] else "").partition(" WHERE ")
    return condition.strip() if head and where else None
