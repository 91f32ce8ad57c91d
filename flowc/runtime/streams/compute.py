"""From messages to the rows of a target: decoded, joined with what the broker says of them, put through the SQL."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from flowc.catalog import Column
from flowc.errors import DataError, FlowcError
from flowc.runtime.badrows import BadRow, brief
from flowc.runtime.codecs.contract import Decoded
from flowc.runtime.connectors.filestream_registry import SHIFT
from flowc.runtime.functions import Function
from flowc.runtime.streams.epoch import END, Epoch, Intent
from flowc.runtime.streams.eventtime import event_times, timed
from flowc.runtime.streams.letters import letters, marked
from flowc.runtime.streams.lookups import Lookups, Version
from flowc.runtime.streams.loop import Polled
from flowc.runtime.streams.misfits import Spelled, Taken, misfits, taken
from flowc.runtime.streams.operators.chain import chained
from flowc.runtime.streams.operators.contract import Operator
from flowc.runtime.streams.rowwise import Made, Rowwise
from flowc.runtime.streams.state.contract import Checkpoint
from flowc.runtime.streams.state.nodes import restore_nodes, snapshot_nodes
from flowc.runtime.streams.transform import Transform
from flowc.runtime.streams.watermark import Watermarks
from flowc.stream import ROW, SourcePlan, StreamPlan
from flowc.types import Kind

_BESIDE = ("_event_ts", "_key", "_headers")
"""What a reader gives of a message only when it is asked for."""

Decode = Callable[[pa.RecordBatch], Decoded]
"""Makes rows of a batch of messages; `schema` says of which columns."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """How the messages of one source are read, and the schema of their rows."""

    schema: pa.Schema
    decode: Decode


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a bad row came from."""

    topic: str
    partition: int
    offset: int
    row: BadRow
    file: str = ""
    """Of a file, what its rows are counted in: `line`, or `row`."""

    def __str__(self) -> str:
        words = brief(self.row.message)
        if self.file:
            return f"`{self.topic}`, {self.file} {(self.offset & ((1 << SHIFT) - 1)) + 1}: {words}"
        return f"{self.topic}[{self.partition}] at {self.offset}: {words}"


_MESSAGE = "flowc_message"


@dataclass(frozen=True, slots=True)
class _Made:
    """Rows, the messages that failed on the way, and the message of each row where that is known."""

    rows: pa.RecordBatch
    bad: list[BadRow]
    origins: pa.Array | None = None


