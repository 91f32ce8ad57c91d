"""DuckDB's live tables, as its own functions tell them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from flowc.catalog import Column, Index, Native, Resolved, Table, TableName
from flowc.runtime.connectors.duckdb_values import index_columns, type_of
from flowc.runtime.names import folded, literal, quoted

Ask = Callable[[str], Sequence[Any]]

_COLLATED = re.compile(
    r"""(?:"(?P<quoted>(?:[^"]|"")+)"|(?P<bare>\w+))\s+VARCHAR\s+COLLATE\s+(?P<collation>[\w.]+)""", re.IGNORECASE
)
_BINARY = ("binary", "c", "posix")
_GENERATED = re.compile(r"\bGENERATED\s+ALWAYS\b|\bCOLLATE\b", re.IGNORECASE)


def read_table(ask: Ask, name: TableName) -> Table | None:
    """The live table under the name that it was asked by, or None."""
    found = found_name(ask, name)
    columns = read_columns(ask, found, temporary=False)
    return replace(_read(ask, found, columns), name=name) if columns else None


def _read(ask: Ask, name: TableName, columns: tuple[Column, ...]) -> Table:
    tables = ask(f"SELECT comment, estimated_size, sql FROM duckdb_tables() WHERE {_here(name)} AND NOT temporary")
    constraints = ask(
        f"SELECT constraint_type, constraint_column_names FROM duckdb_constraints() WHERE {_here(name)} "
        "ORDER BY constraint_index"
    )
    comment, rows, sql = tables[0] if tables else (None, None, "")
    collated = _collations(sql or "")
    return Table(
        name,
        tuple(replace(c, native=collated.get(c.name)) for c in columns),
        next((tuple(names) for kind, names in constraints if kind == "PRIMARY KEY"), ()),
        (
            *_indexes(ask, name),
            *(Index(tuple(n), True, None, constraint=True) for k, n in constraints if k == "UNIQUE"),
        ),
        comment,
        plain=bool(tables),
        rows=rows,
        dependents=_dependents(ask, name),
        beyond=_beyond([kind for kind, _ in constraints], sql or ""),
    )


def _here(name: TableName) -> str:
    """The condition for a table, by its name as it was made."""
    schema = literal(name.schema or "main")
    return f"schema_name = {schema} AND table_name = {literal(name.name)} AND database_name = current_database()"


def resolved(ask: Ask, name: TableName) -> Resolved:
    """The table that a name means: names differ by more than case, and the database's own may stand for a schema."""
    found = found_name(ask, name)
    kept = TableName(None if found.schema == "main" else found.schema, found.name)
    return Resolved(TableName(folded(found.schema or ""), folded(found.name)), kept)


def found_name(ask: Ask, name: TableName) -> TableName:
    """The schema and the name as they were made; as they are written where there is no such table."""
    here, default = ask("SELECT current_database(), current_schema()")[0]
    asked = name.schema or default
    rows = ask(
        f"SELECT schema_name, table_name FROM duckdb_columns() WHERE database_name = current_database() "
        f"AND lower(table_name) = lower({literal(name.name)}) GROUP BY ALL"
    )
    own = [row for row in rows if folded(row[1]) == folded(name.name)]
    inside = next((TableName(*row) for row in own if folded(row[0]) == folded(asked)), None)
    if inside is None and folded(asked) == folded(here):
        inside = next((TableName(*row) for row in own if row[0] == "main"), None)
    return inside or TableName(asked, name.name)


def names(ask: Ask) -> tuple[TableName, ...]:
    """The tables of the database, those in the schema `main` without it."""
    rows = ask(
        "SELECT schema_name, table_name FROM duckdb_tables() "
        "WHERE NOT internal AND NOT temporary AND database_name = current_database() ORDER BY 1, 2"
    )
    return tuple(TableName(None if schema == "main" else schema, table) for schema, table in rows)


def read_columns(ask: Ask, name: TableName, *, temporary: bool) -> tuple[Column, ...]:
    """The columns of a table or view; none where there is none."""
    where = f"table_name = {literal(name.name)} AND database_name = 'temp'" if temporary else _here(name)
    rows = ask(
        "SELECT column_name, data_type, is_nullable, column_default, comment FROM duckdb_columns() "
        f"WHERE {where} ORDER BY column_index"
    )
    return tuple(Column(r[0], type_of(r[1]), bool(r[2]), r[3], r[4]) for r in rows)


def _indexes(ask: Ask, name: TableName) -> tuple[Index, ...]:
    rows = ask(
        f"SELECT index_name, is_unique, expressions FROM duckdb_indexes() WHERE {_here(name)} ORDER BY index_name"
    )
    return tuple(Index(index_columns(r[2]), bool(r[1]), r[0]) for r in rows)


def _dependents(ask: Ask, name: TableName) -> tuple[str, ...]:
    word = re.compile(rf"(?<![\w$]){re.escape(name.name)}(?![\w$])", re.IGNORECASE)
    views = ask("SELECT view_name, sql FROM duckdb_views() WHERE NOT internal AND database_name = current_database()")
    return tuple(f"view {view}" for view, sql in views if word.search(sql or ""))


def _collations(sql: str) -> dict[str, Native]:
    """The columns with another collation than that of bytes, from the statement as DuckDB itself writes it."""
    found = {}
    for match in _COLLATED.finditer(sql):
        if match["collation"].lower() not in _BINARY:
            name = match["bare"] or match["quoted"].replace('""', '"')
            found[name] = Native(collation=".".join(quoted(part) for part in match["collation"].split(".")))
    return found


def _beyond(kinds: Sequence[str], sql: str) -> tuple[str, ...]:
    """What CREATE TABLE of flowc does not write."""
    found = [kind for kind in kinds if kind in ("CHECK", "FOREIGN KEY")]
    found += [" ".join(match[0].upper().split()) for match in _GENERATED.finditer(sql)]
    return tuple(dict.fromkeys(found))
