"""What a plan of a stream intended before it was edited: finished by that plan, or not begun at all.

An epoch that some target holds is in its rows, so every other target and the state get it from the same plan. Of one
that no target holds nothing is anywhere but its intent, so it may be given up: its messages are read again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce

from flowc.errors import FlowcError
from flowc.runtime.contracts.epoch import Epoch, Intent, Range
from flowc.runtime.contracts.state import Checkpoint, Restored
from flowc.runtime.contracts.target import Fenced, Held, PutBack, fence_all
from flowc.runtime.streams.begin import beginnings, opened
from flowc.runtime.streams.run import StreamRun
from flowc.runtime.systems.shared.target import DatabaseWriter, table_of

BEYOND = 1000
"""So much greater is the number of the epoch that fences tables than any that a worker intends meanwhile."""


@dataclass
class FormerRun(StreamRun):
    """A run of the plan that intended epochs, which reads nothing new."""

    shut: int = 0
    """The number of the epoch by which a run before this one has shut other workers out, 0 for none."""

    @property
    def last(self) -> int:
        """The number of the last epoch that was intended, once that is known."""
        return self._intended

    def finish(self) -> None:
        """Does all that was intended, and keeps the state behind it; gives up the rest where a run before began to."""
        restored, found = opened(self.plan, self.store, self.writers, looking=True)
        if any(is_fenced(there, restored) for there in found):
            self.give_up()
        else:
            self.stand()

    def give_up(self, why: FlowcError | None = None) -> None:
        """Does what some target holds, and gives up the epochs behind that. No worker of the plan runs any more.

        Raises `why` where there is something to be done.
        """
        assert self.store is not None
        opened(self.plan, self.store, self.writers)
        if self.store.last() != self.shut:
            self.store.shut(self.clock())
        fence_all(self.writers)
        restored, found = opened(self.plan, self.store, self.writers)
        restored = self._restore(restored, [unfenced(there, restored) for there in found])
        held = [intent for intent in restored.intents if intent.number <= max(self._held)]
        if held and why is not None:
            raise why
        if held and self._is_whole():
            self._seek({**beginnings(held), **self._read})
            self._replay(held)
        if self.stopping.is_set():
            return
        if held:
            self._settle()
        if held and min(self._held) < self._number:  # else a target may be new, or record no epoch without rows
            raise Fenced(f"stream `{self.plan.name}`: not every target holds its last epoch")
        point = self._standing(restored)
        self.pause("standing")
        for table in filter(None, map(table_of, self.writers)):
            self._fence(table, point)
        self.pause("fenced")
        self.store.move(point, restored.last)

    def _fence(self, table: DatabaseWriter, point: Checkpoint) -> None:
        """Records an epoch without rows in a table that knows positions: a worker that slept is behind it.

        Its number says that the table holds what the checkpoint before it holds, also where the run ends here.
        """
        known = table.mark.epoch
        if table.open().absent:
            raise PutBack(table.plan.name, 0, known)

        def made(held: Held) -> Epoch:
            if held.epoch != known:
                raise Fenced(f"another worker wrote epoch {held.epoch} of stream `{self.plan.name}`")
            at = sorted(point.positions.items())
            ranges = tuple(Range(*where, start, start, point.logs.get(where, "")) for where, start in at)
            return Epoch(Intent(point.epoch, self.clock(), ranges), self._nothing().messages, 0)

        table.move(made)

    def _is_whole(self) -> bool:
        """Makes the state anew as a worker of the plan did that intended epochs; False where that was cut off."""
        return self._remade()

    def _standing(self, restored: Restored) -> Checkpoint:
        """The state behind what was done, as the checkpoint of an epoch that no worker intends meanwhile.

        What is given up is read again from where it began, also where no epoch before read the partition: without a
        position, it would begin anew, where `start` says.
        """
        begun, number = beginnings(restored.intents), restored.last + BEYOND
        if self._number == restored.checkpoint.epoch:  # nothing was: what is kept stays what it is
            kept = restored.checkpoint
            positions, logs = {**begun, **kept.positions}, {**restored.logs, **kept.logs}
            return self._marked(replace(kept, epoch=number, segments=(), positions=positions, logs=logs))
        read = Checkpoint(number, {**begun, **self._read}, logs={**restored.logs, **self._logs})
        point = self._marked(self.compute.snapshot(read))
        return reduce(Checkpoint.then, (*self._pending, point))


def is_fenced(there: Held, restored: Restored) -> bool:
    """Whether giving up epochs was cut off between this table and the store.

    The position alone does not show it: epochs of time leave it as it is, and the store may be an older copy.
    """
    kept = {**beginnings(restored.intents), **restored.checkpoint.positions}
    return there.epoch > restored.last + BEYOND // 2 and there.positions == kept


def unfenced(there: Held, restored: Restored) -> Held:
    """What a target holds: of a table that was fenced, what the checkpoint holds."""
    return replace(there, epoch=restored.checkpoint.epoch) if is_fenced(there, restored) else there
