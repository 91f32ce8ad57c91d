"""Writes epochs into a database: rows, dead letters, state and positions in one transaction, fenced by compare-and-set.

A worker whose epoch does not begin at the stored position is a zombie, or has been overtaken: its transaction rolls
back, and nothing of it is seen.
"""

from __future__ import annotations

import logging
import shlex
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import pyarrow as pa

from flowc.errors import DataError, EngineError, FlowcError, UsageError
from flowc.loadplan import FOLLOWING, LoadPlan
from flowc.nodes import Changelog
from flowc.runtime.badrows import BadRow
from flowc.runtime.contracts.changes import apart, reduced, refused
from flowc.runtime.contracts.columntypes import ColumnTypes
from flowc.runtime.contracts.database import Database, require_transactions, stored_name
from flowc.runtime.contracts.epoch import Epoch, Partition, Range
from flowc.runtime.contracts.marks import Mark
from flowc.runtime.contracts.target import Fenced, Held, PutBack, TargetOpening, Writer
from flowc.runtime.layout import require_layout
from flowc.runtime.steps.write import write_rows
from flowc.runtime.systems import literal
from flowc.runtime.systems.shared.lettertable import LettersWriter
from flowc.runtime.systems.shared.positionrows import is_another, last
from flowc.runtime.systems.shared.refused import Trial
from flowc.stream import PositionSql, TableTarget

_log = logging.getLogger("flowc.state")
_NEW_LETTERS = (
    "table `%s` of dead letters is new: if it was dropped, its letters are lost; `flowc rewind` makes them again"
)
_PORTION = 200
"""How many positions one statement moves."""
_PLACE = ("partition", "start", "end")


def _nothing(_: object) -> None:
    return


class _Begun(Fenced):
    """Another worker has told where a partition begins since this one looked."""


