"""The types of the columns that a load or a stream writes, which somebody may change while it runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from flowc.catalog import TableName
from flowc.errors import TransientError
from flowc.runtime.contracts.database import Database, TableStore

Types = Mapping[str, str]


def altered(target: str, writer: str, before: Types, now: Types) -> str:
    """How the columns of a target differ from those that its `writer` was made for; '' where they do not."""
    told = [f"`{name}` came or went" for name in sorted(before.keys() ^ now.keys())]
    both = sorted(before.keys() & now.keys())
    told += [f"`{name}` was {before[name]}, and is {now[name]}" for name in both if before[name] != now[name]]
    return f"`{target}` got other columns while {writer} ran: {', '.join(told)}" if told else ""


@dataclass
class ColumnTypes:
    """The types of the columns of one table, which `query` reads; where it is '', those of a lake's table `name`.

    Engines convert a value to the type of its column where that loses digits, so rows that were fitted to other types
    would be changed without an error.
    """

    query: str
    name: TableName | None = None
    _before: Types = field(default_factory=dict, init=False)

    def remember(self, database: Database) -> None:
        """Takes the types that rows are written for; none where the table does not exist yet."""
        self._before = self._now(database)

    def require(self, database: Database, target: str, writer: str, names: Iterable[str]) -> None:
        """Raises TransientError where the columns `names` have other types now. The next attempt is planned for these.

        In the transaction it comes after the rows, which keep others from altering the table.
        """
        if not self._before:
            return
        before, now = (_of(names, types) for types in (self._before, self._now(database)))
        message = altered(target, writer, before, now)
        if message:
            raise TransientError(message, code="table-differs", help="run it again: nothing is lost")

    def _now(self, database: Database) -> Types:
        if self.name is not None and isinstance(database, TableStore):
            found = database.table(self.name)
            return {column.name: column.kind for column in found.columns} if found is not None else {}
        rows = database.query(self.query).to_pylist() if self.query else ()
        return {str(row["name"]): str(row["type"]) for row in rows}


def _of(names: Iterable[str], types: Types) -> Types:
    written = {name.lower() for name in names}
    return {name: kind for name, kind in types.items() if name.lower() in written}
