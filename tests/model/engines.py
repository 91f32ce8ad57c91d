"""Real databases and files for the model tests. Loads run as they do for users: connectors, `plan_load`, `run_load`."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from flowc.catalog import TableName
from flowc.compiler.ddl import create_table
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.ir import Source
from flowc.compiler.quote import table
from flowc.runtime.arrow import arrow_schema
from flowc.runtime.connector import Database
from flowc.runtime.connectors import open_database
from flowc.runtime.connectors.files import Files
from tests.model import histories as h

HERE = "here"
"""The source is in the target's own database, so the load never leaves it."""
DATABASES = ("sqlite", "duckdb", "postgres")
FORMATS = ("csv", "jsonl", "parquet")
WAYS = (HERE, *DATABASES, *FORMATS)
"""How rows arrive: from where the target is, by another session of each kind of database, from files."""

NULL = r"\N"
WATERMARKS = "watermarks"


@dataclass
class Engine:
    """A target, with everything that its rows may come from. Values read from it are plain, instants UTC text."""

    kind: str
    database: Database
    others: dict[str, Database]
    folder: Path

    @property
    def watermarks(self) -> TableName:
        """Where the engine keeps watermarks."""
        return DIALECTS[self.kind].state_table(WATERMARKS)

    def query(self, sql: str) -> list[dict[str, Any]]:
        """The rows of a query."""
        return [{n: plain(v) for n, v in row.items()} for row in self.database.query(sql).to_pylist()]

    def reset(self) -> None:
        """Drops the target and forgets what was loaded."""
        self.database.execute("DROP TABLE IF EXISTS tgt")
        if self.database.table(self.watermarks):
            self.database.execute(f"DROP TABLE {table(self.watermarks)}")

    def close(self) -> None:
        """Ends all sessions."""
        for database in (self.database, *self.others.values()):
            database.close()

    def sources(self, name: str) -> Database | Files:
        """What a connection's name stands for."""
        if name == "files":
            return Files({"uri": str(self.folder)})
        return self.database if name == HERE else self.others[name]

    def fill(self, way: str, rows: Sequence[dict[str, Any]]) -> Source:
        """Makes these rows what arrives that way, and gives the node that reads them."""
        if way in FORMATS:
            path = f"rows.{way}"
            _WRITERS[way](self.folder / path, rows)
            options = {"null_regex": r"^\\N$"} if way == "csv" else {}
            return Source("s", "source", "files", "files", None, None, path, way, options, h.COLUMNS)
        database = self.database if way == HERE else self.others[way]
        _replace(database, rows)
        return Source("s", "source", way, database.kind, table=TableName(None, "src"))


def open_engine(kind: str, folder: Path, dsn: str) -> Engine:
    """A target of that kind and its sources, each with an empty table `src`."""
    opened = {name: _open(name, folder / f"far.{name}", dsn) for name in DATABASES}
    target = _open(kind, folder / f"near.{kind}", dsn)
    for database in (target, *opened.values()):
        database.execute("DROP TABLE IF EXISTS src")
        for statement in create_table(h.SOURCE, DIALECTS[database.kind]):
            database.execute(statement)
    return Engine(kind, target, opened, folder)


def _open(kind: str, path: Path, dsn: str) -> Database:
    return open_database(kind, {"url": dsn} if kind == "postgres" else {"path": str(path)})


def plain(value: Any) -> Any:
    """A value in one form for all engines."""
    return h.shown(value) if isinstance(value, datetime) else value


def _replace(database: Database, rows: Sequence[dict[str, Any]]) -> None:
    database.begin()
    database.execute("DELETE FROM src")
    batches = _arrow(rows).to_batches() if rows else []
    database.ingest(TableName(None, "src"), h.COLUMNS, iter(batches), temporary=False)
    database.commit()


def _arrow(rows: Sequence[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist([_dated(row) for row in rows], schema=arrow_schema(h.COLUMNS))


def _dated(row: dict[str, Any]) -> dict[str, Any]:
    return {n: h.moment(v) if n == "at" and v is not None else v for n, v in row.items()}


def _write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(h.NAMES)
        for row in rows:
            values = {**row, "at": h.written(row["at"])}
            writer.writerow([NULL if values[n] is None else values[n] for n in h.NAMES])


def _write_jsonl(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    lines = (json.dumps({**row, "at": h.written(row["at"])}) + "\n" for row in rows)
    path.write_text("".join(lines), encoding="utf-8")


def _write_parquet(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    pq.write_table(_arrow(rows), path)


_WRITERS: dict[str, Callable[[Path, Sequence[dict[str, Any]]], None]] = {
    "csv": _write_csv, "jsonl": _write_jsonl, "parquet": _write_parquet,
}  # fmt: skip
