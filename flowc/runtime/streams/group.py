"""A source that several workers of one stream share: the broker's group gives each its partitions.

Before a partition goes to another worker, what was read of it here is written; the stored positions decide where the
other goes on. Whoever is late all the same is fenced by the target.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from flowc.runtime.contracts.epoch import Partition, Range
from flowc.runtime.contracts.source import Membership, Polled, Source
from flowc.runtime.contracts.target import Fenced
from flowc.stream import BatchLimits

_LOOK = 2.0
"""Seconds between two looks at what is stored, of a member to which nothing comes."""
_PATIENCE = 5.0
"""Seconds that a hand-over waits for what is being written."""


@dataclass
class GroupReader:
    """One member's view of one source. `stored` asks for the positions of all partitions, of all members."""

    source: Source
    limits: BatchLimits
    stored: Callable[[], Mapping[Partition, str]]
    _read: dict[str, str] = field(default_factory=dict)
    _written: dict[str, str] = field(default_factory=dict)
    _moved: threading.Condition = field(default_factory=threading.Condition)
    _looked: float = field(default_factory=time.monotonic)

    def seek(self, positions: Mapping[Partition, str]) -> None:
        """Joins the group; where its partitions begin is asked for when they are given."""
        self._read, self._written = {}, self._own(positions)
        self.source.open()
        self.source.join(Membership(lambda: self._own(self.stored()), self._revoked))

    def poll(self, wait: float) -> Polled | None:
        """The next messages."""
        polled = self.source.poll(self.limits.max_rows, wait, self.limits.max_bytes)
        if polled is not None:
            polled = replace(polled, order=self.source.order)
            self._read.update({range_.partition: range_.end for range_ in polled.ranges})
            self._looked = time.monotonic()
        elif time.monotonic() - self._looked >= _LOOK:
            self._look()
        return polled

    def _look(self) -> None:
        """Raises Fenced where a partition that is read here, and written, is not where it was left."""
        own = {p: at for p, at in self.source.positions().items() if not self._unwritten(frozenset((p,)))}
        stored = self._own(self.stored())
        moved = next((p for p, at in own.items() if stored.get(p, at) != at), None)
        if moved is not None:
            raise Fenced.at(Range(self.source.name, moved, own[moved], own[moved]))
        self._looked = time.monotonic()

    @property
    def ended(self) -> bool:
        """A member of a group goes on."""
        return False

    @property
    def log(self) -> str:
        """What tells the log that is read from another of its name."""
        return self.source.log

    def read_by(self, former: str, position: str, log: str) -> frozenset[str]:
        """What it reads that the source of that name has read."""
        return self.source.read_by(former, position, log)

    @property
    def caught_up(self) -> bool:
        """Whether the last poll handed on all that was there."""
        return self.source.caught_up

    def committed(self, written: Mapping[Partition, str], durable: Mapping[Partition, str]) -> None:
        """Notes what is written, and tells the broker."""
        own = self._own(written)
        with self._moved:
            self._written = own
            self._moved.notify_all()
        self.source.commit(own, self._own(durable))

    def close(self) -> None:
        """Leaves the group. May be called twice."""
        with self._moved:
            self._read.clear()
            self._moved.notify_all()
        self.source.close()

    def _revoked(self, gone: frozenset[str]) -> None:
        end = time.monotonic() + _PATIENCE
        with self._moved:
            while self._unwritten(gone) and (left := end - time.monotonic()) > 0:
                self._moved.wait(left)
        for partition in gone:
            self._read.pop(partition, None)

    def _unwritten(self, gone: frozenset[str]) -> bool:
        return any(p in self._read and self._read[p] != self._written.get(p) for p in gone)

    def _own(self, positions: Mapping[Partition, str]) -> dict[str, str]:
        return {partition: at for (name, partition), at in positions.items() if name == self.source.name}
