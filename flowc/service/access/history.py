"""Reads and writes the history of applied plans in a database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from flowc.catalog import TableName
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.migrate import history as sql
from flowc.errors import UsageError
from flowc.migration import Managed, Rename, Snapshot
from flowc.runtime.contracts.database import Database
from flowc.runtime.layout import require_layout
from flowc.service.access.locks import waiting_for
from flowc.service.access.plainnames import plain_name

_FORMAT = 1
_Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Version:
    """One apply of a project: its number, the plan's hash, and how it ended. `status` is running, done or failed."""

    version: int
    plan: str
    status: str
    applied: int
    total: int
    started_at: datetime
    finished_at: datetime | None
    owner: str
    """Who applied it: the user, and the commit of the project."""
    flowc: str
    error: str | None


@dataclass(frozen=True, slots=True)
class History:
    """All versions of one project in one database, oldest first, and the snapshot that the last finished one left.

    `begun` are the objects that versions after that one set out to change, `renames` the columns that they, or earlier
    versions that did not finish, may have renamed.
    """

    versions: tuple[Version, ...] = ()
    snapshot: Snapshot = field(default_factory=Snapshot)
    begun: tuple[str, ...] = ()
    renames: tuple[Rename, ...] = ()
    unfinished: tuple[Managed, ...] = ()
    """The tables as the versions after that one set out to leave them."""
    owners: Mapping[TableName, str] = field(default_factory=dict)
    """The tables of other projects there, by their plain names."""
    here: str | None = None
    """The schema that a name without one means, where the connection says which."""

    @property
    def last(self) -> int:
        """The number of the newest version, 0 before any."""
        return self.versions[-1].version if self.versions else 0

    @property
    def open(self) -> Version | None:
        """The newest version when it has begun and not been finished."""
        newest = self.versions[-1] if self.versions else None
        return newest if newest is not None and newest.status != "done" else None

    def owner(self, name: TableName, kind: str) -> str | None:
        """The other project that a table is of; None for any other table."""
        return self.owners.get(plain_name(name, kind, self.here)) if self.owners else None


def read_history(database: Database, kind: str, project: str, of: str | None = None) -> History:
    """The history of a project; empty where it never applied anything. Changes nothing.

    `kind` is that of the database in which the history is, `of` that of its tables where it is another one.
    """
    dialect = DIALECTS[kind]
    name = dialect.state_table(sql.MIGRATIONS)
    with waiting_for(name, database):
        there = database.table(name)
        require_layout(there, sql.columns_of_history())
        if there is None:
            return History()
        rows = database.query(sql.read_history(project, dialect)).to_pylist()
        held = database.query(sql.read_snapshots(dialect)).to_pylist()
    return _history(rows, held, project, _Named(of or kind, database))


@dataclass(frozen=True, slots=True)
class _Named:
    """How the tables of a database are named."""

    kind: str
    database: Database

    def here(self) -> str | None:
        """The schema that a name without one means, where the connection says which."""
        return (
            self.database.resolved(TableName(None, "t")).table.schema
            if DIALECTS[self.kind].names.session_schema
            else None
        )


def _history(rows: Sequence[_Row], held: Sequence[_Row], project: str, named: _Named) -> History:
    done = {str(row["project"]): decode_snapshot(row["snapshot"]) for row in held if row["status"] == "done"}
    versions = tuple(Version(**row) for row in rows)
    others = [row for row in held if row["project"] != project]
    here = named.here() if others else None
    owners = {
        plain_name(entry.table.name, named.kind, here): str(row["project"])
        for row in others
        for entry in decode_snapshot(row["snapshot"]).tables
    }
    last = done.get(project, Snapshot())
    left = [decode_snapshot(row["snapshot"]) for row in held if row["project"] == project and row["status"] != "done"]
    begun = tuple(name for snapshot in left for name in snapshot.begun)
    # A version that begins notes the renames of those before it, too.
    renames = (left[-1] if left else last).renames
    tables = tuple(entry for snapshot in left for entry in snapshot.tables)
    return History(versions, last, begun, renames=renames, unfinished=tables, owners=owners, here=here)


def read_snapshot(database: Database, kind: str, version: int, project: str) -> Snapshot:
    """What a finished version of a project left.

    Raises UsageError for a version that is not there or was not finished.
    """
    dialect = DIALECTS[kind]
    there = database.table(dialect.state_table(sql.MIGRATIONS))
    query = sql.read_snapshot(project, version, dialect)
    rows = database.query(query).to_pylist() if there is not None else []
    held = rows[0]["snapshot"] if rows else None
    if held is None:
        message = f"version {version} was never finished here"
        raise UsageError(message, code="unknown-version", help="see the versions with `flowc plan --history`")
    return decode_snapshot(held)


def make_history(database: Database, kind: str) -> None:
    """Makes the tables of the history where they are missing."""
    dialect = DIALECTS[kind]
    names = "` or `".join(str(dialect.state_table(name)) for name in (sql.MIGRATIONS, sql.STEPS))
    with waiting_for(names, database):
        for statement in sql.ensure_history(dialect):
            database.execute(statement)


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
