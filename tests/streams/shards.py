"""A source for tests whose positions are texts that it alone can order: shards of a log, as Kinesis has them.

The position of a message is a number of 56 digits, written from the last digit to the first: neither as text nor as
numbers do such texts stand in the order of the messages. A position is that of the last message that was read, or
`TRIM_HORIZON`; which one is next cannot be told from it.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from flowc.errors import EngineError
from flowc.runtime.contracts.epoch import Range
from flowc.runtime.contracts.positions import Order
from flowc.runtime.contracts.source import Membership, Polled
from flowc.stream import MAX_BYTES

FIRST = "TRIM_HORIZON"
_DIGITS = 56
_START = datetime(2026, 1, 1, tzinfo=UTC)
_SCHEMA = pa.schema(
    [("id", pa.int64()), ("n", pa.int64()), ("_value", pa.binary()), ("_partition", pa.string()),
     ("_offset", pa.string()), ("_event_ts", pa.timestamp("us", "UTC"))]
)  # fmt: skip


def sequence(shard: str, n: int) -> str:
    """The position of the nth message of a shard: they rise by steps that differ."""
    number = 10 ** (_DIGITS - 1) + n * 10**20 + random.Random(f"{shard} {n}").randrange(10**20)
    return str(number)[::-1]


def _key(position: str) -> int:
    return -1 if position == FIRST else int(position[::-1])


class ByDigits:
    """The order of such positions; see `Order`."""

    def read(self, text: str) -> str | None:
        return text if text.startswith("shard-") or text == FIRST or len(text) == _DIGITS else None

    def before(self, one: str, other: str) -> bool:
        return _key(one) < _key(other)

    def count(self, start: str, end: str) -> int | None:
        return None

    def within(self, messages: pa.RecordBatch, ranges: Sequence[Range]) -> pa.Array:
        places = zip(messages.column("_partition").to_pylist(), messages.column("_offset").to_pylist(), strict=True)
        return pa.array([any(_is_in(*place, range_) for range_ in ranges) for place in places], pa.bool_())

    def in_order(self, messages: pa.RecordBatch) -> pa.RecordBatch:
        shards, offsets = (messages.column(name).to_pylist() for name in ("_partition", "_offset"))
        order = sorted(range(messages.num_rows), key=lambda at: (shards[at], _key(offsets[at])))
        return messages.take(pa.array(order, pa.int64()))


def _is_in(shard: str, position: str, range_: Range) -> bool:
    return shard == range_.partition and _key(range_.start) < _key(position) <= _key(range_.end)


@dataclass
class Shards:
    """The source; see `Source`. `messages` are those of each shard: an id, and seconds of event time.

    `parents` tells of which shard another one is a child: it begins when that one is read to its end.
    """

    messages: Mapping[str, Sequence[tuple[int, int]]]
    seed: int = 0
    name: str = "source"
    parents: Mapping[str, str] = field(default_factory=dict)
    order: Order = field(default_factory=ByDigits)
    log: str = ""
    caught_up: bool = True
    told: list[tuple[Mapping[str, str], Mapping[str, str]]] = field(default_factory=list)
    _at: dict[str, int] = field(default_factory=dict)
    _new: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)

    def open(self) -> None:
        return

    def close(self) -> None:
        return

    def assign(self, positions: Mapping[str, str]) -> None:
        self._at = {shard: self._place(shard, position) for shard, position in positions.items()}
        self._new = self._beginning()

    def join(self, membership: Membership[str]) -> None:
        self.assign(membership.stored())

    def poll(self, max_rows: int, max_wait: float, max_bytes: int = MAX_BYTES) -> Polled | None:
        ranges, rows = [], list[dict[str, object]]()
        for shard in sorted({*self._at, *self._new}):
            start = self._at.get(shard, 0)
            most = min(self._chance.randrange(8), max_rows - len(rows))
            end = min(start + most, len(self.messages[shard]))
            if end > start or shard in self._new:
                ranges.append(self._range(shard, start, end))
                rows += [self._message(shard, n) for n in range(start, end)]
            self._at[shard] = end
        self._new = self._beginning()
        for child in self._new if self.parents else ():
            ranges.append(self._range(child, 0, 0))
            self._at[child] = 0
        self._new = set()
        if not ranges:
            return None
        self._chance.shuffle(rows)
        batch = pa.RecordBatch.from_pylist(rows, schema=_SCHEMA)
        return Polled(self.name, batch, tuple(ranges), 0.0)

    def _range(self, shard: str, start: int, end: int) -> Range:
        last = shard in self.parents.values() and end == len(self.messages[shard])
        return Range(self.name, shard, self._position(shard, start), self._position(shard, end), last=last)

    @property
    def behind(self) -> frozenset[str]:
        return frozenset(shard for shard, at in self._at.items() if at < len(self.messages[shard]))

    def pause(self, partitions: Iterable[str]) -> None:
        return

    def resume(self, partitions: Iterable[str]) -> None:
        return

    def positions(self) -> Mapping[str, str]:
        return {shard: self._position(shard, at) for shard, at in self._at.items()}

    def starting(self, start: str) -> Mapping[str, str]:
        return dict.fromkeys(self.messages, FIRST) if start == "earliest" else self.end_offsets()

    def end_offsets(self) -> Mapping[str, str]:
        return {shard: self._position(shard, len(rows)) for shard, rows in self.messages.items()}

    def commit(self, written: Mapping[str, str], durable: Mapping[str, str]) -> None:
        self.told.append((written, durable))

    def _beginning(self) -> set[str]:
        """Shards that are not read yet, and whose parents are read to their ends."""
        over = {shard for shard, at in self._at.items() if at == len(self.messages[shard])}
        return {s for s in self.messages if s not in self._at and self.parents.get(s, s) in {s, *over}}

    def _place(self, shard: str, position: str) -> int:
        places = [self._position(shard, n) for n in range(len(self.messages[shard]) + 1)]
        if position not in places:
            raise EngineError(f"shard `{shard}` has no message at `{position}`", code="position-beyond-end")
        return places.index(position)

    def _position(self, shard: str, count: int) -> str:
        return sequence(shard, count - 1) if count else FIRST

    def _message(self, shard: str, n: int) -> dict[str, object]:
        id_, at = self.messages[shard][n]
        return {
            "id": id_, "n": n, "_value": b'{"id": %d, "n": %d}' % (id_, n), "_partition": shard,
            "_offset": sequence(shard, n), "_event_ts": _START + timedelta(seconds=at),
        }  # fmt: skip
