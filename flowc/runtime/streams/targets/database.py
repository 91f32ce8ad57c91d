"""Writes epochs into a database: rows, dead letters, state and positions in one transaction, fenced by compare-and-set.

A worker whose epoch does not begin at the stored position is a zombie, or has been overtaken: its transaction rolls
back, and nothing of it is seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import pyarrow as pa

from flowc.errors import DataError, FlowcError
from flowc.plan import LoadPlan
from flowc.runtime.badrows import BadRow, first_indices
from flowc.runtime.connector import Database, stored_name
from flowc.runtime.load import write_rows
from flowc.runtime.names import literal
from flowc.runtime.streams.epoch import Epoch, Partition
from flowc.runtime.streams.targets.contract import Fenced, Held
from flowc.runtime.streams.targets.refused import Trial
from flowc.stream import PositionSql, TableTarget

_NUMBER = "_flowc_number"


def _nothing(_: object) -> None:
    return


@dataclass
class DatabaseWriter:
    """One table of one stream, through a session of its own; see `flowc.runtime.streams.targets.contract.Writer`."""

    plan: TableTarget
    database: Database
    beside: Callable[[Epoch], None] = _nothing
    """Writes the state that belongs to an epoch, in its transaction."""
    pause: Callable[[str], None] = _nothing
    """Called with the name of each point between two steps; campaigns of crashes hook in here."""
    stored: str = ""
    """The name under which positions are stored, which may be another spelling of the table's."""
    known: set[Partition] = field(default_factory=set)
    """The partitions that have a stored position."""

    def open(self) -> Held:
        """Makes the tables and the place for positions where they are missing; gives what is held."""
        self.database.open()
        for statement in self._positions.ensure:
            self.database.execute(statement)
        try:
            self._make()
        except FlowcError:
            self._make()  # another worker that begins now may have made one of them in the meantime
        return self.held()

    def _make(self) -> None:
        for statement in self._missing():
            self.database.execute(statement)

    def _missing(self) -> tuple[str, ...]:
        dead = self.plan.dead
        without = () if dead is None or self.database.table(dead.table) is not None else self.plan.create_dead
        return (*(self.plan.create if self.database.table(self.plan.table) is None else ()), *without)

    def held(self) -> Held:
        """The last epoch, and the next offset of every partition that was ever read."""
        rows = self._rows_held()
        found = {(str(row["source"]), int(row["partition"])): int(row["next"]) for row in rows}
        logs = {(str(row["source"]), int(row["partition"])): str(row["log_id"]) for row in rows if row["log_id"]}
        self.known = set(found)
        return Held(max((int(row["epoch"]) for row in rows), default=0), found, logs)

    def _rows_held(self) -> list[dict[str, Any]]:
        """The rows of the positions, and under which name they stand; the newest where there are several."""
        found = self.database.query(self._positions.read).to_pylist()
        newest = sorted(found, key=lambda row: (-int(row["epoch"]), str(row["target"])))
        self.stored = stored_name((str(row["target"]) for row in newest), self.plan.table, self.database)
        return [row for row in found if row["target"] == self.stored]

    def write(self, epoch: Epoch) -> int:
        """Commits an epoch."""
        self._prepare(epoch)
        try:
            self.database.begin()
            if self.plan.lock:
                self.database.lock(self.plan.table)
            self._advance(epoch)
            self.pause("positions")
            self._rows(self.plan.load, last_of_each(epoch.rows, self.plan.keys))
            if self.plan.dead is not None and epoch.dead is not None:
                self._rows(self.plan.dead, epoch.dead)
            self.pause("rows")
            self.beside(epoch)
            self.pause("state")
            self.database.commit()
        except FlowcError:
            self.database.rollback()
            raise
        self.known.update(range_.at for range_ in epoch.ranges)
        self.pause("committed")
        return epoch.number

    def refused(self, epoch: Epoch, most: int | None = None) -> Sequence[BadRow]:
        """The rows that constraints, triggers and types refuse which only the database knows."""
        with closing(Trial(self.database, self._tried, self.plan.savepoints).refused(epoch.rows)) as found:
            return list(islice(found, most))

    def _tried(self, rows: pa.RecordBatch) -> None:
        for step in self.plan.load.prepare:
            self.database.execute(step.sql)
        self._rows(self.plan.load, last_of_each(rows, self.plan.keys))

    def flush(self) -> int:
        """Nothing is held back."""
        return 0

    def close(self) -> None:
        """Ends the session."""
        self.database.close()

    @property
    def _positions(self) -> PositionSql:
        assert self.plan.positions is not None
        return self.plan.positions

    def _prepare(self, epoch: Epoch) -> None:
        """What the engine cannot do inside a transaction."""
        steps = self.plan.load.prepare if epoch.rows.num_rows else ()
        if self.plan.dead is not None and epoch.dead is not None and epoch.dead.num_rows:
            steps = (*steps, *self.plan.dead.prepare)
        for step in steps:
            self.database.execute(step.sql)

    def _advance(self, epoch: Epoch) -> None:
        if not self.stored:
            self._rows_held()
        sql, literals = self._positions, dict(self._positions.sources)
        for range_ in epoch.ranges:
            template = sql.advance if range_.at in self.known else sql.begin
            statement = template.format(
                target=literal(self.stored),
                source=literals[range_.source],
                partition=range_.partition,
                start=range_.start,
                end=range_.end,
                epoch=epoch.number,
                log=range_.log,
            )
            if not self._moved(statement):
                raise Fenced.at(range_)

    def _moved(self, statement: str) -> bool:
        """Whether the position was where the epoch begins. Two workers that begin a partition meet in its key."""
        try:
            return self.database.execute(statement) == 1
        except DataError:
            return False

    def _rows(self, load: LoadPlan, rows: pa.RecordBatch) -> None:
        if rows.num_rows:
            write_rows(load, self.database, rows)


def last_of_each(rows: pa.RecordBatch, keys: Sequence[str]) -> pa.RecordBatch:
    """The last row of each key, in the order in which they came; all rows without keys."""
    if not keys or not rows.num_rows:
        return rows
    numbered = pa.table([*(rows.column(key) for key in keys), first_indices(rows.num_rows)], [*keys, _NUMBER])
    last = numbered.group_by(list(keys)).aggregate([(_NUMBER, "max")]).column(f"{_NUMBER}_max")
    return rows.take(last.combine_chunks().sort()) if len(last) < rows.num_rows else rows
