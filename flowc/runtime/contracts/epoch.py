"""The epoch: what it takes from outside, and the rows that come of that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from flowc.runtime.badrows import BadRow
    from flowc.runtime.contracts.state import Checkpoint
    from flowc.runtime.streams.lookups import Version

Partition = tuple[str, str]
"""A source's name and one of its partitions, a text that the source reads."""
Origin = tuple[str, str, str]
"""A partition, and what tells the log from another of that name; see `Range.log`."""


@dataclass(frozen=True, slots=True)
class Range:
    """Messages of one partition: from one position to another.

    Positions, as partitions, are text that only the source can read and order (see `contracts.positions`).
    `log` tells the log that they are of from another one of that name, made when the first was deleted; '' where the
    source cannot tell. A source of files stores there how it came to the position. `last` says that nothing comes
    behind them, ever: a closed shard, a snapshot that is read. Those that go on in its place begin in the same batch.
    """

    source: str
    partition: str
    start: str
    end: str
    log: str = field(default="", compare=False)
    last: bool = field(default=False, compare=False)

    @classmethod
    def numbered(cls, source: str, partition: int, start: int, end: int, log: str = "", *, last: bool = False) -> Range:
        """One whose partition and positions are numbers."""
        return cls(source, str(partition), str(start), end=str(end), log=log, last=last)

    @property
    def moves(self) -> bool:
        """Whether it goes on; else it stands at its position, and has no message."""
        return self.start != self.end

    @property
    def at(self) -> Partition:
        """The partition it is of."""
        return self.source, self.partition

    @property
    def origin(self) -> Origin:
        """The partition and the log it is of."""
        return self.source, self.partition, self.log


@dataclass(frozen=True, slots=True)
class Maker:
    """The plan that intends epochs: what tells it from others, and the plan itself, as a store keeps it.

    See `flowc.runtime.streams.plantext`.
    """

    fingerprint: str
    data: bytes = field(default=b"", compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Intent:
    """What an epoch takes from outside: the same intent gives the same rows.

    Epochs of a stream are numbered from 1. `time` is what `now()` is in it, in microseconds since 1970 UTC;
    `watermark` is the one before its rows, in the same unit. `messages` are there of a source that cannot be read
    again, with the `_id` of each. `versions` are those of the lookups, where a replay must see them again. `maker` is
    the plan that makes the rows; None for an epoch that has none, whoever writes it. `count` is the number of messages
    that were read; None where nobody counted them. `refused` are the rows that the first target refuses, where others
    get the epoch without them.
    """

    number: int
    time: int
    ranges: tuple[Range, ...]
    watermark: int | None = None
    messages: pa.RecordBatch | None = field(default=None, compare=False, repr=False)
    versions: Mapping[str, Version] | None = field(default=None, compare=False, repr=False)
    maker: Maker | None = field(default=None, compare=False, repr=False)
    count: int | None = field(default=None, compare=False)
    refused: tuple[BadRow, ...] = field(default=(), compare=False)

    @property
    def shuts(self) -> bool:
        """Whether it takes nothing and lets nothing out: its number alone shuts other workers out."""
        return (self.maker, self.messages, self.watermark) == (None,) * 3 and not any(r.moves for r in self.ranges)


END = 2**63 - 1
"""In place of an epoch's watermark: the input has ended, and the watermark stays where it is."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """An intent and what became of it. `messages` counts what was read, bad rows included.

    `dead` are the messages that go to dead letters, of the columns of `flowc.stream.DEAD_LETTER`; `checkpoint` is
    there when the state after this epoch is to be kept. `without` makes the epoch again without the messages of rows
    that a target refuses, told by their index; None where rows are not known by the messages that they came of.
    """

    intent: Intent
    rows: pa.RecordBatch
    messages: int
    read_at: float = field(default=0.0)
    dead: pa.RecordBatch | None = None
    checkpoint: Checkpoint | None = None
    late: int = 0
    """How many rows came too late and are counted alone."""
    late_letters: int = 0
    """How many came too late and are dead letters."""
    emitted: Mapping[str, int] = field(default_factory=dict)
    """How many rows came out of each window and join."""
    without: Callable[[Sequence[BadRow]], Epoch] | None = None

    @property
    def number(self) -> int:
        """Its number."""
        return self.intent.number

    @property
    def ranges(self) -> tuple[Range, ...]:
        """What it read."""
        return self.intent.ranges


def after(ranges: Iterable[Range], positions: Mapping[Partition, str]) -> dict[Partition, str]:
    """The positions after an epoch."""
    return {**positions, **{r.at: r.end for r in ranges}}


def logs_after(ranges: Iterable[Range], logs: Mapping[Partition, str]) -> dict[Partition, str]:
    """The logs that the positions after an epoch are of, where that is known."""
    return {**logs, **{r.at: r.log for r in ranges if r.log}}
