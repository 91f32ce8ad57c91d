"""Reads again what was intended and is not in every target: exactly those messages, in their order."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc

from flowc.errors import EngineError
from flowc.runtime.streams.epoch import Intent, Partition, Range
from flowc.runtime.streams.loop import Polled, Reader
from flowc.runtime.streams.oversize import one_batch

_PATIENCE = 60.0
"""Seconds without a message after which what was intended is taken to be gone."""


@dataclass
class Replay:
    """A reader of the messages of the intents alone; `readers` stand where the first of them begins."""

    readers: Mapping[str, Reader]
    intents: Sequence[Intent]
    stopping: threading.Event = field(default_factory=threading.Event)
    _done: int = 0
    _over: dict[str, list[Polled]] = field(default_factory=dict)
    """What was read and is of later intents, per source."""
    _ends: dict[Partition, int] = field(default_factory=dict, init=False)
    """Where the last intent of each partition ends: what is read behind that is not kept."""

    def __post_init__(self) -> None:
        for intent in self.intents:
            for range_ in intent.ranges:
                self._ends[range_.at] = max(range_.end, self._ends.get(range_.at, 0))

    @property
    def ended(self) -> bool:
        """Whether all of them are read."""
        return self._done == len(self.intents)

    @property
    def caught_up(self) -> bool:
        """What was silent is in the intents."""
        return False

    def poll(self, wait: float) -> Polled | None:
        """The messages of the next intent."""
        if self.ended:
            return None
        intent = self.intents[self._done]
        self._done += 1
        source = self._read_by(intent)
        if intent.messages is not None:  # of a source that gives them no more
            return Polled(source, intent.messages, intent.ranges, time.time(), intent)
        found = self._gather(source, intent, wait)
        if found is None:
            self._done -= 1
            return None
        batch = one_batch(found) if found else pa.RecordBatch.from_pylist([], schema=pa.schema([]))
        return Polled(source, batch, intent.ranges, time.time(), intent)

    def _read_by(self, intent: Intent) -> str:
        """The source that an intent has messages of; any one where it has none: its ranges stand, of all sources."""
        moved = next((range_.source for range_ in intent.ranges if range_.end > range_.start), None)
        if moved is None or moved in self.readers:
            return moved or next(iter(self.readers))
        message = f"epoch {intent.number} has begun with messages of `{moved}`, which is no source any more"
        help = f"put `{moved}` back until the stream has gone on, or move it with `flowc rewind`"
        raise EngineError(message, code="retention-gap", help=help)

    def _gather(self, source: str, intent: Intent, wait: float) -> list[pa.RecordBatch] | None:
        """Pieces of what was polled, until every range is covered; None when the run is stopped before."""
        found: list[pa.RecordBatch] = []
        over: list[Polled] = []
        ranges = tuple(r for r in intent.ranges if r.source == source)
        reached = {r.partition: r.start for r in ranges}
        ends = {r.partition: r.end for r in ranges}
        waiting = self._over.pop(source, [])
        while any(reached[r.partition] < r.end for r in ranges):
            polled = waiting.pop(0) if waiting else self._poll(source, wait, intent)
            if polled is None:
                return None
            reached.update({r.partition: max(r.end, reached.get(r.partition, 0)) for r in polled.ranges})
            inside = within(polled.messages, ranges)
            found.append(polled.messages.filter(inside))
            left = tuple(r for r in polled.ranges if ends.get(r.partition, -1) < r.end and r.start < self._end(r))
            if left:  # else it is done with
                wanted = tuple(replace(r, start=ends.get(r.partition, r.start), end=self._end(r)) for r in left)
                rest = polled.messages.filter(within(polled.messages, wanted))
                over.append(Polled(source, rest, left, polled.read_at))
        self._over[source] = [*over, *waiting]
        return [batch for batch in found if batch.num_rows] or found[:1]

    def _end(self, range_: Range) -> int:
        return self._ends.get(range_.at, 0)

    def _poll(self, source: str, wait: float, intent: Intent) -> Polled | None:
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            if self.stopping.is_set():
                return None
            polled = self.readers[source].poll(wait)
            if polled is not None:
                return polled
        message = f"what epoch {intent.number} read of `{source}` is not there any more"
        raise EngineError(message, code="retention-gap", help="`flowc rewind` the stream to a place that is there")


def within(messages: pa.RecordBatch, ranges: Sequence[Range]) -> pa.Array:
    """A mask of the messages that are in one of the ranges."""
    inside = pa.repeat(pa.scalar(False), messages.num_rows)
    partitions, offsets = messages.column("_partition"), messages.column("_offset")
    for range_ in ranges:
        own = pc.and_(pc.equal(partitions, range_.partition), pc.greater_equal(offsets, range_.start))
        inside = pc.or_(inside, pc.and_(own, pc.less(offsets, range_.end)))
    return inside
