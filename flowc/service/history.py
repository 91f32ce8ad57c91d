"""Reads and writes the history of applied plans in a database."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from flowc.compiler.dialects import DIALECTS
from flowc.compiler.migrate import history as sql
from flowc.errors import UsageError
from flowc.migration import Snapshot
from flowc.runtime.connector import Database

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Version:
    """One apply: its number, the plan's hash, and how it ended. `status` is running, done or failed."""

    version: int
    plan: str
    status: str
    applied: int
    total: int
    started_at: datetime
    finished_at: datetime | None
    owner: str
    flowc: str
    error: str | None


@dataclass(frozen=True, slots=True)
class History:
    """All versions of one database, oldest first, and the snapshot that the last finished one left.

    `begun` are the objects that versions after that one set out to change.
    """

    versions: tuple[Version, ...] = ()
    snapshot: Snapshot = field(default_factory=Snapshot)
    begun: tuple[str, ...] = ()

    @property
    def last(self) -> int:
        """The number of the newest version, 0 before any."""
        return self.versions[-1].version if self.versions else 0

    @property
    def open(self) -> Version | None:
        """The newest version when it has begun and not been finished."""
        newest = self.versions[-1] if self.versions else None
        return newest if newest is not None and newest.status != "done" else None


def read_history(database: Database, kind: str) -> History:
    """The history; empty where nothing was ever applied. Changes nothing."""
    dialect = DIALECTS[kind]
    if database.table(dialect.state_table(sql.MIGRATIONS)) is None:
        return History()
    rows = database.query(sql.read_history(dialect)).to_pylist()
    versions = tuple(Version(**row) for row in rows)
    done = [version.version for version in versions if version.status == "done"]
    begun = _begun(database, kind, max(done, default=0)) if versions and versions[-1].status != "done" else ()
    return History(versions, read_snapshot(database, kind, done[-1]) if done else Snapshot(), begun)


def _begun(database: Database, kind: str, version: int) -> tuple[str, ...]:
    rows = database.query(sql.read_begun(version, DIALECTS[kind])).to_pylist()
    return tuple(name for row in rows for name in decode_snapshot(row["snapshot"]).begun)


def read_snapshot(database: Database, kind: str, version: int) -> Snapshot:
    """What a finished version left.

    Raises UsageError for a version that is not there or was not finished.
    """
    dialect = DIALECTS[kind]
    there = database.table(dialect.state_table(sql.MIGRATIONS)) is not None
    rows = database.query(sql.read_snapshot(version, dialect)).to_pylist() if there else []
    held = rows[0]["snapshot"] if rows else None
    if held is None:
        message = f"version {version} was never finished here"
        raise UsageError(message, code="unknown-version", help="see the versions with `flowc plan --history`")
    return decode_snapshot(held)


def encode_snapshot(snapshot: Snapshot) -> str:
    """A snapshot as text, with the number of its format."""
    return msgspec.json.encode({"format": _FORMAT, "snapshot": snapshot}).decode()


def decode_snapshot(text: str) -> Snapshot:
    """The reverse.

    Raises UsageError for text of another format.
    """
    held = msgspec.json.decode(text)
    if held.get("format") != _FORMAT:
        message = f"the history is of format {held.get('format')}, which this version of flowc does not read"
        raise UsageError(
            message, code="unknown-history-format", help="use the version of flowc that wrote it, or newer"
        )
    return msgspec.convert(held["snapshot"], Snapshot)
