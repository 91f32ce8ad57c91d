"""A target in memory, for runs that nothing has to outlive: those of tests, and of previews."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pyarrow as pa

from flowc.runtime.contracts.epoch import Epoch, after
from flowc.runtime.contracts.marks import Mark
from flowc.runtime.contracts.target import Held


def _nothing(_: str) -> None:
    return


@dataclass
class Kept:
    """Keeps the rows of a target; see `flowc.runtime.contracts.target.Writer`."""

    batches: list[pa.RecordBatch] = field(default_factory=list)
    pause: Callable[[str], None] = _nothing
    """Called with the name of each point between two steps, as that of `DatabaseWriter`."""
    _held: Held = field(default_factory=Held)

    @property
    def mark(self) -> Mark:
        """The last epoch that was taken."""
        return self._held.mark

    def open(self) -> Held:
        """Nothing is held."""
        return self._held

    def look(self) -> Held:
        """What was taken."""
        return self._held

    def write(self, epoch: Epoch) -> int:
        """Takes the rows."""
        self.pause("rows")
        self.batches.append(epoch.rows)
        self._held = Held(epoch.number, after(epoch.ranges, self._held.positions))
        return epoch.number

    def flush(self) -> int:
        """All is taken already."""
        return 0

    def close(self) -> None:
        """Nothing is open."""