@dataclass
class Compute:
    """Makes the epochs of one stream. `decoders` are told by the names of the sources; `on_bad` is told of bad rows."""

    plan: StreamPlan
    decoders: Mapping[str, Decoding]
    on_bad: Callable[[Sequence[Origin]], None]
    operators: Sequence[Operator] = ()
    lookups: Lookups | None = None
    functions: Sequence[Function] = ()
    marks: bool = field(init=False)
    """Whether dead letters tell if the operators of the stream have seen their messages."""
    watermarks: Watermarks = field(init=False)
    _transform: Transform | None = field(default=None, init=False)
    _rowwise: Rowwise | None = field(default=None, init=False)
    _takes: tuple[Taken | Spelled, ...] = field(default=(), init=False)
    _empty: dict[str, pa.RecordBatch] = field(default_factory=dict, init=False)
    _left: frozenset[str] = field(default=frozenset(), init=False)
    """Of which operators what is kept is dropped: nothing that comes under their names has written it."""
    _telling: threading.Lock = field(default_factory=threading.Lock, init=False)
    """Messages are found bad by the thread that computes and by the one that writes."""

    def __post_init__(self) -> None:
        self.marks = bool(self.operators)
        self.watermarks = Watermarks(self.plan.watermark, [source.name for source in self.plan.sources])
        schemas = {s.name: schema_of(self.decoders[s.name].schema, s.extras) for s in self.plan.sources}
        if self._traces:
            schemas = {name: schema.append(pa.field(ROW, pa.int64())) for name, schema in schemas.items()}
            self._takes = taken(self.plan.targets)
        self._empty = {name: empty_of(schema) for name, schema in schemas.items()}
        if self.plan.sql is not None:
            self._transform = Transform(
                self.plan.sql, schemas, self.plan.arithmetic, lookups=self.lookups, functions=self.functions
            )
            self._rowwise = Rowwise(self._transform) if self.plan.traced else None

    @property
    def _traces(self) -> bool:
        """Whether every row that comes out is known by the message that it came of."""
        return self.plan.traced or self.plan.sql is None

    def __call__(self, polled: Polled, intent: Intent) -> Epoch:
        """The rows that the messages give; those of bad messages are left out, whole."""
        source = self._source(polled)
        decoded, rows = self._read(source, polled.messages)
        made = self._made(source, rows, decoded.rows, intent)
        found = {row.index: row for row in (*made.bad, *decoded.bad)}
        self._tell(source, polled.messages, found.values())
        return self._epoch(polled, intent, made, found, frozenset(row.index for row in decoded.bad))

    def typed(self, columns: tuple[Column, ...]) -> tuple[Column, ...]:
        """The columns of rows with the types of the query, which says of some texts that they are JSON."""
        told = self._transform.columns() if self._transform is not None else columns
        types = {column.name: column.type for column in told if column.type.kind is Kind.JSON}
        return tuple(replace(column, type=types.get(column.name, column.type)) for column in columns)

    def reads(self, polled: Polled) -> bool:
        """Whether any of the messages can be decoded."""
        return bool(self._read(self._source(polled), polled.messages)[1].num_rows)

    def repeats(self, polled: Polled, intent: Intent) -> pa.Int64Array:
        """The messages, by their index, of which the operators let no row through, and which they have judged now."""
        source = self._source(polled)
        decoded, rows = self._read(source, polled.messages)
        rows = rows.append_column(pa.field(_MESSAGE, pa.int64()), decoded.rows)
        kept = self._operated(source, rows, intent).column(_MESSAGE)
        return pc.unique(decoded.rows.filter(pc.invert(pc.is_in(decoded.rows, kept))))

    def _epoch(
        self, polled: Polled, intent: Intent, made: _Made, found: Mapping[int, BadRow], unread: frozenset[int]
    ) -> Epoch:
        """What became of messages; those that were found bad are told by their index, `unread` before the operators."""
        source, dead = self._source(polled), None
        if found and self.plan.on_error == "dlq":
            bad = [found[index] for index in sorted(found)]
            dead = letters(self.plan, source, polled.messages, bad, intent.time)
            dead = marked(dead, [row.index not in unread for row in bad]) if self.marks else dead
        without = partial(self._without, polled, intent, made, found, unread) if made.origins is not None else None
        return Epoch(intent, made.rows, polled.messages.num_rows, polled.read_at, dead, without=without)

    def _without(
        self, polled: Polled, intent: Intent, made: _Made, found: Mapping[int, BadRow], unread: frozenset[int],
        refused: Sequence[BadRow],
    ) -> Epoch:  # fmt: skip
        """The epoch without the messages of some of its rows."""
        assert made.origins is not None
        # Of several rows of one message, the first that is refused is told.
        new = {row.index: row for row in reversed(_by_message(refused, made.origins))}
        self._tell(self._source(polled), polled.messages, new.values())
        kept = pc.invert(pc.is_in(made.origins, pa.array(new, pa.int64())))
        left = _Made(made.rows.filter(kept), [], made.origins.filter(kept))
        return self._epoch(polled, intent, left, {**found, **new}, unread)

    def _source(self, polled: Polled) -> SourcePlan:
        return next(source for source in self.plan.sources if source.name == polled.source)

    def _read(self, source: SourcePlan, messages: pa.RecordBatch) -> tuple[Decoded, pa.RecordBatch]:
        """The messages as rows, with the columns beside them; of no messages, whose columns may be unknown, no rows."""
        decoding = self.decoders[source.name]
        unread = _unread(messages)
        if len(unread) == messages.num_rows:
            rows = empty_of(schema_of(decoding.schema, _wanted(source)))
            none = pa.array([], pa.int64())
            return Decoded(rows, none, unread, none), rows
        decoded = _decoded(decoding, messages, unread) if unread else decoding.decode(messages)
        if "_event_ts" in _wanted(source):
            decoded = timed(source, messages, decoded, needed=bool(self.operators))
        return decoded, _beside(source, messages, decoded)

    def _made(self, source: SourcePlan, rows: pa.RecordBatch, messages: pa.Array, intent: Intent) -> _Made:
        """What operators and the SQL make of rows, and the messages that fail there."""
        if self._traces:
            rows = rows.append_column(pa.field(ROW, pa.int64()), messages)
        if self.operators:
            rows = self._operated(source, rows, intent)
        bad: list[BadRow] = []
        if self._transform is not None:
            self._transform.begin(intent.time, intent.versions)
            batches = {**self._empty, source.name: rows}
            made = self._rowwise(batches, source.name) if self._rowwise else Made(self._transform(batches))
            bad += [_failed(rows, index, error) for index, error in made.failed]
            rows = made.rows
        return self._fitting(rows, bad) if self._traces else _Made(rows, bad)

    def _operated(self, source: SourcePlan, rows: pa.RecordBatch, intent: Intent) -> pa.RecordBatch:
        """What operators make of rows, judged by the watermark before them."""
        if intent.watermark is not None and intent.watermark != END:
            self.watermarks.at_least(intent.watermark)
        self.watermarks.ranges(intent.ranges)
        self.watermarks.advance(source.name, rows.column("_partition"), rows.column("_event_ts"))
        rows = chained(self.operators, rows, source.name, intent.watermark)
        return rows.drop_columns(list(source.beside))

    def versions(self) -> Mapping[str, Version]:
        """The lookups as they are now."""
        return self.lookups.current() if self.lookups is not None else {}

    def due(self, at: int) -> bool:
        """Whether operators let rows out at a watermark, or at `END`."""
        return any(operator.due(at) for operator in self.operators)

    def _fitting(self, rows: pa.RecordBatch, bad: list[BadRow]) -> _Made:
        """The rows that every target takes, of messages of which no row is bad; without the hidden column."""
        messages, rows = rows.columns[-1], rows.select(range(rows.num_columns - 1))
        found = _by_message(misfits(rows, self._takes), messages)
        # Of several rows of one message, the first that does not fit is told.
        bad = [*reversed(found), *bad]
        if bad:
            dead = pa.array({row.index for row in bad}, pa.int64())
            kept = pc.invert(pc.is_in(messages, dead))
            rows, messages = rows.filter(kept), messages.filter(kept)
        return _Made(rows, bad, messages)

    def _tell(self, source: SourcePlan, messages: pa.RecordBatch, bad: Iterable[BadRow]) -> None:
        origins = sorted((_origin(source, messages, row) for row in bad), key=lambda at: (at.partition, at.offset))
        if origins:
            with self._telling:
                self.on_bad(origins)

    def close(self) -> None:
        """Ends what goes on in the background. May be called twice."""
        if self.lookups is not None:
            self.lookups.close()

    def restore(self, checkpoint: Checkpoint) -> None:
        """Takes the state that was kept. What no operator of the last checkpoint has written is not taken.

        Raises UsageError for state that means something else now.
        """
        self.watermarks.restore(checkpoint)
        self._left = restore_nodes(self.operators, checkpoint, self.plan.name)

    def snapshot(self, checkpoint: Checkpoint) -> Checkpoint:
        """The checkpoint with what changed of the state since the last one."""
        found = snapshot_nodes(self.operators, checkpoint, self._left)
        self._left = frozenset()
        return replace(found, watermarks=dict(self.watermarks.marks()))


