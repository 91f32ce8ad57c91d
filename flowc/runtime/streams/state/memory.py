"""The state of a stream in memory, for runs that nothing has to outlive: those of tests, and of previews."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from flowc.runtime.badrows import BadRow
from flowc.runtime.contracts.epoch import Epoch, Intent
from flowc.runtime.contracts.state import Checkpoint, Restored, Saved, Segment
from flowc.runtime.contracts.target import Fenced

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass
class Memory:
    """What the stores of one stream have in common, as the tables of a database are."""

    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    segments: tuple[Segment, ...] = ()
    intents: dict[int, Intent] = field(default_factory=dict)
    """Those behind the checkpoint, and those whose messages may be delivered again."""
    last: int = 0
    facts: dict[str, str] = field(default_factory=dict)


@dataclass
class MemoryStore:
    """A store; see `StateStore`. Stores of the same `memory` meet as workers of one stream do."""

    stream: str
    memory: Memory = field(default_factory=Memory)
    saved: Saved | None = field(default=None, init=False)
    _point: int = field(default=0, init=False)
    _released: int = field(default=0, init=False)

    def open(self) -> Restored:
        """What is stored."""
        return self.read()

    def last(self) -> int:
        """The number of the last epoch intended."""
        return self.memory.last

    def close(self) -> None:
        """Nothing is open."""

    def read(self) -> Restored:
        """What is stored."""
        memory = self.memory
        self._point = memory.checkpoint.epoch
        checkpoint = replace(memory.checkpoint, segments=tuple(sorted(memory.segments, key=_place)))
        intents = tuple(intent for number, intent in memory.intents.items() if number > self._point)
        return Restored(checkpoint, intents, memory.last, self._delivered())

    def _delivered(self) -> Mapping[str, Sequence[tuple[int, pa.RecordBatch]]]:
        found: dict[str, tuple[tuple[int, pa.RecordBatch], ...]] = {}
        for number, intent in self.memory.intents.items():
            if intent.messages is not None:
                source = intent.ranges[0].source
                found[source] = (*found.get(source, ()), (number, intent.messages))
        return found

    def intend(self, intent: Intent) -> None:
        """Logs what an epoch takes from outside. Raises Fenced where the one before it is not the last one."""
        self._require(self.memory.last == intent.number - 1)
        self.memory.last = intent.number
        self.memory.intents[intent.number] = intent

    def refuse(self, epoch: int, rows: Sequence[BadRow]) -> None:
        """Adds to an intent which rows the first target refuses. Raises Fenced where another worker has done so."""
        intent = self.memory.intents.get(epoch)
        self._require(intent is not None and not intent.refused)
        assert intent is not None
        self.memory.intents[epoch] = replace(intent, refused=tuple(rows))

    def release(self, epoch: int) -> None:
        """The messages of epochs up to this one are acknowledged."""
        self._released = epoch

    def beside(self, epoch: Epoch) -> None:
        """Keeps the checkpoint of an epoch that the stream's only target commits."""
        if epoch.checkpoint is not None:
            self.memory.intents[epoch.number] = epoch.intent
            self._replace(epoch.checkpoint, epoch.number - 1)

    def shut(self, time: int) -> Restored:
        """Intends an epoch without messages, so that no worker begins another; gives what was stored before."""
        restored = self.read()
        for number in (intent.number for intent in restored.intents[-1:] if intent.shuts):
            del self.memory.intents[number]
        self.intend(restored.standing(time))
        return restored

    def catch_up(self, epoch: int) -> None:
        """Takes the number of the target's last epoch for its own."""
        self.memory.checkpoint = replace(self.memory.checkpoint, epoch=epoch)

    def save(self, checkpoint: Checkpoint) -> None:
        """Keeps a checkpoint. Raises Fenced where another worker has kept one since."""
        if checkpoint.epoch != self._point or checkpoint.segments or checkpoint.dropped:
            self._replace(checkpoint, self._point)

    def move(self, checkpoint: Checkpoint, last: int) -> None:
        """Puts a checkpoint in place of what was intended up to `last`. Raises Fenced where there is more."""
        self._require(self.memory.last == last)
        self._replace(checkpoint, self.memory.checkpoint.epoch)

    def _replace(self, checkpoint: Checkpoint, before: int) -> None:
        memory = self.memory
        self._require(memory.checkpoint.epoch == before)
        whole = {_place(segment)[:2] for segment in checkpoint.segments if segment.whole}
        kept = (
            each for each in memory.segments if each.node not in checkpoint.dropped and _place(each)[:2] not in whole
        )
        memory.segments = (*kept, *checkpoint.segments)
        memory.checkpoint = replace(checkpoint, segments=(), dropped=frozenset())
        memory.last = max(memory.last, checkpoint.epoch)
        memory.intents = dict(self._needed())
        self._point = checkpoint.epoch

    def _needed(self) -> Iterator[tuple[int, Intent]]:
        for number, intent in self.memory.intents.items():
            delivered = intent.messages is not None and number > self._released
            if delivered or number > self.memory.checkpoint.epoch:
                yield number, intent

    def facts(self) -> dict[str, str]:
        """What is remembered by name."""
        return dict(self.memory.facts)

    def remember(self, facts: Mapping[str, str]) -> None:
        """Adds facts."""
        self._require(all(self.memory.facts.get(name, value) == value for name, value in facts.items()))
        self.memory.facts.update(facts)

    def _require(self, kept: bool) -> None:
        if not kept:
            raise Fenced(f"another worker goes on with stream `{self.stream}`")


def _place(segment: Segment) -> tuple[str, int, int]:
    return segment.node, segment.group, segment.sequence
