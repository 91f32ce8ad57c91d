"""Rows that a test gives to the sources of a stream, as messages in the order of their arrival."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from time import monotonic

import pyarrow as pa

from flowc.compiler.front.streamspec import RowSpec, RowsSpec
from flowc.durations import parse_instant
from flowc.formats import FORMATS
from flowc.runtime.contracts.epoch import Partition, Range
from flowc.runtime.contracts.source import Polled
from flowc.runtime.formats.csv.options import CsvOptions
from flowc.service.testing.csv import csv_row
from flowc.service.testing.fileplaces import FilePlaces, NoPlace
from flowc.service.testing.rows import Misplaced, Row, encoded
from flowc.service.testing.seed import UNTESTABLE
from flowc.stream import EXTRAS, SourcePlan

_HEADERS = pa.list_(pa.struct([("key", pa.string()), ("value", pa.binary())]))
_SCHEMA = pa.schema(
    [
        ("_value", pa.binary()), ("_key", pa.binary()), ("_headers", _HEADERS), ("_partition", pa.int32()),
        ("_offset", pa.int64()), ("_event_ts", pa.timestamp("us", "UTC")), ("_topic", pa.string()),
    ]
)  # fmt: skip

_HIGHEST = {"_partition": 2**31 - 1, "_offset": 2**62 - 1}
"""The greatest number of a partition, and of a message."""


@dataclass
class Feed:
    """What has arrived of one source, in its order; see `flowc.runtime.streams.loop.Seekable`.

    It outlives the runs that read it, as a log does. `beginnings` are those of its partitions: they are told with the
    first messages. With `once`, a run ends behind what is there.
    """

    messages: list[Polled] = field(default_factory=list)
    beginnings: tuple[Range, ...] = ()
    once: bool = False
    _next: int = field(default=0, init=False)
    _untold: tuple[Range, ...] = field(default=(), init=False)

    @property
    def log(self) -> str:
        """Nothing tells."""
        return ""

    def read_by(self, former: str, position: str, log: str) -> frozenset[str]:
        """Each source of a test has messages of its own."""
        return frozenset()

    def seek(self, positions: Mapping[Partition, str]) -> None:
        """Goes to the first message that is not behind the positions: those before it were read in this order."""
        new = (number for number, polled in enumerate(self.messages) if _is_new(polled.ranges[0], positions))
        self._next = next(new, len(self.messages))
        self._untold = tuple(range_ for range_ in self.beginnings if range_.at not in positions)

    def poll(self, wait: float) -> Polled | None:
        """The next message."""
        if self.caught_up:
            return None
        polled, untold = self.messages[self._next], self._untold
        self._next, self._untold = self._next + 1, ()
        others = (range_ for range_ in untold if range_.at != polled.ranges[0].at)
        return replace(polled, ranges=(*polled.ranges, *others))

    @property
    def ended(self) -> bool:
        """Whether all were read, and no others will come."""
        return self.once and self.caught_up

    @property
    def caught_up(self) -> bool:
        """Whether all were read."""
        return self._next >= len(self.messages)

    def committed(self, written: Mapping[Partition, str], durable: Mapping[Partition, str]) -> None:
        """Nobody watches."""

    def close(self) -> None:
        """Nothing is open."""


def _is_new(range_: Range, positions: Mapping[Partition, str]) -> bool:
    return positions.get(range_.at, range_.start) == range_.start


@dataclass
class Arrivals:
    """Puts rows of a test into the feed of one source, as messages. `csv` tells how they are written, where they are.

    All partitions that the rows of the test name are there from its start.

    Raises Misplaced for a row that is no message.
    """

    source: SourcePlan
    csv: CsvOptions | None
    rows: Sequence[RowsSpec]
    """All that come in the test."""
    feed: Feed = field(init=False)
    _ends: dict[int, int] = field(init=False)
    _files: FilePlaces | None = field(init=False)

    def __post_init__(self) -> None:
        header = 1 if self.csv is not None and self.csv.header else 0
        self._files = FilePlaces(self.source.address, header) if self.source.holds == "files" else None
        named = {_At(row).whole("_partition", 0) for given in self.rows for row in given.rows} or {0}
        self._ends = dict.fromkeys(sorted(named), 0)
        self.feed = Feed(
            beginnings=tuple(Range.numbered(self.source.name, partition, 0, 0) for partition in self._ends)
        )

    def put(self, spec: RowSpec, now: datetime) -> None:
        """One row arrives."""
        at = _At(spec)
        partition = at.whole("_partition", 0)
        start = self._ends[partition]
        topic, moment, begin = self._place(at, now, start)
        offset = at.whole("_offset", begin)
        if offset < start:
            raise at.wrong("_offset", f"`_offset` {offset} comes after {start - 1} in the same partition")
        self._ends[partition] = offset + 1
        message = {
            "_value": _value(at, self.source, self.csv), "_key": at.as_bytes("_key"), "_headers": at.headers(),
            "_partition": partition, "_offset": offset, "_event_ts": moment, "_topic": topic,
        }  # fmt: skip
        batch = pa.RecordBatch.from_pylist([message], schema=_SCHEMA)
        self.feed.messages.append(
            Polled(
                self.source.name, batch, (Range.numbered(self.source.name, partition, start, offset + 1),), monotonic()
            )
        )

    def _place(self, at: _At, now: datetime, start: int) -> tuple[str, datetime, int]:
        """The topic, the time and the first position of a row, where the system that holds it has none of its own."""
        if self._files is not None:
            at.demand_file()
            path = at.row.values.get("_topic")
            try:
                return self._files.place(None if path is None else str(path), at.time(), now)
            except NoPlace as error:
                raise at.wrong(error.name, str(error)) from error
        return at.topic(self.source.address), _in_milliseconds(at.counted() or now), start


def _in_milliseconds(moment: datetime) -> datetime:
    """The time as a broker has it."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _value(at: _At, source: SourcePlan, csv: CsvOptions | None) -> bytes | None:
    own = {name: value for name, value in at.row.values.items() if name not in EXTRAS}
    if csv is not None:
        return csv_row(own, source, csv)
    return at.raw(own) if FORMATS[source.format].whole else encoded(own)


