"""Databases as a user sees them beside flowc: made, filled and read with their own drivers."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests import keptfiles
from tests.commands import Done
from tests.services.mysql import ask

KINDS = ("sqlite", "duckdb", "postgres", "mysql")
SERVERS = ("postgres", "mysql")
"""Those of them whose address is a fixture of that name."""
HALF, OTHER_HALF = (
    pytest.mark.parametrize("store", kinds, indirect=True) for kinds in (("sqlite", "postgres"), ("duckdb", "mysql"))
)
"""A file and a server each, for tests of what flowc itself does whatever the database; neighbours take other halves."""


def address(request: pytest.FixtureRequest, kind: str) -> str:
    """The DSN of an empty database of that kind; empty for a file."""
    return str(request.getfixturevalue(kind)) if kind in SERVERS else ""


@dataclass(frozen=True)
class Store:
    """One database, opened for each question only, as flowc is at it in between."""

    kind: str
    folder: Path
    dsn: str = ""
    file: str = "store"

    @property
    def connection(self) -> str:
        """Its entry under `connections`."""
        if self.kind in SERVERS:
            return f'{{ kind: {self.kind}, url: "{self.dsn}" }}'
        return f"{{ kind: {self.kind}, path: {self.file}.{self.kind} }}"

    def type(self, name: str) -> str:
        """flowc's `timestamp` and `timestamptz` in the engine's words; MySQL's TIMESTAMP holds instants."""
        words = {"timestamp": "DATETIME(6)", "timestamptz": "TIMESTAMP(6) NULL"} if self.kind == "mysql" else {}
        return words.get(name, name.upper())

    def own(self, name: str) -> str:
        """How one of flowc's own tables is called there."""
        return f"flowc.{name}" if self.kind in ("postgres", "duckdb") else f"flowc_{name}"

    @property
    def characters(self) -> str:
        """The type that a CAST to text names."""
        return "CHAR" if self.kind == "mysql" else "VARCHAR"

    def run(self, *statements: str) -> None:
        """Executes statements of the engine's own SQL."""
        with self.held():
            for statement in statements:
                self._ask(statement)

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """The rows of a query, sorted, each value in one form for all engines."""
        return sorted((tuple(_plain(v) for v in row) for row in self._ask(query)), key=_sortable)

    def raw(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query as the driver gives them."""
        return self._ask(query)

    def _ask(self, sql: str) -> list[tuple[Any, ...]]:
        if self.kind == "postgres":
            cursor = _asked(self.dsn, sql)
            return cursor.fetchall() if cursor.description else []
        if self.kind == "mysql":
            return ask(self.dsn, sql)
        with self.held() as session:
            rows: list[tuple[Any, ...]] = session.execute(sql).fetchall()
            if self.kind == "sqlite":
                session.commit()
            return rows

    @contextmanager
    def held(self) -> Iterator[Any]:
        """One session with a file for all that is asked within."""
        path = self.folder / f"{self.file}.{self.kind}"
        if self.kind in SERVERS or path in _HELD:
            yield _HELD.get(path)
            return
        with closing(keptfiles.session(path) if self.kind == "duckdb" else sqlite3.connect(path)) as session:
            _HELD[path] = session
            try:
                yield session
            finally:
                del _HELD[path]


_HELD: dict[Path, Any] = {}
"""The sessions with files that are held."""
_LAST = threading.local()
"""The session of a thread with the PostgreSQL database that it asked last: to connect takes longer than to ask."""


def _asked(dsn: str, sql: str) -> Any:
    session = getattr(_LAST, "session", None)
    if session is None or session.closed or dsn != _LAST.dsn:
        if session is not None:
            session.close()
        _LAST.dsn, _LAST.session = (
            dsn,
            psycopg.connect(dsn, autocommit=True, prepare_threshold=None, options="-c timezone=UTC"),
        )
    try:
        return _LAST.session.execute(sql)
    except psycopg.OperationalError:
        if not _LAST.session.closed:
            raise
        return _asked(dsn, sql)  # what emptied the database has ended the session


def counts(done: Done) -> dict[str, tuple[int, ...]]:
    """Read, inserted, updated, deleted, unchanged: of each pipeline of a `run --json` with one target."""
    words = ("read", "inserted", "updated", "deleted", "unchanged")
    return {p["name"]: tuple(p["targets"][0]["counts"][w] for w in words) for p in done.json["pipelines"]}


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        value = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        return str(value)
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        return value.removesuffix("+00:00").removesuffix(".000000")
    return value


def _sortable(row: Iterable[object]) -> tuple[tuple[bool, str, object], ...]:
    return tuple((v is None, type(v).__name__, v) for v in row)
