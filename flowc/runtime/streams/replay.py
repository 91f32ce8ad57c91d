"""Reads again what was intended and is not in every target: exactly those messages, in their order."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from flowc.errors import EngineError
from flowc.runtime.contracts.epoch import Intent, Partition, Range
from flowc.runtime.contracts.oversize import one_batch
from flowc.runtime.contracts.positions import NUMBERS, Order
from flowc.runtime.contracts.source import STREAM, Polled
from flowc.runtime.streams.loop import Reader

_WAIT = 0.1
"""Seconds that one poll waits."""
_PATIENCE = 60.0
"""Seconds without a message after which what was intended is taken to be gone."""


def between(reader: Reader, source: str, ranges: Sequence[Range], stopping: threading.Event) -> Iterator[Polled]:
    """The messages of ranges, in pieces; the reader stands at their begin or before. Fewer where the run is stopped.

    Raises EngineError (`retention-gap`) where some are not there any more.
    """
    ends = {range_.partition: range_.end for range_ in ranges}
    while ends:
        polled = _polled(reader, _WAIT, stopping, f"what was read of `{source}` before")
        if polled is None:
            return
        order = polled.order
        yield replace(polled, messages=order.in_order(polled.messages.filter(order.within(polled.messages, ranges))))
        for range_ in polled.ranges:
            if range_.partition in ends and not order.before(range_.end, ends[range_.partition]):
                del ends[range_.partition]


def _polled(reader: Reader, wait: float, stopping: threading.Event, what: str) -> Polled | None:
    """What a reader gives next; None when the run is stopped. Raises EngineError where nothing comes."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        if stopping.is_set():
            return None
        polled = reader.poll(wait)
        if polled is not None:
            return polled
    message = f"{what} is not there any more"
    raise EngineError(message, code="retention-gap", help="`flowc rewind` the stream to a place that is there")


@dataclass
class Replay:
    """A reader of the messages of the intents alone; `readers` stand where the first of them begins."""

    readers: Mapping[str, Reader]
    intents: Sequence[Intent]
    stopping: threading.Event = field(default_factory=threading.Event)
    held: int = 0
    """The last epoch that some target holds, whose messages must all be there again."""
    _done: int = 0
    _over: dict[str, list[Polled]] = field(default_factory=dict)
    """What was read and is of later intents, per source."""
    _ends: dict[Partition, str] = field(default_factory=dict, init=False)
    """Where the last intent of each partition ends: what is read behind that is not kept."""
    _orders: dict[str, Order] = field(default_factory=dict, init=False)
    """How the positions of each source follow each other that was read."""

    def __post_init__(self) -> None:
        for intent in self.intents:
            for range_ in intent.ranges:
                self._ends[range_.at] = range_.end  # they follow each other

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
        self._require_all(source, intent, sum(batch.num_rows for batch in found))
        batch = one_batch(found) if found else pa.RecordBatch.from_pylist([], schema=pa.schema([]))
        return Polled(source, batch, intent.ranges, time.time(), intent, order=self._orders.get(source, NUMBERS))

    def _require_all(self, source: str, intent: Intent, found: int) -> None:
        """Raises EngineError where a topic that is compacted has fewer messages of an epoch that a target holds."""
        if intent.number <= self.held and found < (intent.count or 0):
            message = (
                f"epoch {intent.number} read {intent.count} messages of `{source}`, of which {found} are left, "
                "and a target has the rows of all of them"
            )
            help = f"the topic was compacted; to go on with what is left: `flowc rewind {STREAM} --to current`"
            raise EngineError(message, code="retention-gap", help=help)

    def _read_by(self, intent: Intent) -> str:
        """The source that an intent has messages of; any one where it has none: its ranges stand, of all sources."""
        moved = next((range_.source for range_ in intent.ranges if range_.moves), None)
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
        missing = {r.partition for r in ranges if r.moves}
        ends = {r.partition: r.end for r in ranges}
        waiting = self._over.pop(source, [])
        while missing:
            polled = waiting.pop(0) if waiting else self._poll(source, wait, intent)
            if polled is None:
                return None
            order = self._orders[source] = polled.order
            missing -= {
                r.partition for r in polled.ranges if r.partition in ends and not order.before(r.end, ends[r.partition])
            }
            found.append(polled.messages.filter(order.within(polled.messages, ranges)))
            left = tuple(r for r in polled.ranges if self._has_more(r, ends.get(r.partition), order))
            if left:  # else it is done with
                wanted = tuple(replace(r, start=ends.get(r.partition, r.start), end=self._ends[r.at]) for r in left)
                rest = polled.messages.filter(order.within(polled.messages, wanted))
                over.append(Polled(source, rest, left, polled.read_at, order=order))
        self._over[source] = [*over, *waiting]
        return [batch for batch in found if batch.num_rows] or found[:1]

    def _has_more(self, range_: Range, end: str | None, order: Order) -> bool:
        """Whether a range goes on behind the end of an intent, and has what later ones read."""
        later = range_.at in self._ends and order.before(range_.start, self._ends[range_.at])
        return later and (end is None or order.before(end, range_.end))

    def _poll(self, source: str, wait: float, intent: Intent) -> Polled | None:
        return _polled(self.readers[source], wait, self.stopping, f"what epoch {intent.number} read of `{source}`")
