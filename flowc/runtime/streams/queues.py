"""A source that cannot be read again: it forgets what is acknowledged, and delivers all else once more.

flowc numbers its messages as it takes them, and keeps them beside the intent of their epoch. They are acknowledged when
nothing will be asked of them again. What is delivered once more until then is known by its id, and is no new message.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from flowc.errors import FlowcError
from flowc.runtime.contracts.epoch import Intent, Partition, Range
from flowc.runtime.contracts.queue import Queue
from flowc.runtime.contracts.source import Polled
from flowc.stream import BatchLimits

MAX_BYTES = 256 << 20
"""Bytes of messages in hand: where there are more, no others are taken until some are settled."""
_ONLY = 0
"""The number of the one partition that it has."""


@dataclass
class _Taken:
    """Messages that were handed on and are not settled: where they end, their ids, and how many bytes they have."""

    end: int
    ids: pa.Array
    size: int

    @classmethod
    def of(cls, messages: pa.RecordBatch) -> _Taken:
        return cls(_end(messages), messages.column("_id"), messages.nbytes)


@dataclass
class QueueReader:
    """A queue as the loop reads it. With `once`, the run ends when nothing more is there."""

    queue: Queue
    limits: BatchLimits
    once: bool = False
    _next: int = field(default=0, init=False)
    _taken: deque[_Taken] = field(default_factory=deque, init=False)
    _recalled: Mapping[int, pa.RecordBatch] = field(default_factory=dict, init=False)
    """What an earlier run took, by where it ends."""
    _again: deque[pa.RecordBatch] = field(default_factory=deque, init=False)
    """Of that, what no epoch has taken by now: the run that took it has given its epochs up."""
    _durable: int = field(default=0, init=False)
    _settled: int = field(default=0, init=False)
    _ended: bool = field(default=False, init=False)
    _full: bool = field(default=False, init=False)

    def recall(self, delivered: Sequence[pa.RecordBatch]) -> None:
        """Learns of messages that an earlier run took: those that come again are no new ones. Before `seek`."""
        self._recalled = {_end(messages): messages for messages in delivered}
        self._taken = deque(_Taken.of(self._recalled[end]) for end in sorted(self._recalled))

    def seek(self, positions: Mapping[Partition, str]) -> None:
        """Connects, and numbers messages from the stored position on."""
        self.queue.open()
        self._next = int(positions.get((self.queue.name, str(_ONLY)), 0))
        self._again = deque(self._recalled[end] for end in sorted(self._recalled) if end > self._next)

    @property
    def log(self) -> str:
        """Nothing tells."""
        return ""

    def read_by(self, former: str, position: str, log: str) -> frozenset[str]:
        """What a queue gives once, it gives nobody again."""
        return frozenset()

    def poll(self, wait: float) -> Polled | None:
        """The next messages that were not taken before."""
        self._acknowledge()
        if self._again:
            return self._polled(self._again.popleft())
        self._full = sum(taken.size for taken in self._taken) >= MAX_BYTES
        if self._full:
            time.sleep(wait)
            return None
        batch = self.queue.receive(self.limits.max_rows, wait, self.limits.max_bytes)
        self._ended = self.once and batch is None and self.queue.caught_up
        batch = self._new(batch) if batch is not None else None
        if batch is None or not batch.num_rows:
            return None
        batch = _numbered(batch, self._next)
        self._taken.append(_Taken.of(batch))
        return self._polled(batch)

    def _polled(self, batch: pa.RecordBatch) -> Polled:
        start, self._next = self._next, _end(batch)
        return Polled(self.queue.name, batch, (Range.numbered(self.queue.name, _ONLY, start, self._next),), time.time())

    @property
    def ended(self) -> bool:
        """Whether nothing more was there, in a run that ends."""
        return self._ended

    @property
    def caught_up(self) -> bool:
        """Whether the last poll handed on all that was there."""
        return self.queue.caught_up and not self._full and not self._again

    def committed(self, written: Mapping[Partition, str], durable: Mapping[Partition, str]) -> None:
        """Notes how far nothing will be read again; the thread that polls acknowledges it."""
        self._durable = int(durable.get((self.queue.name, str(_ONLY)), 0))

    @property
    def settled(self) -> int:
        """Up to which number no message will be delivered any more."""
        return self._settled

    def close(self) -> None:
        """Acknowledges what is durable, and leaves. May be called twice."""
        with suppress(FlowcError):  # what it does not take now comes again, and is known
            self._acknowledge()
        self.queue.close()

    def _acknowledge(self) -> None:
        while self._taken and self._taken[0].end <= self._durable:
            first = self._taken[0]
            settled = self.queue.acknowledge(first.ids)
            first.ids = first.ids.filter(pc.invert(pc.is_in(first.ids, settled)))
            if len(first.ids):
                return
            self._settled = first.end
            self._taken.popleft()

    def _new(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The messages that are not in hand, each once."""
        ids = batch.column("_id")
        known = [taken.ids for taken in self._taken]
        if known:
            batch = batch.filter(pc.invert(pc.is_in(ids, pa.concat_arrays(known))))
            ids = batch.column("_id")
        if pc.count_distinct(ids).as_py() == len(ids):
            return batch
        firsts = pa.table([ids, pa.array(range(len(ids)))], ["id", "at"]).group_by("id").aggregate([("at", "min")])
        return batch.take(firsts.column("at_min").combine_chunks().sort())