@dataclass(frozen=True, slots=True)
class _At:
    """One row of a test: reads what is beside its columns."""

    row: RowSpec

    def wrong(self, name: str, message: str) -> Misplaced:
        """The mistake at one value."""
        return Misplaced(message, self.row.spans.get(name, self.row.span), code=UNTESTABLE)

    def whole(self, name: str, default: int) -> int:
        """A number of a partition or a message."""
        value = self.row.values.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _HIGHEST[name]:
            raise self.wrong(name, f"`{name}` is no whole number from 0 to {_HIGHEST[name]}: `{value}`")
        return value

    def as_bytes(self, name: str) -> bytes | None:
        """Text as bytes."""
        value = self.row.values.get(name)
        return None if value is None else str(value).encode()

    def headers(self) -> list[dict[str, object]] | None:
        """Headers, written as a mapping of names to texts."""
        value = self.row.values.get("_headers")
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise self.wrong("_headers", "`_headers` is no mapping of names to texts")
        return [{"key": str(key), "value": None if v is None else str(v).encode()} for key, v in value.items()]

    def raw(self, own: Row) -> bytes | None:
        """The bytes of a raw message; None for one without a value."""
        value = own.get("value")
        if not isinstance(value, str | None):
            raise self.wrong("value", "a raw message is one text, `value`")
        return None if value is None else value.encode()

    def topic(self, address: str) -> str:
        """The name of the topic that the message is in."""
        value = self.row.values.get("_topic")
        if value not in (None, address):
            raise self.wrong("_topic", f"`_topic` is the name of the topic that is read, `{address}`")
        return address

    def demand_file(self) -> None:
        """Raises Misplaced for what no row of a file has."""
        strange = next((name for name in ("_key", "_headers") if self.row.values.get(name) is not None), None)
        if strange is not None:
            raise self.wrong(strange, f"rows of files have no `{strange}`: it is NULL in all of them")
        if self.row.values.get("_partition") not in (None, 0):
            raise self.wrong("_partition", "files are one partition, 0")

    def counted(self) -> datetime | None:
        """The time of the message, which counts milliseconds."""
        found = self.time()
        if found is not None and found != _in_milliseconds(found):
            raise self.wrong("_event_ts", "`_event_ts` of a message counts milliseconds: give it no more digits")
        return found

    def time(self) -> datetime | None:
        """When the message came to be; None where it is not said."""
        value = self.row.values.get("_event_ts")
        if value is None:
            return None
        found = parse_instant(str(value))
        if found is None:
            raise self.wrong("_event_ts", f"`_event_ts` is no time: `{value}`")
        return found
