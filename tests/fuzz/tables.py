"""What embedded stores hold, read by their own libraries."""

# ruff: noqa: E501 -- a table of statements reads best with one in a line

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import duckdb
from deltalake import DeltaTable

from tests.fuzz.mutant import Chance

STORES: dict[str, dict[str, object]] = {
    "sqlite": {"kind": "sqlite", "path": "store.db"}, "duckdb": {"kind": "duckdb", "path": "store.db"},
    "delta": {"kind": "delta", "uri": "store"}, "files": {"kind": "files", "uri": "store"},
}  # fmt: skip
"""Connections by their kind."""
_THERE = {
    "sqlite": (sqlite3.connect, "SELECT 1 FROM sqlite_master WHERE name = ?"),
    "duckdb": (duckdb.connect, "SELECT 1 FROM duckdb_tables() WHERE table_name = ?"),
}


def rows_of(folder: Path, kind: str, table: str, columns: Sequence[str]) -> list[tuple[Any, ...]]:
    """The rows of a table, or of a folder of JSON lines, in any order; none where there is no such table yet."""
    if kind == "delta":
        there = (folder / "store" / table / "_delta_log").exists()
        found = DeltaTable(folder / "store" / table).to_pyarrow_table(columns=list(columns)) if there else None
        return [tuple(row.values()) for row in found.to_pylist()] if found else []
    if kind == "files":
        lines = (line for file in (folder / "store" / table).glob("*.jsonl") for line in file.open("rb"))
        return [tuple(json.loads(line)[column] for column in columns) for line in lines]
    connect, there = _THERE[kind]
    named = ", ".join(f'"{column}"' for column in columns)
    with closing(connect(folder / "store.db")) as database:
        made = database.execute(there, (table.rpartition(".")[2],)).fetchone()
        return database.execute(f"SELECT {named} FROM {table}").fetchall() if made else []


_LISTED = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' AND name NOT LIKE 'flowc_%' ORDER BY name",
    "duckdb": "SELECT table_name, sql FROM duckdb_tables() WHERE schema_name <> 'flowc' "
    "UNION ALL SELECT index_name, sql FROM duckdb_indexes() WHERE schema_name <> 'flowc' ORDER BY ALL",
}
_TABLES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'flowc_%'",
    "duckdb": "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main'",
}


def contents(folder: Path, kind: str) -> tuple[list[Any], list[Any]]:
    """Statements of all tables and indexes of a database, and the rows of its tables; not those of flowc's own."""
    if not (folder / "store.db").exists():
        return [], []
    with closing(_THERE[kind][0](folder / "store.db")) as database:
        names = [_quoted(name) for (name,) in database.execute(_TABLES[kind]).fetchall()]
        rows = [(name, sorted(map(repr, database.execute(f"SELECT * FROM {name}").fetchall()))) for name in names]
        return database.execute(_LISTED[kind]).fetchall(), sorted(rows)


def fill(folder: Path, kind: str, chance: Chance) -> None:
    """Puts a few rows into each table, as far as it takes them."""
    with closing(_THERE[kind][0](folder / "store.db")) as database:
        for (table,) in database.execute(_TABLES[kind]).fetchall():
            columns = database.execute(f"SELECT * FROM {_quoted(table)} LIMIT 0").description
            for number in range(chance.choice([0, 1, 3])):
                values = [
                    chance.choice([number, None, f"{number}", "2020-01-01", True, 1.5]) if at else number
                    for at in range(len(columns))
                ]
                with suppress(sqlite3.Error, duckdb.Error):  # what does not fit
                    database.execute(f"INSERT INTO {_quoted(table)} VALUES ({', '.join('?' * len(values))})", values)
        database.commit()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