def empty_of(schema: pa.Schema) -> pa.RecordBatch:
    """No rows of a schema."""
    return pa.RecordBatch.from_pylist([], schema=schema)


def schema_of(decoded: pa.Schema, extras: Sequence[str]) -> pa.Schema:
    """What the SQL reads: the decoded columns and those beside them."""
    return pa.schema([*decoded, *(pa.field(name, _EXTRA_TYPES[name]) for name in extras)])


def columns_of(source: SourcePlan, *, letters: bool = False) -> tuple[str, ...]:
    """What has to be read of each message: its value, where it stood, and what the SQL asks for.

    With `letters`, all that a dead letter tells of it.
    """
    beside = [name for name in _BESIDE if letters or name in _wanted(source)]
    return ("_value", "_partition", "_offset", *beside, *(("_event_ms",) if "_event_ts" in beside else ()))


_EXTRA_TYPES = {
    "_event_ts": pa.timestamp("us", "UTC"),
    "_key": pa.binary(),
    "_headers": pa.list_(pa.struct([("key", pa.string()), ("value", pa.binary())])),
    "_partition": pa.int32(),
    "_offset": pa.int64(),
    "_topic": pa.string(),
}


def _beside(source: SourcePlan, messages: pa.RecordBatch, decoded: Decoded) -> pa.RecordBatch:
    """The decoded rows with the columns beside the messages' own."""
    batch = decoded.batch
    for name in _wanted(source):
        array = _extra(name, source, messages, decoded)
        batch = batch.append_column(pa.field(name, array.type), array)
    return batch


