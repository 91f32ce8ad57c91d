"""A source as the loop reads it: from the stored positions, up to an end where the run has one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from flowc.runtime.contracts.epoch import Partition
from flowc.runtime.contracts.source import Polled, Source, StandingSource
from flowc.runtime.streams.alignment import Alignment
from flowc.stream import BatchLimits

_HELD = 0.5
"""Seconds for which what is held waits to be read again: each time that it does in vain is a turn of the worker."""
_SIGN = 1.0
"""Seconds between two polls of a source of which all is held: it may have more to do than to read."""


@dataclass
class SourceReader:
    """One source. With `once`, the run ends where the source ended when it began."""

    source: Source
    limits: BatchLimits
    once: bool = False
    alignment: Alignment | None = None
    """What tells which partitions are too far ahead of others to be read now."""
    _ends: Mapping[str, str] = field(default_factory=dict)
    _held: frozenset[str] = field(default=frozenset(), init=False)
    _polled: float = field(default=0.0, init=False)

    def stand(self, positions: Mapping[Partition, str], logs: Mapping[Partition, str]) -> None:
        """Tells the source where the stream stands, if it asks for that."""
        if isinstance(self.source, StandingSource):
            self.source.stand(self._own(positions), self._own(logs))

    @property
    def unedited(self) -> bool:
        """Whether its source goes on to read by the same path."""
        return isinstance(self.source, StandingSource) and self.source.unedited

    def seek(self, positions: Mapping[Partition, str]) -> None:
        """Goes to the stored positions; partitions without one begin where the stream starts."""
        self.source.open()
        self.source.assign(self._own(positions))
        self._ends = self.source.end_offsets() if self.once else {}
        self._held = frozenset()
        self._tell()

    def poll(self, wait: float) -> Polled | None:
        """The next messages of what is not held."""
        if self.alignment is not None and self._waits(self.alignment, max(wait, _HELD)):
            return None
        self._polled = time.monotonic()
        polled = self.source.poll(self.limits.max_rows, wait, self.limits.max_bytes)
        self._tell()
        return replace(polled, order=self.source.order) if polled is not None else None

    def _waits(self, alignment: Alignment, seconds: float) -> bool:
        """Stops and goes on with partitions; whether all are held, still after a while, and need no poll."""
        self._hold(alignment)
        if not self._held >= self.source.positions().keys() or time.monotonic() - self._polled > _SIGN:
            return False
        if not alignment.wait(self.source.name, seconds):
            return True
        self._hold(alignment)
        return False

    def _tell(self) -> None:
        if self.alignment is not None:
            self.alignment.tell(self.source.name, self._behind())

    def _hold(self, alignment: Alignment) -> None:
        held = alignment.hold(self.source.name)
        if held != self._held:
            self.source.pause(held - self._held)
            self.source.resume(self._held - held)
            self._held = held

    def _behind(self) -> frozenset[str]:
        """The partitions that have more to give, in this run."""
        if not self.once:
            return self.source.behind
        at, order = self.source.positions(), self.source.order
        return frozenset(p for p, end in self._ends.items() if p not in at or order.before(at[p], end))

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
        """Passes on how far the stream is."""
        self.source.commit(self._own(written), self._own(durable))

    def close(self) -> None:
        """Leaves. May be called twice."""
        self.source.close()

    def _own(self, positions: Mapping[Partition, str]) -> dict[str, str]:
        return {partition: at for (name, partition), at in positions.items() if name == self.source.name}

    @property
    def ended(self) -> bool:
        """Whether a run that ends has read all that there was."""
        if not self.once:
            return False
        return not self._behind()