def _end(messages: pa.RecordBatch) -> int:
    return int(messages.column("_offset")[-1].as_py()) + 1


def _numbered(batch: pa.RecordBatch, start: int) -> pa.RecordBatch:
    numbers = pa.array(range(start, start + batch.num_rows), pa.int64())
    partitions = pa.repeat(pa.scalar(_ONLY, pa.int32()), batch.num_rows)
    return batch.append_column("_partition", partitions).append_column("_offset", numbers)


@dataclass(frozen=True, slots=True)
class _Logged:
    """Messages that are kept with an epoch: their source, where they end, and how many bytes they have."""

    epoch: int
    source: str
    end: int
    size: int

    @classmethod
    def of(cls, epoch: int, source: str, messages: pa.RecordBatch) -> _Logged:
        return cls(epoch, source, _end(messages), messages.nbytes)


@dataclass
class Unsettled:
    """The epochs of a run whose messages are kept, for their sources may deliver them again. `queues` are by name."""

    queues: Mapping[str, QueueReader]
    _logged: deque[_Logged] = field(default_factory=deque, init=False)

    @classmethod
    def of(cls, readers: Mapping[str, object]) -> Unsettled:
        """Those of the readers that are of queues."""
        return cls({name: reader for name, reader in readers.items() if isinstance(reader, QueueReader)})

    def recall(self, delivered: Mapping[str, Sequence[tuple[int, pa.RecordBatch]]]) -> None:
        """Tells queues what was taken of them before, by their names and with the epochs."""
        for name, reader in self.queues.items():
            reader.recall([messages for _, messages in delivered.get(name, ())])
        logged = (_Logged.of(epoch, name, messages) for name, own in delivered.items() for epoch, messages in own)
        self._logged = deque(sorted(logged, key=lambda each: each.epoch))

    def took(self, intent: Intent) -> None:
        """Notes what is kept with an epoch; those that are done again are noted already."""
        if intent.messages is not None and all(each.epoch < intent.number for each in self._logged):
            self._logged.append(_Logged.of(intent.number, intent.ranges[0].source, intent.messages))

    def settled(self) -> int:
        """The last epoch of those that are settled since the last call; 0 where none is."""
        epoch = 0
        while self._logged and self._logged[0].end <= self.queues[self._logged[0].source].settled:
            epoch = self._logged.popleft().epoch
        return epoch

    @property
    def size(self) -> int:
        """How many bytes of messages are kept."""
        return sum(each.size for each in self._logged)
