"""SQLite's live tables, as its pragmas and its own record of every CREATE tell them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from flowc.catalog import ROW_ID, Column, Index, Native, Resolved, Table, TableName, names_word, of_view, with_columns
from flowc.runtime.names import folded, literal, qualified, quoted
from flowc.runtime.systems.shared.generated import QUOTED, generated
from flowc.types import UNKNOWN, DataType, Kind

Ask = Callable[[str], Sequence[Any]]
_EXACT_DIGITS = 15
"""Decimals of more digits are written as texts."""

_BEYOND = re.compile(
    r"\b(CHECK|REFERENCES|COLLATE|GENERATED|AUTOINCREMENT|WITHOUT\s+ROWID|VIRTUAL|ON\s+CONFLICT)\b|\bAS\s*\("
    r"|\b(STRICT)\b(?=[^()]*$)",
    re.IGNORECASE,
)
_WHERE = re.compile(r"\bWHERE\b", re.IGNORECASE)
_COLLATE = re.compile(r"\bCOLLATE\b", re.IGNORECASE)
_WORD = re.compile(r'[A-Za-z_]\w*|"(?:[^"]|"")*"')
_CONSTANTS = ("NULL", "TRUE", "FALSE", "CURRENT_TIME", "CURRENT_DATE", "CURRENT_TIMESTAMP")
_VIRTUAL, _STORED = 2, 3
"""What `table_xinfo` has for columns that are computed."""
_EXPRESSION = -2
"""What `index_xinfo` has in the place of a column."""


def read_table(ask: Ask, name: TableName, type_of: Callable[[str], DataType | None]) -> Table | None:
    """The live table, or None. Its name is SQLite's own spelling, for names in other case are the same to it."""
    prefix = f"{quoted(name.schema)}." if name.schema else ""
    rows = ask(f"PRAGMA {prefix}table_xinfo({quoted(name.name)})")
    if not rows:
        return None
    made = ask(
        f"SELECT type, name, sql FROM {prefix}sqlite_master WHERE tbl_name = {literal(name.name)} COLLATE NOCASE "
        "AND sql IS NOT NULL ORDER BY type = 'trigger', rowid"
    )
    name = next((TableName(name.schema, row[1]) for row in made if row[0] == "table"), name)
    texts = {row[1]: row[2] for row in made if row[0] == "index"}
    create = next((row[2] for row in made if row[0] == "table"), "")
    beyond, computed = _beyond(create), generated(create)
    keys = tuple(r[1] for r in sorted((r for r in rows if r[5]), key=lambda r: r[5]))
    row_id = "WITHOUT ROWID" not in beyond and _is_row_id(rows, ask(f"PRAGMA {prefix}index_list({quoted(name.name)})"))
    columns = (
        _computed(_column(r, type_of, row_id=row_id and r[1] in keys), r[6], computed) for r in rows if r[6] != 1
    )
    collated = _collations(ask, name) if "COLLATE" in beyond else {}
    return Table(
        name,
        tuple(replace(c, native=_native(c.type, c.spelled or "", collated.get(c.name))) for c in columns),
        keys,
        _indexes(ask, name, prefix, texts),
        plain=any(row[0] == "table" for row in made),
        dependents=_dependents(ask, name, f"{prefix}sqlite_master", [row[1] for row in rows]),
        routines=_triggers(ask, name, f"{prefix}sqlite_master", [row[1] for row in rows]),
        form="a view" if any(row[0] == "view" for row in made) else None,
        create_sql=tuple(row[2] for row in made if row[0] in ("table", "trigger")),
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


def _column(row: Any, type_of: Callable[[str], DataType | None], *, row_id: bool) -> Column:
    _, name, spelled, required, default, key, _ = row
    beyond = (ROW_ID,) if row_id else ()
    kind, nullable = type_of(spelled), not (required or key)
    own = quoted(spelled) if kind is None and spelled else None
    return Column(name, kind or UNKNOWN, nullable, _default(default), beyond=beyond, spelled=spelled, own=own)


def _computed(column: Column, hidden: int, expressions: Mapping[str, str]) -> Column:
    """The column with what computes it in the place of a default; `hidden` is what SQLite says of its kind."""
    if hidden not in (_VIRTUAL, _STORED):
        return column
    stored = " STORED" if hidden == _STORED else ""
    return replace(column, default=f"GENERATED ALWAYS AS ({expressions.get(column.name, '')}){stored}")


def _default(text: str | None) -> str | None:
    """A default as an expression: SQLite takes a word, and what stands in double quotes, for a text there alone."""
    if text is None or _WORD.fullmatch(text) is None or text.upper() in _CONSTANTS:
        return text
    return literal(text[1:-1].replace('""', '"') if text.startswith('"') else text)


def _is_row_id(rows: Sequence[Any], indexes: Sequence[Any]) -> bool:
    """Whether the key is the number of the row itself: one INTEGER, for which there is no index."""
    keys = [row for row in rows if row[5]]
    return len(keys) == 1 and keys[0][2].upper() == "INTEGER" and all(row[3] != "pk" for row in indexes)


def names(ask: Ask) -> tuple[TableName, ...]:
    """The tables of the database itself, SQLite's own left out."""
    rows = ask(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY 1"
    )
    return tuple(TableName(None, row[0]) for row in rows)


def _dependents(ask: Ask, name: TableName, master: str, columns: Sequence[str]) -> tuple[str, ...]:
    """Views that name the table, and foreign keys that point at it."""
    code = ask(f"SELECT name, sql FROM {master} WHERE type = 'view'")
    views = (of_view(f"view {view}", sql, columns) for view, sql in code if names_word(sql or "", name.name))
    keys = ask(
        f"SELECT DISTINCT m.name FROM {master} AS m, pragma_foreign_key_list(m.name) AS k "
        f"WHERE m.type = 'table' AND lower(k.\"table\") = lower({literal(name.name)})"
    )
    return (*views, *(f"foreign key of {row[0]}" for row in keys))


def _triggers(ask: Ask, name: TableName, master: str, columns: Sequence[str]) -> tuple[str, ...]:
    """The triggers of other tables that name the table."""
    other = f"type = 'trigger' AND tbl_name <> {literal(name.name)} COLLATE NOCASE"
    code = ask(f"SELECT name, tbl_name, sql FROM {master} WHERE {other}")
    named = [row for row in code if names_word(row[2] or "", name.name)]
    return tuple(with_columns(f"trigger {trigger} of {of}", sql, columns) for trigger, of, sql in named)


def _beyond(sql: str) -> tuple[str, ...]:
    found = (next(filter(None, match.groups()), "GENERATED") for match in _BEYOND.finditer(QUOTED.sub(" ", sql)))
    return tuple(dict.fromkeys(" ".join(words.upper().split()) for words in found))


def _indexes(ask: Ask, name: TableName, prefix: str, texts: Mapping[str, str]) -> tuple[Index, ...]:
    found = []
    for _, index, unique, origin, partial in ask(f"PRAGMA {prefix}index_list({quoted(name.name)})"):
        if origin != "pk":
            parts = [part for part in ask(f"PRAGMA {prefix}index_xinfo({quoted(index)})") if part[5]]
            sql = texts.get(index)
            where = _where(sql or "") if partial else None
            beyond: tuple[str, ...] = ("an expression",) if any(part[1] == _EXPRESSION for part in parts) else ()
            beyond += ("DESC",) if any(part[3] for part in parts) else ()
            beyond += ("COLLATE",) if _COLLATE.search(QUOTED.sub(" ", sql or "")) else ()
            columns = tuple(part[2] for part in parts if part[2])
            found.append(Index(columns, bool(unique), index, where, constraint=origin == "u", sql=sql, beyond=beyond))
    return tuple(sorted(found, key=lambda index: index.name or ""))


def _where(sql: str) -> str:
    """The condition of a partial index."""
    bare = QUOTED.sub(lambda match: " " * len(match[0]), sql)
    found = _WHERE.search(bare)
    return sql[found.end() :].strip() if found else sql
