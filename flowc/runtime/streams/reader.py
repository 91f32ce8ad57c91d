"""A source as the loop reads it: from the stored positions, up to an end where the run has one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from flowc.runtime.streams.epoch import Partition
from flowc.runtime.streams.loop import Polled
from flowc.runtime.streams.source import Source
from flowc.stream import BatchLimits


@dataclass
class SourceReader:
    """One source. With `once`, the run ends where the source ended when it began."""

    source: Source
    limits: BatchLimits
    once: bool = False
    _ends: Mapping[str, str] = field(default_factory=dict)

    def seek(self, positions: Mapping[Partition, str]) -> None:
        """Goes to the stored positions; partitions without one begin where the stream starts."""
        self.source.open()
        self.source.assign(self._own(positions))
        self._ends = self.source.end_offsets() if self.once else {}

    def poll(self, wait: float) -> Polled | None:
        """The next messages."""
        polled = self.source.poll(self.limits.max_rows, wait, self.limits.max_bytes)
        return replace(polled, order=self.source.order) if polled is not None else None

    @property
    def log(self) -> str:
        """What tells the log that is read from another of its name."""
        return self.source.log

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
        at, order = self.source.positions(), self.source.order
        return all(p in at and not order.before(at[p], end) for p, end in self._ends.items())
