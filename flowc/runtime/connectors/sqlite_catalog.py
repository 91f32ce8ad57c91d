"""SQLite's live tables, as its pragmas and its own record of every CREATE tell them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from flowc.catalog import Column, Index, Native, Resolved, Table, TableName
from flowc.runtime.names import folded, literal, qualified, quoted
from flowc.types import UNKNOWN, DataType, Kind

Ask = Callable[[str], Sequence[Any]]
_EXACT_DIGITS = 15
"""Decimals of more digits are written as texts."""

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
    keys = tuple(r[1] for r in sorted((r for r in rows if r[5]), key=lambda r: r[5]))
    master = f"{prefix}sqlite_master"
    beyond = _beyond(ask, name, master)
    columns = (Column(r[1], type_of(r[2]) or UNKNOWN, not (r[3] or r[5]), r[4]) for r in rows if r[6] != 1)
    declared = {r[1]: r[2] for r in rows}
    collated = _collations(ask, name) if "COLLATE" in beyond else {}
    return Table(
        name,
        tuple(replace(c, native=_native(c.type, declared[c.name], collated.get(c.name))) for c in columns),
        keys,
        _indexes(ask, name, prefix),
        plain=bool(ask(f"SELECT 1 FROM {master} WHERE type = 'table' AND name = {literal(name.name)}")),
        dependents=_dependents(ask, name, master),
        create_sql=tuple(row[0] for row in ask(_triggers(name, master))),
        beyond=beyond,
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


def _collations(ask: Ask, name: TableName) -> dict[str, str]:
    """The collations of the columns that have another one than BINARY, as the program of a comparison names them."""
    found = {}
    for row in ask(f"PRAGMA {f'{quoted(name.schema)}.' if name.schema else ''}table_info({quoted(name.name)})"):
        program = ask(f"EXPLAIN SELECT {quoted(row[1])} = 'x' FROM {qualified(name)}")
        used = next((str(step[5]).rpartition("-")[0] for step in program if step[1] in ("Eq", "Ne") and step[5]), "")
        if used not in ("", "BINARY"):
            found[row[1]] = quoted(used)
    return found


def _native(kind: DataType, declared: str, collation: str | None) -> Native | None:
    """SQLite makes numbers of texts that look like some, where the name of the column's type has no word for texts."""
    word = declared.upper()
    textual = any(part in word for part in ("CHAR", "CLOB", "TEXT", "BLOB")) and "INT" not in word
    exact = textual or not _as_text(kind)
    return None if exact and collation is None else Native(None if exact else declared, collation, exact)


def _as_text(kind: DataType) -> bool:
    """Whether flowc writes the type's values as texts that may look like numbers."""
    long = kind.precision is None or kind.precision > _EXACT_DIGITS
    return kind.kind in (Kind.TEXT, Kind.JSON, Kind.INT128) or (kind.kind is Kind.DECIMAL and long)


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
