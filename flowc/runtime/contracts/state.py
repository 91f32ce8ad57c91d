"""The contract of a state store: intents, checkpoints and facts of one stream, each durable when its method returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from flowc.runtime.badrows import BadRow
from flowc.runtime.contracts.epoch import Epoch, Intent, Partition, Range, after, logs_after
from flowc.runtime.contracts.marks import Marks

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Segment:
    """What changed in one key group of a node since the segment before, in bytes that the node reads.

    `fingerprint` tells by what it was written. `sequence` is the epoch of the checkpoint that it came with, which no
    other segment of the group has; a node leaves it 0.
    """

    node: str
    fingerprint: str
    group: int
    sequence: int
    data: bytes
    rows: int = 0
    """How many rows more there are with it, or less."""
    whole: bool = False
    """Whether it holds the group as a whole, so that those before it are needed no more."""


Place = tuple[int, str]
"""A position of a partition behind the highest event time (microseconds) of all rows before it."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state after an epoch.

    `segments` hold what changed since the checkpoint before it; of a restored checkpoint, all that there is. Before
    they come, what is kept of the nodes that are `dropped` goes. `watermarks` are those of the partitions, in
    microseconds; `fingerprints` are those of the nodes that there were; `logs` are those that the positions are of, as
    in `Range`. `times` are the columns that event time was in, by sources; `trail` tells from where it is read again
    (`flowc.runtime.streams.trail`), and is there where a node may ask for that. `targets` are the marks of the stream's
    targets; None where that is not known.
    """

    epoch: int = 0
    positions: Mapping[Partition, str] = field(default_factory=dict)
    watermarks: Mapping[Partition, int] = field(default_factory=dict)
    segments: tuple[Segment, ...] = ()
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    logs: Mapping[Partition, str] = field(default_factory=dict)
    dropped: frozenset[str] = frozenset()
    times: Mapping[str, str] = field(default_factory=dict)
    trail: Mapping[Partition, Sequence[Place]] = field(default_factory=dict)
    targets: Marks | None = None

    def then(self, later: Checkpoint) -> Checkpoint:
        """This one and the next as one."""
        kept = (segment for segment in self.segments if segment.node not in later.dropped)
        return replace(later, segments=(*kept, *later.segments), dropped=self.dropped | later.dropped)


@dataclass(frozen=True, slots=True)
class NodeState:
    """What is kept of a node: rows, segments and their bytes, and of these what came with the last checkpoint."""

    rows: int = 0
    segments: int = 0
    bytes: int = 0
    last_bytes: int = 0

    def plus(self, rows: int, size: int) -> NodeState:
        """With a segment more."""
        return replace(self, rows=self.rows + rows, segments=self.segments + 1, bytes=self.bytes + size)


@dataclass(frozen=True, slots=True)
class Saved:
    """The last checkpoint that was kept: when (by `time.monotonic`), how long that took, and what there is since."""

    at: float
    seconds: float
    nodes: Mapping[str, NodeState] = field(default_factory=dict)


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
    def positions(self) -> Mapping[Partition, str]:
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

    saved: Saved | None
    """What is known of the last checkpoint; None before one is restored or kept."""

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

    def refuse(self, epoch: int, rows: Sequence[BadRow]) -> None:
        """Adds to an intent which rows the first target refuses, before another target gets the epoch without them.

        Raises:
            Fenced: the epoch is not intended any more, or another worker has added some.
        """

    def release(self, epoch: int) -> None:
        """The messages of epochs up to this one are acknowledged: they go with what is written next."""

    def beside(self, epoch: Epoch) -> None:
        """Keeps the checkpoint of an epoch in the transaction, which is open, of the stream's only target."""

    def shut(self, time: int) -> Restored:
        """Intends an epoch without messages, so that no worker begins another; gives what was stored before."""

    def catch_up(self, epoch: int) -> None:
        """Takes the number of the only target's last epoch for its own, in the target's transaction."""

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
        """Adds facts, which stay as they are.

        Raises:
            Fenced: another worker has stored others under these names.
        """
