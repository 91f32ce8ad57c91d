"""Real databases and files for the model tests. Loads run as they do for users: connectors, `plan_load`, `run_load`."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import write_deltalake

from flowc.catalog import TableName
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.ir import Source
from flowc.compiler.quote import table
from flowc.compiler.tables.ddl import create_table
from flowc.runtime.arrow import arrow_schema
from flowc.runtime.contracts.database import Database
from flowc.runtime.names import quoted
from flowc.runtime.stores.files import Files
from flowc.runtime.systems import open_database
from flowc.runtime.systems.delta.session import Delta
from tests.lakes import reading
from tests.model import histories as h

HERE = "here"
"""The source is in the target's own database, so the load never leaves it."""
DATABASES = ("sqlite", "duckdb", "postgres", "mysql")
TARGETS = (*DATABASES, "delta")
FORMATS = ("csv", "jsonl", "parquet")
OWN = "own"
"""The source is a view of the target itself: it shows what `shown_by_view` leaves of the rows."""
WAYS = (HERE, *DATABASES, "delta", *FORMATS)
"""How rows arrive: from where the target is, by another session of each kind of database, from tables and files."""

NULL = r"\N"
WATERMARKS, BAD_ROWS = "watermarks", "bad_rows"


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

    @property
    def bad_rows(self) -> TableName:
        """Where the engine keeps rows that fail a check."""
        return DIALECTS[self.kind].state_table(BAD_ROWS)

    def same(self, way: str) -> bool:
        """Whether rows that arrive that way never leave the target's database."""
        return way == HERE

    def exists(self, name: TableName) -> bool:
        """Whether there is such a table."""
        return name in self.database.names()  # what else there is to say of one takes many times as long

    def query(self, sql: str) -> list[dict[str, Any]]:
        """The rows of a query."""
        return [{n: plain(v) for n, v in row.items()} for row in self.database.query(sql).to_pylist()]

    def own(self) -> Source | None:
        """A view of the target, made anew; None where there is no target yet, or there are no views."""
        if not self.exists(h.TARGET):
            return None
        columns = ", ".join(quoted(name) for name in h.NAMES)
        self.database.execute("DROP VIEW IF EXISTS seen")
        self.database.execute(f"CREATE VIEW seen AS SELECT {columns} FROM tgt WHERE b IS NULL OR b <> 1")
        return Source("s", "source", HERE, self.kind, table=TableName(None, "seen"))

    def reset(self) -> None:
        """Drops the target and forgets what was loaded."""
        self.database.execute("DROP VIEW IF EXISTS seen")
        self.database.execute("DROP TABLE IF EXISTS tgt")
        for own in (self.watermarks, self.bad_rows):
            if self.exists(own):
                self.database.execute(f"DROP TABLE {table(own)}")

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
        (replace_in_lake if isinstance(database, Delta) else _replace)(database, rows)
        return Source("s", "source", way, database.kind, table=TableName(None, "src"))


class LakeEngine(Engine):
    """A folder of Delta tables, looked at by DuckDB."""

    def same(self, way: str) -> bool:
        return False

    def exists(self, name: TableName) -> bool:
        if name == self.watermarks:
            return self._lake.watermarks(h.TARGET).num_rows > 0
        return self.database.table(name) is not None

    def query(self, sql: str) -> list[dict[str, Any]]:
        with reading() as session:
            if self.exists(h.TARGET):
                session.register("tgt", self._lake.dataset(h.TARGET))
            session.register("marks", self._lake.watermarks(h.TARGET))
            found = session.sql(sql.replace(table(self.watermarks), "marks")).to_arrow_table().to_pylist()
        return [{n: plain(v) for n, v in row.items()} for row in found]

    def own(self) -> Source | None:
        return None

    def reset(self) -> None:
        shutil.rmtree(lake_of(self._lake) / "tgt", ignore_errors=True)

    @property
    def _lake(self) -> Delta:
        assert isinstance(self.database, Delta)
        return self.database


def shown_by_view(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows that the view of the target shows."""
    return [{name: row[name] for name in h.NAMES} for row in rows if row["b"] != 1]


def lake_of(lake: Delta) -> Path:
    """The folder of a lake."""
    return lake.folder


def replace_in_lake(lake: Database, rows: Sequence[dict[str, Any]]) -> None:
    """Makes these the rows of the lake's table `src`."""
    assert isinstance(lake, Delta)
    write_deltalake(lake_of(lake) / "src", _arrow(rows), mode="overwrite")


def open_engine(kind: str, folder: Path, dsns: Mapping[str, str]) -> Engine:
    """A target of that kind and its sources, each with an empty table `src`; `dsns` are the servers' addresses."""
    opened = {name: _open(name, folder / f"far.{name}", dsns) for name in TARGETS}
    target = _open(kind, folder / f"near.{kind}", dsns)
    for database in (target, *opened.values()):
        if isinstance(database, Delta):
            replace_in_lake(database, [])
            continue
        database.execute("DROP TABLE IF EXISTS src")
        for statement in create_table(h.SOURCE, DIALECTS[database.kind]):
            database.execute(statement)
    return (LakeEngine if kind == "delta" else Engine)(kind, target, opened, folder)


def _open(kind: str, path: Path, dsns: Mapping[str, str]) -> Database:
    at = "uri" if kind == "delta" else "path"
    return open_database(kind, {"url": dsns[kind]} if kind in dsns else {at: str(path)})


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
