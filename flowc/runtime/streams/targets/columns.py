"""The types of the columns that a stream writes, which somebody may change while a worker runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from flowc.errors import TransientError
from flowc.runtime.connector import Database

Types = Mapping[str, str]


def altered(target: str, stream: str, before: Types, now: Types) -> str:
    """How the columns of a target differ from those that a worker was started for; '' where they do not."""
    told = [f"`{name}` came or went" for name in sorted(before.keys() ^ now.keys())]
    both = sorted(before.keys() & now.keys())
    told += [f"`{name}` was {before[name]}, and is {now[name]}" for name in both if before[name] != now[name]]
    return f"`{target}` got other columns while stream `{stream}` ran: {', '.join(told)}" if told else ""


@dataclass
class ColumnTypes:
    """The types of the columns `names` of one table, which `query` reads; nothing is read where it is ''.

    Engines convert a value to the type of its column where that loses digits, so rows that were fitted to other types
    would be changed without an error.
    """

    query: str
    names: Iterable[str]
    _before: Types = field(default_factory=dict, init=False)

    def remember(self, database: Database) -> None:
        """Takes the types that the worker writes for."""
        self._before = self._now(database)

    def require(self, database: Database, target: str, stream: str) -> None:
        """Raises TransientError where they are other types now. The next attempt makes its plan for these.

        In the transaction it comes after the rows, which keep others from altering the table.
        """
        message = altered(target, stream, self._before, self._now(database))
        if message:
            raise TransientError(message, code="table-differs", help="run the stream again: nothing is lost")

    def _now(self, database: Database) -> Types:
        if not self.query:
            return {}
        written = {name.lower() for name in self.names}
        rows = database.query(self.query).to_pylist()
        return {str(row["name"]): str(row["type"]) for row in rows if str(row["name"]).lower() in written}
