"""From messages to an epoch: decoded, put through the graph, and without the messages that no target takes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from flowc.catalog import Column
from flowc.errors import DataError
from flowc.nodes import ROW, TIME
from flowc.runtime.badrows import BadRow, brief
from flowc.runtime.contracts.decoder import Decoding
from flowc.runtime.contracts.epoch import END, Epoch, Intent, Partition
from flowc.runtime.contracts.letternotes import NOT_SEEN, SEEN, SEEN_BY_SOME
from flowc.runtime.contracts.source import Polled
from flowc.runtime.contracts.state import Checkpoint
from flowc.runtime.engine.functions import Function
from flowc.runtime.streams.decoding import read, schema_of
from flowc.runtime.streams.graph.build import built
from flowc.runtime.streams.graph.flow import Losses
from flowc.runtime.streams.graph.graph import Build, Graph
from flowc.runtime.streams.letters import letters, marked
from flowc.runtime.streams.lookups import Lookups, Version
from flowc.runtime.streams.misfits import misfits
from flowc.runtime.streams.operators.contract import LATE, NO_MESSAGE
from flowc.runtime.streams.origins import Origin, origins
from flowc.runtime.streams.watermark import Watermarks
from flowc.stream import RowRules, SourcePlan, StreamPlan
from flowc.types import Kind

_Bad = Mapping[int, tuple[BadRow, int]]
"""Messages that were set aside by their index, each with how many nodes that keep state had seen it by then."""


@dataclass(frozen=True, slots=True)
class _Made:
    """Rows, the messages that failed on the way, and the message of each row where that is known."""

    rows: pa.RecordBatch
    bad: _Bad
    origins: pa.Array | None = None
    losses: Losses | None = None
    """Which messages lost rows at nodes that keep state, where dead letters are to tell."""
    late: int = 0
    """How many rows came too late and are counted alone."""
    late_letters: int = 0
    """How many came too late and become dead letters."""
    emitted: Mapping[str, int] = field(default_factory=dict)
    """How many rows came out of each window and join."""


@dataclass
class Compute:
    """Makes the epochs of one stream. `decoders` are told by the names of the sources; `on_bad` is told of bad rows."""

    plan: StreamPlan
    decoders: Mapping[str, Decoding]
    on_bad: Callable[[Sequence[Origin]], None]
    lookups: Lookups | None = None
    functions: Sequence[Function] = ()
    build: Build = built
    graph: Graph = field(init=False)
    watermarks: Watermarks = field(init=False)
    _rules: tuple[RowRules, ...] = field(default=(), init=False)
    _telling: threading.Lock = field(default_factory=threading.Lock, init=False)
    """Messages are found bad by the thread that computes and by the one that writes."""

    def __post_init__(self) -> None:
        self.watermarks = Watermarks(self.plan.watermark, [source.name for source in self.plan.sources])
        schemas = {
            s.name: schema_of(self.decoders[s.name].schema, s.extras, numbered=s.numbered) for s in self.plan.sources
        }
        self.graph = Graph(self.plan, schemas, self.lookups, self.functions, self.build)
        self._rules = tuple(target.rules for target in self.plan.targets) if self.graph.traces else ()

    def __call__(self, polled: Polled, intent: Intent) -> Epoch:
        """The rows that the messages give; those of bad messages are left out, whole."""
        made = self._made(polled, intent)
        fails = self.plan.on_error == "fail"  # rows that come too late are no fault of their messages
        self._tell(
            polled, {at: (row, seen) for at, (row, seen) in made.bad.items() if not (fails and row.code == LATE)}
        )
        return self._epoch(polled, intent, made)

    def typed(self, columns: tuple[Column, ...]) -> tuple[Column, ...]:
        """The columns of rows with the types of the query, which says of some texts that they are JSON."""
        told = self.graph.columns(columns)
        types = {column.name: column.type for column in told if column.type.kind is Kind.JSON}
        return tuple(replace(column, type=types.get(column.name, column.type)) for column in columns)

    def reads(self, polled: Polled) -> bool:
        """Whether any of the messages can be decoded."""
        return bool(self._read(polled, None)[0].num_rows)

    def repeats(self, polled: Polled, intent: Intent) -> pa.Int64Array:
        """The messages, by their index, of which nodes that keep state let no row through, which they judge now."""
        rows, messages, _ = self._read(polled, intent)
        self._time(polled.source, rows, intent)
        rows = rows.append_column(pa.field(ROW, pa.int64()), messages)
        return pa.array(sorted(self.graph.repeats(polled.source, rows, intent)), pa.int64())

    def versions(self) -> Mapping[str, Version]:
        """The lookups as they are now."""
        return self.lookups.current() if self.lookups is not None else {}

    def due(self, at: int) -> bool:
        """Whether nodes let rows out at a watermark, or at `END`."""
        return self.graph.due(at)

    def close(self) -> None:
        """Ends what goes on in the background. May be called twice."""
        if self.lookups is not None:
            self.lookups.close()

    def restore(self, checkpoint: Checkpoint) -> None:
        """Takes the state that was kept. Raises UsageError for state that means something else now."""
        self.watermarks.restore(checkpoint)
        self.graph.states.restore(checkpoint)

    @property
    def again(self) -> Mapping[Partition, str]:
        """Behind `restore`, from where messages are to be read again, which `remake` takes."""
        return self.graph.states.again

    def remake(self, polled: Polled, intent: Intent) -> None:
        """Takes messages in that were read before: nothing comes of them but state, and time stands still."""
        rows, messages, unread = self._read(polled, None)
        if self.graph.carries:
            rows = rows.append_column(pa.field(ROW, pa.int64()), messages)
        # What was too far ahead when it was read is newer than all that was taken in by the next place that is known.
        highest = self.watermarks.trail.highest(polled.ranges, polled.order)
        parts = pc.index_in(rows.column("_partition").cast(pa.string()), pa.array([*highest], pa.string()))
        most = pa.array([*highest.values()], pa.int64()).take(parts)
        rows = rows.filter(pc.less_equal(rows.column(TIME).cast(pa.int64()), most))
        found = self.graph(polled.source, rows, intent)
        bad = [*unread, *(aside.row for aside in found.late if aside.row.code != LATE)]
        self._tell(polled, _bad((row, 0) for row in bad))

    def snapshot(self, checkpoint: Checkpoint) -> Checkpoint:
        """The checkpoint with what changed of the state since the last one."""
        trail = self.watermarks.trail.passed(checkpoint.positions) if self.graph.states.remakes else {}
        kept = replace(self.graph.states.snapshot(checkpoint), watermarks=dict(self.watermarks.marks()))
        return replace(kept, trail=trail)

    def _read(self, polled: Polled, intent: Intent | None) -> tuple[pa.RecordBatch, pa.Array, Sequence[BadRow]]:
        """The rows of messages, the message of each, and the messages that cannot be read."""
        ahead = self.plan.watermark.max_ahead
        latest = intent.time + ahead if intent is not None and ahead is not None else None
        source = self._source(polled)
        needed = bool(self.graph.remembers)
        decoded, rows = read(source, self.decoders[source.name], polled.messages, needed=needed, latest=latest)
        return rows, decoded.rows, decoded.bad

    def _source(self, polled: Polled) -> SourcePlan:
        return next(source for source in self.plan.sources if source.name == polled.source)

    def _time(self, source: str, rows: pa.RecordBatch, intent: Intent) -> None:
        """Lets time go on, by which nodes that keep state judge."""
        if intent.watermark is not None and intent.watermark != END:
            self.watermarks.at_least(intent.watermark)
        self.watermarks.ranges(intent.ranges)
        self.watermarks.advance(source, rows.column("_partition"), rows.column(TIME))

    def _made(self, polled: Polled, intent: Intent) -> _Made:
        """What the graph makes of messages that every target takes, and the messages that fail on the way."""
        rows, messages, unread = self._read(polled, intent)
        if self.graph.states.nodes:
            self._time(polled.source, rows, intent)
        if self.graph.carries:
            rows = rows.append_column(pa.field(ROW, pa.int64()), messages)
        losses = Losses() if self.graph.carries and self.graph.remembers and self.plan.sets_aside else None
        found = self.graph(polled.source, rows, intent, losses)
        bad = [*((aside.row, aside.seen) for aside in found.late), *((row, 0) for row in unread)]
        made = self.graph.whole(found)
        made_of = self._fitting(made, bad) if self.graph.traces else _Made(made, _bad(bad))
        letters = sum(aside.row.code == LATE for aside in found.late)
        late = sum(found.dropped.values())
        return replace(made_of, losses=losses, late=late, late_letters=letters, emitted=found.emitted)

    def _fitting(self, rows: pa.RecordBatch, bad: Sequence[tuple[BadRow, int]]) -> _Made:
        """The rows that every target takes, of messages of which no row is bad; without the hidden column."""
        messages, rows = rows.columns[-1], rows.select(range(rows.num_columns - 1))
        unfit = [*misfits(rows, self._rules)]
        # Of several rows of one message, the first that does not fit is told.
        told = [(row, self.graph.remembers) for row in reversed(_by_message(unfit, messages))]
        return _left(rows, messages, _bad([*told, *bad]))

    def _epoch(self, polled: Polled, intent: Intent, made: _Made) -> Epoch:
        """What became of messages."""
        dead = self._letters(polled, intent, made) if self.plan.sets_aside else None
        without = partial(self._without, polled, intent, made) if made.origins is not None else None
        count = polled.messages.num_rows
        return Epoch(
            intent, made.rows, count, polled.read_at, dead, late=made.late, late_letters=made.late_letters,
            emitted=made.emitted, without=without,
        )  # fmt: skip

    def _letters(self, polled: Polled, intent: Intent, made: _Made) -> pa.RecordBatch | None:
        """The dead letters of an epoch, which tell of a stream with state whether that has let their messages pass."""
        every = self.plan.on_error == "dlq"
        bad = {at: (row, seen) for at, (row, seen) in made.bad.items() if every or row.code == LATE}
        if not bad:
            return None
        lost = made.losses.of(sorted(bad)) if made.losses is not None else frozenset[int]()
        found, all_of_them = [bad[index] for index in sorted(bad)], self.graph.remembers
        dead = letters(self.plan, self._source(polled), polled.messages, [row for row, _ in found], intent.time)
        # Of several nodes that keep state, another one may have taken in what is late for the first.
        notes = [
            NOT_SEEN if seen == 0 and (row.code != LATE or all_of_them == 1)
            else SEEN if seen == all_of_them and row.index not in lost else SEEN_BY_SOME
            for row, seen in found
        ]  # fmt: skip
        return marked(dead, notes, self.graph.judges) if all_of_them else dead

    def _without(self, polled: Polled, intent: Intent, made: _Made, refused: Sequence[BadRow]) -> Epoch:
        """The epoch without the messages of some of its rows."""
        assert made.origins is not None
        # Of several rows of one message, the first that is refused is told.
        new = _bad((row, self.graph.remembers) for row in reversed(_by_message(refused, made.origins)))
        self._tell(polled, new)
        left = _left(made.rows, made.origins, {**made.bad, **new})
        return self._epoch(polled, intent, replace(made, rows=left.rows, bad=left.bad, origins=left.origins))

    def _tell(self, polled: Polled, bad: _Bad) -> None:
        if bad:
            found = origins(self._source(polled), polled.messages, [row for row, _ in bad.values()])
            with self._telling:
                self.on_bad(found)


def _bad(found: Iterable[tuple[BadRow, int]]) -> _Bad:
    """Bad rows by their messages; of several rows of one message, the last one is told, and a late one only by itself.

    Raises DataError for a row that came of none: nothing can be set aside for it, and no other message is to blame.
    """
    pairs = [*found]
    lost = next((row for row, _ in pairs if row.index == NO_MESSAGE), None)
    if lost is None:
        pairs.sort(key=lambda pair: pair[0].code != LATE)
        return {row.index: (row, seen) for row, seen in pairs}
    message = f"a row that came of no message, but of what the stream remembers, cannot go on: {brief(lost.message)}"
    help = "no message can be set aside for it; mend the SQL, or give the target what takes the row"
    raise DataError(message, code=lost.code, help=help)


def _left(rows: pa.RecordBatch, messages: pa.Array, bad: _Bad) -> _Made:
    """The rows without those of bad messages; what came of a message that is late for a window stays."""
    gone = [index for index, (row, _) in bad.items() if row.code != LATE]
    if not gone:
        return _Made(rows, bad, messages)
    kept = pc.invert(pc.is_in(messages, pa.array(gone, pa.int64())))
    return _Made(rows.filter(kept), bad, messages.filter(kept))


def _by_message(bad: Iterable[BadRow], messages: pa.Array) -> list[BadRow]:
    """Bad rows as the messages that they came of."""
    found = ((row, messages[row.index].as_py()) for row in bad)
    return [replace(row, index=NO_MESSAGE if message is None else message) for row, message in found]
