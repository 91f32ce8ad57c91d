"""Dead letters of messages that a rewind has read again: they would come twice, and go in the move's transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from flowc.runtime.contracts.epoch import Epoch
from flowc.runtime.contracts.letternotes import unjudged
from flowc.runtime.contracts.target import Writer
from flowc.runtime.streams.targets.database import DatabaseWriter
from flowc.runtime.streams.targets.lettertable import table_of
from flowc.service.access.sessions import Sessions
from flowc.service.streams.deadletters import DeadLetters, kept_by
from flowc.service.streams.moves import Move
from flowc.stream import LettersSql, StreamPlan


@dataclass
class Overtaken:
    """Those of one stream. In a topic, and in a table of a lake, letters stay: then no writer removes any."""

    writer: DatabaseWriter | None = None
    """That of the table beside which, or in which, they are."""
    letters: DeadLetters | None = None
    removed: int = field(default=0, init=False)
    """How many were removed by the last move."""

    @classmethod
    def of(cls, plan: StreamPlan, writers: Sequence[Writer], sessions: Sessions) -> Overtaken:
        """Those of a stream with these writers."""
        kept = kept_by(plan)
        writer = next((table for each in writers if (table := _table(each)) is not None), None)
        if kept is None or kept.table is None or writer is None:
            return cls()
        return cls(writer, DeadLetters(plan.name, plan, kept, 0, sessions))

    def count(self, moves: Sequence[Move]) -> int:
        """How many there are of what these moves read again."""
        sql = self.letters.sql() if self.letters is not None else None
        if self.writer is None or sql is None:
            return 0
        found = [self.writer.database.query(each) for each in _filled(sql.overtaking, sql, moves)]
        return sum(int(counted.column(0)[0].as_py()) for counted in found)

    @contextmanager
    def removed_by(self, writer: Writer, moves: Callable[[], Sequence[Move]]) -> Iterator[None]:
        """Within it, a writer that keeps them removes them in the transaction of what it writes.

        Letters that stay lose the note that nodes with state have seen their messages.

        `moves` tells then what is read again.
        """
        table = _table(writer)
        sql = self.letters.sql() if self.letters is not None and table is self.writer else None
        if table is None or sql is None:
            yield
            return
        first = table.beside

        def beside(epoch: Epoch) -> None:
            first(epoch)
            self.removed = sum(table.database.execute(each) for each in _filled(sql.overtaken, sql, moves()))
            if self.letters is not None and self.letters.plan.stateful:
                for note, by in unjudged().items():  # the move drops what these nodes remember
                    table.database.execute(sql.unjudged.format(note=note, by=by))

        table.beside = beside
        try:
            yield
        finally:
            table.beside = first


def _table(writer: Writer) -> DatabaseWriter | None:
    """The table of a writer that keeps dead letters in a database."""
    table = table_of(writer)
    return table if table is not None and (table.plan.dead is not None or table.plan.letters) else None


def _filled(template: str, sql: LettersSql, moves: Sequence[Move]) -> Iterator[str]:
    literals = dict(sql.sources)
    for move in moves:
        if move.back:  # of a log that is gone, what the letters are of is gone
            yield template.format(
                source=literals[move.source], partition=move.partition, start=move.after, end=move.before
            )
