"""A table of dead letters that is a target of its own: its rows are the dead letters of epochs."""

from __future__ import annotations

from dataclasses import dataclass, replace

from flowc.runtime.arrow import empty
from flowc.runtime.contracts.epoch import Epoch
from flowc.runtime.contracts.marks import Mark
from flowc.runtime.contracts.target import Held, Publishing, Writer, fence_all
from flowc.stream import DEAD_LETTER


@dataclass
class LettersWriter:
    """Writes the dead letters of epochs into a table as if they were its rows."""

    table: Writer

    @property
    def mark(self) -> Mark:
        """As the table."""
        return self.table.mark

    def open(self) -> Held:
        """As the table."""
        return self.table.open()

    def fence(self) -> None:
        """As the table, where that can."""
        fence_all([self.table])

    def look(self) -> Held:
        """As the table."""
        return self.table.look()

    def write(self, epoch: Epoch) -> int:
        """Takes the dead letters of an epoch."""
        rows = epoch.dead if epoch.dead is not None else empty(DEAD_LETTER)
        return self.table.write(replace(epoch, rows=rows, dead=None))

    def flush(self) -> int:
        """As the table."""
        return self.table.flush()

    def check(self) -> None:
        """As the table, where that publishes as time passes."""
        if isinstance(self.table, Publishing):
            self.table.check()

    def close(self) -> None:
        """As the table."""
        self.table.close()