@dataclass
class DatabaseWriter:
    """One table of one stream, through a session of its own; see `flowc.runtime.contracts.target.Writer`."""

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
    mark: Mark = field(default=Mark(), init=False)
    """What the positions tell, as this worker knows it."""
    _types: ColumnTypes = field(init=False)
    _placed: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._types = ColumnTypes(self.plan.types)

    def open(self) -> Held:
        """Makes the tables and the place for positions where they are missing; gives what is held.

        A table that is gone while there are positions of it is not made again: its rows would be missing.
        """
        self.database.open()
        dead = () if self.plan.dead is None else self.plan.dead.writes
        require_transactions(self.database, (*self.plan.load.writes, *dead, self._positions.table))
        self._has_positions()
        for statement in self._positions.ensure:
            self.database.execute(statement)
        found = self._settled()
        held = self._held(found)
        if not held.absent:
            self._make(held)
            self._adopt(found)
            self._types.remember(self.database)
        self.mark = held.mark
        return held

    def _adopt(self, found: list[dict[str, Any]]) -> None:
        """Records which table the positions are of where nobody knows: the database is a copy, or the table new."""
        rows = self._of_table(found)
        if any(row.get("table_id") != row.get("this_id") for row in rows):
            self.database.execute(self._positions.hold.format(target=literal(self.stored, self.database.kind)))

    @property
    def _present(self) -> bool:
        return self.database.table(self.plan.table) is not None

    def _make(self, held: Held) -> None:
        dead = self.plan.dead
        if held.epoch and dead is not None and self.database.table(dead.table) is None:
            _log.warning(_NEW_LETTERS, dead.table)
        try:
            self._make_missing()
        except FlowcError:
            self._make_missing()  # another worker that begins now may have made one of them in the meantime

    def _make_missing(self) -> None:
        dead = self.plan.dead
        without = () if dead is None or self.database.table(dead.table) is not None else self.plan.create_dead
        for statement in (*(() if self._present else self.plan.create), *without):
            self.database.execute(statement)

    def look(self) -> Held:
        """What is held; nothing where no worker has made the place for positions."""
        self.database.open()
        if not self._placed:
            self._placed = self._has_positions()
        return self.held() if self._placed else Held()

    def _has_positions(self) -> bool:
        there = self.database.table(self._positions.table)
        require_layout(there, self._positions.columns)
        return there is not None

    def has_rows(self) -> bool | None:
        """Whether the table has rows; None where it is gone, or where a worker may not read it."""
        try:
            return bool(self.database.query(self._positions.any_row).num_rows)
        except EngineError:
            return None

    def held(self) -> Held:
        """The last epoch, and the next offset of every partition that was ever read."""
        return self._held(self._read())

    def _read(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.database.query(self._positions.read).to_pylist()
        return rows

    def _settled(self) -> list[dict[str, Any]]:
        """The stored positions, none of which are of another project's table alone."""
        found = self._read()
        if found and not self._of_table(found):
            self._require_own(found)
        return found

    def require_own(self) -> None:
        """Raises UsageError where what is held of the table is of another project's stream of that name. Looks only."""
        self.look()
        if self._placed:
            self._require_own(self._read())

    def _require_own(self, found: list[dict[str, Any]]) -> None:
        others = () if self._of_table(found) else sorted({str(row["project"]) for row in found if self._is_stored(row)})
        if others:
            raise self._renamed(others[0])

    def _is_stored(self, row: Mapping[str, Any]) -> bool:
        """Whether a position is of the table, under any name of it."""
        return stored_name((str(row["target"]),), self.plan.table, self.database) == str(row["target"])

    def _renamed(self, other: str) -> UsageError:
        renamed = ("flowc", "project", "rename", other, self._positions.project)
        taken = ("flowc", "project", "take", self.plan.name, "--from", other)
        return UsageError(
            f"project `{other}` has a stream of that name that writes `{self.plan.name}`",
            code="project-renamed",
            help=f"if this is `{other}` under a new name, run `{shlex.join(renamed)}`; if this stream alone was "
            f"moved here, `{shlex.join(taken)}`; else give the stream another name",
        )

    def _held(self, found: list[dict[str, Any]]) -> Held:
        rows = self._of_table(found)
        positions = {(str(row["source"]), str(row["partition"])): str(row["next"]) for row in rows}
        logs = {(str(row["source"]), str(row["partition"])): str(row["log_id"]) for row in rows if row["log_id"]}
        self.known = set(positions)
        return Held(last(rows), positions, logs, absent=self._is_absent(rows))

    def _is_absent(self, rows: list[dict[str, Any]]) -> bool:
        """Whether the table of these positions is gone: dropped, or created again since."""
        return any(int(row["epoch"]) < 0 or is_another(row) for row in rows) or (bool(rows) and not self._present)

    def _of_table(self, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The positions of the project's that are of the table, under the name of it that was stored last."""
        own = [row for row in found if row["project"] == self._positions.project]
        newest = sorted(own, key=lambda row: (-abs(int(row["epoch"])), str(row["target"])))
        self.stored = stored_name((str(row["target"]) for row in newest), self.plan.table, self.database)
        return [row for row in own if row["target"] == self.stored]

    def write(self, epoch: Epoch) -> int:
        """Commits an epoch."""
        try:
            return self._write(epoch)
        except _Begun:
            if self._positions.later:
                raise
            return self._write(self._behind_others(epoch))

    def _behind_others(self, epoch: Epoch) -> Epoch:
        """The epoch of one of several workers that begin: where partitions begin may be told already by another one.

        What it read of them is judged by where they are; that they begin need not be told twice.
        """
        before = frozenset(self.known)
        begun = self.held().positions.keys() - before
        ranges = tuple(r for r in epoch.ranges if r.moves or r.at not in begun)
        return replace(epoch, intent=replace(epoch.intent, ranges=ranges))

    def move(self, made: Callable[[Held], Epoch]) -> None:
        """Commits the epoch, without rows, that is made of what is held; no worker writes in between.

        A table that is gone is made behind that: it holds what is read from the new positions on.
        """
        self.open()
        try:
            self.database.begin()
            self.database.execute(self._positions.hold.format(target=literal(self.stored, self.database.kind)))
            self._take(made(self.held()))
        except FlowcError:
            self.database.rollback()
            raise
        self._make(Held())

    def _write(self, epoch: Epoch, *, alone: bool = False) -> int:
        """With `alone`, each partial row is written for itself: another one may have a key that is equal there."""
        self._prepare(epoch)
        try:
            self.database.begin()
            if self.plan.lock:
                self.database.lock(self.plan.table)
            self._take(epoch, alone=alone)
        except FlowcError as error:
            self.database.rollback()
            if isinstance(error, DataError) and error.code == FOLLOWING and not alone:
                return self._write(epoch, alone=True)
            if isinstance(error, Fenced):
                self._require_written()
            if isinstance(error, DataError):
                self._require_unaltered()
            raise
        return epoch.number

    def _take(self, epoch: Epoch, *, alone: bool = False) -> None:
        """Writes and commits an epoch in the transaction that is open."""
        self._advance(epoch)
        self.pause("positions")
        for rows in apart(epoch.rows, self.plan) if alone else (reduced(epoch.rows, self.plan),):
            self._rows(self.plan.load, rows)
        if self.plan.dead is not None and epoch.dead is not None:
            self._rows(self.plan.dead, epoch.dead)
        if epoch.rows.num_rows:  # which keep others from altering the table until the end of the transaction
            self._require_unaltered()
        self.pause("rows")
        self.beside(epoch)
        self.pause("state")
        self.database.commit()
        self.known.update(range_.at for range_ in epoch.ranges)
        self.mark = Mark(epoch.number) if self._ranges(epoch) else self.mark
        self.pause("committed")

    def refused(self, epoch: Epoch, most: int | None = None) -> Sequence[BadRow]:
        """The rows that constraints, triggers and types refuse which only the database knows."""
        if self.plan.changes is not Changelog.INSERT_ONLY:
            return refused(epoch.rows, self.plan.keys, self._refusing, most)
        with closing(self._refusing(epoch.rows)) as found:
            return list(islice(found, most))

    def _refusing(self, rows: pa.RecordBatch) -> Generator[BadRow, None, None]:
        return Trial(self.database, self.plan.table, self._tried, self.plan.savepoints).refused(rows)

    def _tried(self, rows: pa.RecordBatch) -> None:
        for step in self.plan.load.prepare:
            self.database.execute(step.sql)
        self._rows(self.plan.load, reduced(rows, self.plan))

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
            self._of_table(self._read())
        ranges = self._ranges(epoch)
        known = [range_ for range_ in ranges if range_.at in self.known]
        new = [range_ for range_ in ranges if range_.at not in self.known]
        filled = {"target": literal(self.stored, self.database.kind), "epoch": epoch.number}
        rows = bool(epoch.rows.num_rows)
        for some in _portions(known):
            if self.database.execute(self._positions.advancing(self._places(some), rows=rows, **filled)) != len(some):
                raise Fenced.at(self._overtaken(some))
        try:
            for some in _portions(new):
                if self.database.execute(self._positions.beginning(self._places(some), rows=rows, **filled)) < len(
                    some
                ):
                    raise Fenced.at(some[0])
        except DataError:  # two workers that begin a partition meet in its key
            raise _Begun.at(new[0]) from None

    def _places(self, ranges: Sequence[Range]) -> list[dict[str, object]]:
        literals, kind = dict(self._positions.sources), self.database.kind
        return [
            {"source": literals[r.source], "log": r.log, **{name: literal(getattr(r, name), kind) for name in _PLACE}}
            for r in ranges
        ]

    def _ranges(self, epoch: Epoch) -> list[Range]:
        """Those of an epoch that are recorded. Positions of sources that are gone stand where they are."""
        sources = dict(self._positions.sources)
        return [range_ for range_ in epoch.ranges if range_.source in sources]

    def _overtaken(self, ranges: Sequence[Range]) -> Range:
        """The first of ranges that does not begin at the stored position, as the transaction has left it."""
        held = self._of_table(self._read())
        ends = {(str(row["source"]), str(row["partition"])): str(row["next"]) for row in held}
        return next((range_ for range_ in ranges if ends.get(range_.at) != range_.end), ranges[0])

    def _require_written(self) -> None:
        """Raises PutBack where what this worker has written is not there any more: nobody else moved a position."""
        rows = self._of_table(self._read())
        held = last(rows)
        if self._is_absent(rows) or (self._positions.later and held < self.mark.epoch):
            raise PutBack(self.plan.name, held, self.mark.epoch)

    def _require_unaltered(self) -> None:
        load = self.plan.load
        self._types.require(self.database, self.plan.name, f"stream `{load.pipeline}`", load.columns)

    def _rows(self, load: LoadPlan, rows: pa.RecordBatch) -> None:
        if rows.num_rows:
            write_rows(load, self.database, rows)


def _portions(ranges: Sequence[Range]) -> Iterator[Sequence[Range]]:
    """So many as go into one statement: SQLite nests no conditions deeper than 1,000."""
    yield from (ranges[start : start + _PORTION] for start in range(0, len(ranges), _PORTION))


def open_target(opening: TargetOpening) -> Writer:
    """A table of a database, written by the session of its connection."""
    assert isinstance(opening.plan, TableTarget)
    writer = DatabaseWriter(opening.plan, opening.session(), pause=opening.pause)
    return LettersWriter(writer) if opening.plan.letters else writer


def table_of(writer: Writer) -> DatabaseWriter | None:
    """The writer of a database that writes what another one is given, or is that one."""
    table = writer.table if isinstance(writer, LettersWriter) else writer
    return table if isinstance(table, DatabaseWriter) else None
