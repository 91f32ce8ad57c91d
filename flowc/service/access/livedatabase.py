"""What is there: live tables and history of a database, read without changing anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256

import msgspec

from flowc.catalog import Table, TableName
from flowc.service.access.history import History, read_history
from flowc.service.access.locks import waiting_for
from flowc.service.access.sessions import Sessions


@dataclass(frozen=True, slots=True)
class LiveDatabase:
    """Tables by name, and the history. `there` tells whether there is a database at all."""

    tables: Mapping[TableName, Table] = field(default_factory=dict)
    history: History = field(default_factory=History)
    there: bool = False


def read_live_database(sessions: Sessions, connection: str, names: Iterable[TableName]) -> LiveDatabase:
    """The named tables that are there, those of the history among them, and the history."""
    if not sessions.is_there(connection):
        return LiveDatabase()
    database = sessions.target(connection)
    history = history_of(sessions, connection)
    held = (entry.table.name for entry in history.snapshot.tables)
    wanted = tuple(dict.fromkeys((*names, *held)))
    with waiting_for(", ".join(map(str, wanted)), database):
        return LiveDatabase(database.tables(wanted), history, there=True)


def history_of(sessions: Sessions, connection: str, *, make: bool = False) -> History:
    """The history of the project in a database."""
    kind = sessions.options(connection).kind
    return read_history(*sessions.control(connection, make=make), sessions.project, kind)


def fingerprint(tables: Mapping[TableName, Table]) -> str:
    """A hash of what the tables are; their sizes do not count."""
    shown = [replace(table, rows=None) for _, table in sorted(tables.items(), key=lambda item: str(item[0]))]
    return sha256(msgspec.json.encode(shown)).hexdigest()
