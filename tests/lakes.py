"""Folders of Delta tables as a user sees them beside flowc: written by deltalake, read by DuckDB."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from deltalake import DeltaTable, write_deltalake


def rows(path: Path, query: str = "SELECT * FROM t ORDER BY ALL") -> list[tuple[Any, ...]]:
    """The rows of a query over one table, which it calls `t`."""
    with reading() as session:
        session.register("t", DeltaTable(path).to_pyarrow_dataset())
        return session.execute(query).fetchall()


@cache
def _memory() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


def reading() -> duckdb.DuckDBPyConnection:
    """A session of a database in memory, to which it gives tables and views of its own; making one anew takes long."""
    session = _memory().cursor()
    session.execute("SET TimeZone = 'UTC'")
    return session


def write(path: Path, columns: dict[str, Any] | pa.Table, mode: Any = "append", **more: Any) -> None:
    """Another writer adds rows, or replaces them."""
    write_deltalake(path, columns if isinstance(columns, pa.Table) else pa.table(columns), mode=mode, **more)


def version(path: Path) -> int:
    """The number of the last commit."""
    return DeltaTable(path).version()


def actions(path: Path, number: int) -> dict[str, list[dict[str, Any]]]:
    """What one commit did, by kind of action."""
    found: dict[str, list[dict[str, Any]]] = {}
    for line in (path / "_delta_log" / f"{number:020}.json").read_text("utf-8").splitlines():
        for kind, action in json.loads(line).items():
            found.setdefault(kind, []).append(action)
    return found


@dataclass(frozen=True)
class Lake:
    """A lake that is asked and filled by SQL, as other stores are (`tests.stores.Store`)."""

    folder: Path
    kind: str = "delta"
    dsn: str = ""

    def path(self, name: str) -> Path:
        """The folder of a table."""
        return self.folder / "lake" / name

    def raw(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query over the tables."""
        with self._session(query) as session:
            return session.execute(query).fetchall()

    def run(self, *statements: str) -> None:
        """INSERTs, each of which another writer commits."""
        for statement in statements:
            name = re.findall(r"INSERT INTO (\w+)", statement)[0]
            with self._session(name) as session:
                session.execute(f"CREATE TEMPORARY TABLE flowc_new AS SELECT * FROM {name} WHERE false")
                session.execute(statement.replace(name, "flowc_new", 1))
                rows = session.sql("SELECT * FROM flowc_new").to_arrow_table()
            write(self.path(name), rows.cast(pa.schema(DeltaTable(self.path(name)).schema().to_arrow())))

    def control(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query over the history."""
        with closing(sqlite3.connect(self.folder / "lake" / "_flowc" / "flowc.sqlite")) as session:
            return session.execute(query).fetchall()

    def schema(self, name: str) -> Sequence[dict[str, Any]]:
        """The columns of a table as its log has them."""
        found: list[dict[str, Any]] = json.loads(DeltaTable(self.path(name)).schema().to_json())["fields"]
        return found

    def _session(self, words: str) -> duckdb.DuckDBPyConnection:
        session = reading()
        for path in (log.parent for log in (self.folder / "lake").glob("*/_delta_log")):
            if path.name in words:
                session.register(path.name, DeltaTable(path).to_pyarrow_dataset())
        return session
