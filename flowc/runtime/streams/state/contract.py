"""The contract of a state store: intents, checkpoints and facts of one stream, each durable when its method returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from flowc.runtime.streams.epoch import Epoch, Intent, Partition, Range, after, logs_after

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Group:
    """The state of one key group of one operator, in the operator's own bytes; none when it is empty."""

    operator: str
    number: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state after an epoch.

    `groups` are those that changed since the checkpoint before it; of a restored checkpoint, all of them.
    `watermarks` are those of the partitions, in microseconds; `fingerprints` tell by which operator state was written;
    `logs` are those that the positions are of, as in `Range`.
    """

    epoch: int = 0
    positions: Mapping[Partition, int] = field(default_factory=dict)
    watermarks: Mapping[Partition, int] = field(default_factory=dict)
    groups: tuple[Group, ...] = ()
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    logs: Mapping[Partition, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Restored:
    """The last checkpoint, the intents of the epochs after it in order, and the number of the last epoch intended.

    `delivered` are, by their sources and with their epochs, the messages that may not be acknowledged yet.
    """

    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    intents: tuple[Intent, ...] = ()
    last: int = 0
    delivered: Mapping[str, Sequence[tuple[int, pa.RecordBatch]]] = field(default_factory=dict)

    @property
    def positions(self) -> Mapping[Partition, int]:
        """Those behind all that was intended."""
        return after((range_ for intent in self.intents for range_ in intent.ranges), self.checkpoint.positions)

    @property
    def logs(self) -> Mapping[Partition, str]:
        """Those that these positions are of."""
        return logs_after((range_ for intent in self.intents for range_ in intent.ranges), self.checkpoint.logs)

    def standing(self, time: int) -> Intent:
        """An epoch without messages behind all of it: its ranges stand where these positions are."""
        positions, logs = sorted(self.positions.items()), self.logs
        ranges = tuple(Range(*at, offset, offset, logs.get(at, "")) for at, offset in positions)
        return Intent(self.last + 1, time, ranges)


class StateStore(Protocol):
    """Used by one thread. Every method may raise TransientError or EngineError.

    A store is fenced as targets are: of two workers of one stream, the one that comes second gets `Fenced`.
    """

    def open(self) -> Restored:
        """Connects, makes its tables where they are missing, and gives what is stored, all of one moment."""

    def last(self) -> int:
        """The number of the last epoch intended, or of the checkpoint behind it."""

    def close(self) -> None:
        """Leaves. May be called twice."""

    def read(self) -> Restored:
        """What is stored, in a transaction of the stream's only target that is open."""

    def intend(self, intent: Intent) -> None:
        """Logs what an epoch takes from outside, its messages and new versions of its lookups with it.

        Raises:
            Fenced: the epoch before it is not the last one here: another worker goes on with this stream.
        """

    def release(self, epoch: int) -> None:
        """The messages of epochs up to this one are acknowledged: they go with what is written next."""

    def beside(self, epoch: Epoch) -> None:
        """Keeps the checkpoint of an epoch in the transaction, which is open, of the stream's only target."""

    def shut(self, time: int) -> Restored:
        """Intends an epoch without messages, so that no worker begins another; gives what was stored before."""

    def save(self, checkpoint: Checkpoint) -> None:
        """Keeps a checkpoint; intents of epochs up to its own are needed no more."""

    def move(self, checkpoint: Checkpoint, last: int) -> None:
        """Puts a checkpoint in place of all that was intended up to the epoch `last`.

        Raises:
            Fenced: that is not the last one here any more.
        """

    def facts(self) -> dict[str, str]:
        """What is remembered by name, for instance the columns that were discovered."""

    def remember(self, facts: Mapping[str, str]) -> None:
        """Adds facts, or replaces them."""
