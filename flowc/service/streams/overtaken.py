"""Dead letters of messages that a rewind has read again: they would come twice, and go in the move's transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pyarrow as pa

from flowc.runtime.contracts.database import Database
from flowc.runtime.contracts.epoch import Epoch, Range
from flowc.runtime.contracts.letternotes import unjudged
from flowc.runtime.contracts.positions import NUMBERS
from flowc.runtime.contracts.target import Writer
from flowc.runtime.systems import literal
from flowc.runtime.systems.shared.target import DatabaseWriter, table_of
from flowc.service.access.sessions import Sessions
from flowc.service.streams.deadletters import DeadLetters
from flowc.service.streams.moves import Move
from flowc.stream import LettersSql, StreamPlan

_TOGETHER = 5_000
"""Letters of one statement, whose positions stand in it."""


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
        kept = plan.letter_place
        writer = next((table for each in writers if (table := _table(each)) is not None), None)
        if kept is None or kept.table is None or writer is None:
            return cls()
        return cls(writer, DeadLetters(plan.name, plan, kept, 0, sessions))

    def count(self, moves: Sequence[Move]) -> int:
        """How many there are of what these moves read again."""
        sql = self.letters.sql() if self.letters is not None else None
        if self.writer is None or sql is None:
            return 0
        return sum(_counted(move, sql, self.writer.database) for move in moves if move.back)

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
            # Of a log that is gone, what the letters are of is gone.
            back = [move for move in moves() if move.back]
            self.removed = sum(_removed(move, sql, table.database) for move in back)
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


def _counted(move: Move, sql: LettersSql, database: Database) -> int:
    """How many letters there are of what a move reads again."""
    if move.order is not NUMBERS:
        return len(_positions(move, sql, database))
    return int(database.query(_filled(sql.overtaking, move, sql, database)).column(0)[0].as_py())


def _removed(move: Move, sql: LettersSql, database: Database) -> int:
    """Removes them; returns how many there were."""
    if move.order is NUMBERS:
        return database.execute(_filled(sql.overtaken, move, sql, database))
    found, count = sorted({*_positions(move, sql, database)}), 0
    for first in range(0, len(found), _TOGETHER):
        listed = ", ".join(literal(text, database.kind) for text in found[first : first + _TOGETHER])
        count += database.execute(_filled(sql.delete, move, sql, database, positions=listed))
    return count


def _positions(move: Move, sql: LettersSql, database: Database) -> list[str]:
    """The positions of the letters of what a move reads again, which the source alone can order."""
    positions = database.query(_filled(sql.positions, move, sql, database)).column(0).cast(pa.string())
    partitions = pa.repeat(pa.scalar(move.partition), len(positions))
    messages = pa.RecordBatch.from_arrays([partitions, positions.combine_chunks()], names=["_partition", "_offset"])
    again = move.order.within(messages, [Range(*move.at, move.after, move.before)])
    found: list[str] = messages.column("_offset").filter(again).to_pylist()
    return found


def _filled(template: str, move: Move, sql: LettersSql, database: Database, **more: str) -> str:
    partition, start, end = (literal(text, database.kind) for text in (move.partition, move.after, move.before))
    return template.format(source=dict(sql.sources)[move.source], partition=partition, start=start, end=end, **more)
