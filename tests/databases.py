"""The databases, opened for a test, and loads between them made by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from flowc.catalog import Column, TableName
from flowc.loadplan import Execute, Ingest, LoadPlan, LoadResult, QueryRead, Read
from flowc.runtime.contracts.database import Database
from flowc.runtime.loads.load import run_load
from flowc.runtime.names import quoted
from flowc.runtime.stores.files import Files
from flowc.runtime.systems import open_database

KINDS = ("sqlite", "duckdb", "postgres", "mysql")


class Databases:
    """Sessions of one database of each kind, opened when asked for."""

    def __init__(self, folder: Path, postgres: str | None, mysql: str | None = None) -> None:
        self.folder = folder
        self._options: Mapping[str, Mapping[str, object]] = {
            "sqlite": {"path": str(folder / "test.sqlite")},
            "duckdb": {"path": str(folder / "test.duckdb")},
            "postgres": {"url": postgres},
            "mysql": {"url": mysql},
            "files": {"uri": str(folder)},
        }
        self._open: list[Database] = []

    def session(self, kind: str) -> Database:
        """A new session."""
        database = open_database(kind, self._options[kind])
        self._open.append(database)
        return database

    def source(self, name: str) -> Database | Files:
        """What a connection of that kind stands for, as a load asks for it."""
        return Files(self._options["files"]) if name == "files" else self.session(name)

    def close(self, but: int = 0) -> None:
        """Ends all sessions but the first so many."""
        while len(self._open) > but:
            self._open.pop().close()


def databases(folder: Path, postgres: str | None, mysql: str | None = None) -> Iterator[Databases]:
    """For fixtures."""
    made = Databases(folder, postgres, mysql)
    yield made
    made.close()


def ingest(read: Read | str, columns: tuple[Column, ...], table: str, **more: object) -> Ingest:
    """A step that loads the rows of a read into a table."""
    return Ingest("load", read, TableName(None, table), columns, temporary=False, **more)  # type: ignore[arg-type]


def load(
    databases: Databases,
    source: str,
    target: str,
    columns: tuple[Column, ...],
    *,
    read: Read | None = None,
    table: str = "t_target",
    timezone: str | None = None,
    **more: object,
) -> LoadResult:
    """Loads `t_source` of one database into `t_target` of another."""
    rows = read or QueryRead(source, "SELECT " + ", ".join(quoted(c.name) for c in columns) + " FROM t_source")
    step = ingest(rows, columns, table, timezone=timezone)
    plan = LoadPlan("p", target, TableName(None, table), "append", (step,), lock=f"load:{table}")
    return run_load(plan, databases.session(target), databases.source, **more)  # type: ignore[arg-type]


def execute(sql: str) -> Execute:
    """A step that runs a statement."""
    return Execute("test", sql)
