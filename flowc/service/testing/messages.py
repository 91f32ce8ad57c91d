"""Rows that a test gives to the sources of a stream, as messages in the order of their arrival."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic

import pyarrow as pa

from flowc.compiler.front.streamspec import RowSpec, RowsSpec, TestSpec
from flowc.runtime.connectors.files import CsvOptions
from flowc.runtime.streams.epoch import Partition, Range
from flowc.runtime.streams.loop import Polled
from flowc.service.testing.csv import csv_row
from flowc.service.testing.rows import Misplaced, Row, encoded
from flowc.service.testing.seed import UNTESTABLE
from flowc.stream import EXTRAS, SourcePlan, StreamPlan

_HEADERS = pa.list_(pa.struct([("key", pa.string()), ("value", pa.binary())]))
_SCHEMA = pa.schema(
    [
        ("_value", pa.binary()), ("_key", pa.binary()), ("_headers", _HEADERS), ("_partition", pa.int32()),
        ("_offset", pa.int64()), ("_event_ts", pa.timestamp("us", "UTC")), ("_topic", pa.string()),
    ]
)  # fmt: skip


@dataclass
class Given:
    """All messages of a test; see `flowc.runtime.streams.loop.Seekable`."""

    messages: Sequence[Polled]
    _next: int = field(default=0, init=False)

    @property
    def log(self) -> str:
        """Nothing tells."""
        return ""

    def seek(self, positions: Mapping[Partition, str]) -> None:
        """A test begins at the beginning."""

    def poll(self, wait: float) -> Polled | None:
        """The next message."""
        if self.ended:
            return None
        self._next += 1
        return self.messages[self._next - 1]

    @property
    def ended(self) -> bool:
        """Whether all were read."""
        return self._next >= len(self.messages)

    @property
    def caught_up(self) -> bool:
        """Nothing is silent while there is more."""
        return self.ended

    def committed(self, written: Mapping[Partition, str], durable: Mapping[Partition, str]) -> None:
        """Nobody watches."""

    def close(self) -> None:
        """Nothing is open."""


def given_messages(test: TestSpec, plan: StreamPlan, now: datetime, csv: Mapping[str, CsvOptions]) -> Given:
    """The messages of all sources: those of one source in their order, source by source as the test lists them.

    `csv` tells how those of CSV are written, by their names.

    Raises Misplaced for a row that is no message.
    """
    sources = {source.name: source for source in plan.sources}
    return Given(
        [
            polled
            for name, rows in test.given.items()
            if name in sources
            for polled in _messages(rows, sources[name], now, csv.get(name))
        ]
    )


def _messages(given: RowsSpec, source: SourcePlan, now: datetime, csv: CsvOptions | None) -> Iterator[Polled]:
    ends: dict[int, int] = {}
    for spec in given.rows:
        row, at = spec.values, _At(spec)
        partition = at.whole("_partition", 0)
        offset = at.whole("_offset", ends.get(partition, 0))
        start = ends.get(partition, offset)
        if offset < start:
            raise at.wrong("_offset", f"`_offset` {offset} comes after {start - 1} in the same partition")
        ends[partition] = offset + 1
        message = {
            "_value": _value(row, source, csv), "_key": at.bytes("_key"), "_headers": at.headers(),
            "_partition": partition, "_offset": offset, "_event_ts": at.time(now),
            "_topic": str(row.get("_topic") or source.address),
        }  # fmt: skip
        batch = pa.RecordBatch.from_pylist([message], schema=_SCHEMA)
        yield Polled(source.name, batch, (Range.numbered(source.name, partition, start, offset + 1),), monotonic())


def _value(row: Row, source: SourcePlan, csv: CsvOptions | None) -> bytes:
    own = {name: value for name, value in row.items() if name not in EXTRAS}
    if csv is not None:
        return csv_row(own, source, csv)
    if source.format == "raw":
        return "".join(str(value) for value in own.values()).encode()
    return encoded(own)


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
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.wrong(name, f"`{name}` is no whole number from 0 on: `{value}`")
        return value

    def bytes(self, name: str) -> bytes | None:
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

    def time(self, now: datetime) -> datetime:
        """When the message came to be; the time of the test where it is not said."""
        value = self.row.values.get("_event_ts")
        if value is None:
            return now
        try:
            found = datetime.fromisoformat(str(value))
        except ValueError as error:
            raise self.wrong("_event_ts", f"`_event_ts` is no time: `{value}`") from error
        return found if found.tzinfo else found.replace(tzinfo=UTC)