def _wanted(source: SourcePlan) -> tuple[str, ...]:
    return *source.extras, *source.beside


def _extra(name: str, source: SourcePlan, messages: pa.RecordBatch, decoded: Decoded) -> pa.Array:
    if name == "_topic" and source.holds != "files":
        return pa.repeat(pa.scalar(source.address, pa.string()), decoded.batch.num_rows)
    if name == "_event_ts":
        return event_times(source, messages, decoded)
    return messages.column(name).take(decoded.rows)


def _unread(messages: pa.RecordBatch) -> tuple[BadRow, ...]:
    """Messages whose bytes could not be read at all."""
    if "_unread" not in messages.schema.names:
        return ()
    told = messages.column("_unread")
    places = pc.indices_nonzero(told.is_valid())  # few: most messages of files can be read
    found = zip(places.to_pylist(), told.take(places).to_pylist(), strict=True)
    return tuple(BadRow(at, each["code"], each["message"]) for at, each in found)


def _decoded(decoding: Decoding, messages: pa.RecordBatch, unread: Sequence[BadRow]) -> Decoded:
    """Messages of which some could not be read."""
    there = pc.indices_nonzero(messages.column("_unread").is_null()).cast(pa.int64())
    found = decoding.decode(messages.take(there))
    bad = (*unread, *(replace(row, index=there[row.index].as_py()) for row in found.bad))
    return Decoded(found.batch, there.take(found.rows), bad, there.take(found.skipped))


def _by_message(bad: Iterable[BadRow], messages: pa.Array) -> list[BadRow]:
    """Bad rows as the messages that they came of.

    Raises DataError for a row that came of none: nothing can be set aside for it, and no other message is to blame.
    """
    return [replace(row, index=_message(messages, row.index, row.code, row.message)) for row in bad]


def _message(messages: pa.Array, index: int, code: str, words: str) -> int:
    found: int | None = messages[index].as_py()
    if found is None:
        message = f"a row that came of no message, but of what the stream remembers, cannot go on: {brief(words)}"
        help = "no message can be set aside for it; mend the SQL, or give the target what takes the row"
        raise DataError(message, code=code, help=help)
    return found


def _failed(rows: pa.RecordBatch, index: int, error: FlowcError) -> BadRow:
    code = error.code if isinstance(error, DataError) else "row-fails"
    return BadRow(_message(rows.column(ROW), index, code, str(error)), code, str(error))


_UNITS = {"parquet": "row", "json": "line or element"}
"""What messages of a file are counted in: one of JSON holds an object a line, or is an array."""


def _origin(source: SourcePlan, messages: pa.RecordBatch, row: BadRow) -> Origin:
    partition, offset = (messages.column(name)[row.index].as_py() for name in ("_partition", "_offset"))
    if source.holds == "files":
        unit = _UNITS.get(source.format, "line")
        return Origin(messages.column("_topic")[row.index].as_py(), partition, offset, row, unit)
    return Origin(source.address, partition, offset, row)


def fail(rows: Sequence[Origin]) -> None:
    """What `on_error: fail` does with bad rows: the first one stops the stream, and is shown."""
    raise DataError(
        f"a message cannot be read: {rows[0]}",
        code=rows[0].row.code,
        help="mend the producer or the SQL, or say what becomes of bad messages: `on_error: drop` or `dlq`",
        details=tuple(str(row) for row in rows[1:6]),
    )
