"""Writes epochs into Delta tables: the rows of several in one commit, which carries the number of the last one.

A commit makes files, so epochs are gathered in memory until there are enough rows, or the first has waited long
enough. Delta keeps the number for each application (`app_id`): what was gathered and not committed is replayed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from flowc.catalog import Table
from flowc.errors import DataError, EngineError, FlowcError, TransientError
from flowc.loadplan import FOLLOWING, LoadPlan
from flowc.runtime.contracts.changes import apart, marked, reduced
from flowc.runtime.contracts.columntypes import Types, altered
from flowc.runtime.contracts.epoch import Epoch
from flowc.runtime.contracts.marks import Mark
from flowc.runtime.contracts.oversize import one_batch
from flowc.runtime.contracts.target import MOVED, Fenced, Held, PutBack, TargetOpening, Writer
from flowc.runtime.rolling import Rolling
from flowc.runtime.steps.write import write_rows
from flowc.runtime.systems.delta.session import Delta
from flowc.runtime.systems.shared.lettertable import LettersWriter
from flowc.stream import TableTarget

AGE, ROWS, BYTES = 10.0, 1_000_000, 64 << 20
"""A commit is made when the first row has waited so many seconds, or so much has come together."""


def _nothing(_: object) -> None:
    return


def _application(stream: str) -> str:
    return f"flowc-stream:{stream}"


def _types(table: Table | None) -> Types:
    return {} if table is None else {column.name: str(column.type) for column in table.columns}


def _fence(stream: str) -> str:
    return f"flowc-fence:{stream}"


@dataclass
class DeltaWriter:
    """One Delta table of one stream; see `flowc.runtime.contracts.target.Writer`."""

    plan: TableTarget
    stream: str
    database: Delta
    was: str = ""
    """The name under which the stream was stored before its project was renamed."""
    pause: Callable[[str], None] = _nothing
    """Called with the name of each point between two steps; campaigns of crashes hook in here."""
    age: float = AGE
    _rolling: Rolling = field(init=False)
    _gathered: list[pa.RecordBatch] = field(default_factory=list, init=False)
    _stamped: int = field(default=0, init=False)
    """The number that the table's log speaks of, as this worker knows it."""
    _fenced: int = field(default=0, init=False)
    """How often the workers of the stream were shut out there when this one opened it."""
    _columns: Types = field(default_factory=dict, init=False)
    """The types of the table's columns when this worker opened it."""

    def __post_init__(self) -> None:
        self._rolling = Rolling(self._publish, self.age)

    @property
    def application(self) -> str:
        """The name under which the number of the last epoch stands in the table's log."""
        return _application(self.stream)

    @property
    def mark(self) -> Mark:
        """The number that the table's log speaks of."""
        return Mark(self._stamped)

    def open(self) -> Held:
        """Makes the table where it is missing; gives the last epoch that its log speaks of."""
        with self._rolling.lock:
            self._gathered.clear()
            self.database.open()
            held = self.database.stamp(self.plan.table, self.application)
            if held == 0 and self.was:
                held = self._claimed()
            if held is None:
                self._make()
            self._stamped, self._fenced = held or 0, self._fence()
            self._columns = _types(self.database.table(self.plan.table))
            self._rolling.begin(self._stamped)
            return Held(held or 0)

    def _fence(self) -> int:
        return self.database.stamp(self.plan.table, _fence(self.stream)) or 0

    def fence(self) -> None:
        """Commits one more in the number that all workers compare.

        The number of the last epoch comes with it, as it is: a worker that has compared already, and commits its epoch
        behind this, collides with it.
        """
        with self._rolling.lock:
            held = self.database.stamp(self.plan.table, self.application) or 0
            self.database.claim(self.plan.table, {_fence(self.stream): self._fence() + 1, self.application: held})

    def look(self) -> Held:
        """The last epoch that the table's log speaks of."""
        with self._rolling.lock:
            self.database.open()
            return Held(self.database.stamp(self.plan.table, self.application) or self._before())

    def _before(self) -> int:
        """The last epoch under the name that the stream had before, 0 for none."""
        held = self.database.stamp(self.plan.table, _application(self.was)) if self.was else None
        return held if held is not None and held < MOVED else 0

    def _claimed(self) -> int:
        """Goes on from what is held under the name that the stream had before; who goes on with that is stopped."""
        held = self._before()
        if held:
            self.database.claim(self.plan.table, {self.application: held, _application(self.was): MOVED})
        return held

    def write(self, epoch: Epoch) -> int:
        """Gathers an epoch, and commits it with those before it when there is enough."""
        with self._rolling.taking():
            if epoch.rows.num_rows:
                self._gathered.append(marked(epoch.rows, self.plan.changes))
            rows, size = sum(b.num_rows for b in self._gathered), sum(b.nbytes for b in self._gathered)
            self.pause("taken")
            return self._rolling.took(epoch.number, rows=epoch.rows.num_rows, full=rows >= ROWS or size >= BYTES)

    def flush(self) -> int:
        """Commits what was gathered."""
        return self._rolling.flush()

    def check(self) -> None:
        """Raises what failed since the last call."""
        self._rolling.check()

    def close(self) -> None:
        """Leaves; what was not committed is forgotten."""
        with self._rolling.lock:
            self._rolling.stop()
            self._gathered.clear()
            self.database.close()

    def _make(self) -> None:
        """The table's first commit. Without a plan for it, the table was there a moment ago."""
        if self.plan.first is not None:
            empty = pa.RecordBatch.from_arrays([pa.nulls(0) for _ in self.plan.columns], self._names)
            self._transact(self.plan.first, (reduced(empty, self.plan),), None)

    def _publish(self, number: int) -> None:
        rows = one_batch(self._gathered)
        try:
            self._transact(self.plan.load, (reduced(rows, self.plan),), number)
        except DataError as error:
            if error.code != FOLLOWING:
                raise
            self._transact(self.plan.load, tuple(apart(rows, self.plan)), number)
        self._stamped = number
        self._gathered.clear()
        self.pause("committed")

    def _transact(self, load: LoadPlan, rows: Sequence[pa.RecordBatch], number: int | None) -> None:
        try:
            self.database.begin()
            if load.lock:
                self.database.lock(load.table)
            for part in rows:
                write_rows(load, self.database, part)
            if number is not None:
                self._require_unaltered(self.database.attached())
                self._stamp(number)
            self.pause("rows")
            self.database.commit()
        except FlowcError as error:
            self.database.rollback()
            if isinstance(error, TransientError):
                self._require_unaltered(self.database.table(self.plan.table))
            raise

    def _require_unaltered(self, live: Table | None) -> None:
        """Raises EngineError where the table has other columns than the stream was compiled for: it stays so."""
        writer = f"stream `{self.stream}`"
        message = altered(self.plan.name, writer, self._columns, _types(live)) if live is not None else ""
        if message:
            raise EngineError(message, code="table-differs", help="start the stream again: nothing is lost")

    def _stamp(self, number: int) -> None:
        """Another number than what is gathered begins behind is another worker's, who may have written a part of it."""
        held = self.database.stamped(self.application, number)
        if held < self._stamped:
            raise PutBack(self.plan.name, held, self._stamped)
        if held != self._stamped:
            raise Fenced(f"another worker wrote epoch {held} of stream `{self.stream}` into `{self.plan.name}`")
        if self.database.committed(_fence(self.stream)) != self._fenced:
            raise Fenced(f"another worker goes on with stream `{self.stream}`, or it was moved")

    @property
    def _names(self) -> list[str]:
        return [column.name for column in self.plan.columns]


def open_target(opening: TargetOpening) -> Writer:
    """A Delta table, written by a session of its own: it commits from a thread of its own when no rows come."""
    assert isinstance(opening.plan, TableTarget)
    database = Delta(opening.options)
    database.open()
    writer = DeltaWriter(opening.plan, opening.stream, database, opening.former, opening.pause)
    return LettersWriter(writer) if opening.plan.letters else writer
