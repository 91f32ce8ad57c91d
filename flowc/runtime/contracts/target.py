"""The contract between a stream and one place that it writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

from flowc.errors import FlowcError
from flowc.runtime.badrows import BadRow
from flowc.runtime.contracts.database import Database
from flowc.runtime.contracts.epoch import Epoch, Partition, Range
from flowc.runtime.contracts.marks import Mark
from flowc.targets import TargetPlan

MOVED = 1 << 62
"""An epoch, or an offset, that is kept under a name that a stream no longer has: who goes on with it is stopped."""


class Fenced(FlowcError):
    """Another worker has moved on; what this one holds in hand must be read again from what is stored."""

    def __init__(self, message: str) -> None:
        super().__init__(
            message,
            code="stream-fenced",
            help="nothing was written; run one worker for each stream: begun again, it goes on where the other stopped",
        )

    @classmethod
    def at(cls, range_: Range) -> Fenced:
        """A position that is not where this worker left it."""
        return cls(f"another worker wrote partition {range_.partition} of `{range_.source}` beyond {range_.start}")


class PutBack(Fenced):
    """The target holds an older epoch than this worker has written there: the next attempt finds out what is lost."""

    def __init__(self, target: str, epoch: int, written: int) -> None:
        super().__init__(f"`{target}` holds epoch {epoch}, and this worker has written epoch {written} there")
        self.code = "target-behind"
        self.help = "nothing was written; the target was made anew or put back from a copy: run the stream again"


@dataclass(frozen=True, slots=True)
class Held:
    """What a target holds: the number of the last epoch (0: none), and the positions after it where it keeps them.

    `logs` are those that the positions are of, as in `Range`. `lost` are partitions that were read, and of which the
    target does not know any more how far. `absent` says that the table or topic that the positions are of is gone.
    `place` is as in `Mark`. Of a target that was not asked (`unasked`) nothing is known.
    """

    epoch: int = 0
    positions: Mapping[Partition, str] = field(default_factory=dict)
    logs: Mapping[Partition, str] = field(default_factory=dict)
    lost: frozenset[Partition] = frozenset()
    absent: bool = False
    place: str = ""
    unasked: bool = False

    @property
    def mark(self) -> Mark:
        """The same in short."""
        return Mark(self.epoch, self.place)


class Writer(Protocol):
    """One target of one stream, used by one thread.

    A target that keeps positions can be a stream's only memory; one that keeps the number of the last epoch alone
    needs a state store with intents beside it. Methods may raise TransientError (it may be tried again after `open`),
    DataError or EngineError.
    """

    @property
    def mark(self) -> Mark:
        """What the target itself has recorded, as this writer knows since it was opened; an epoch may say nothing."""

    def open(self) -> Held:
        """Connects, makes what is missing, clears what an unfinished epoch left, and gives what is held.

        May be called again after a failure.
        """

    def look(self) -> Held:
        """What is held now. Makes nothing, clears nothing and shuts nobody out; connects where that was not done."""

    def write(self, epoch: Epoch) -> int:
        """Takes an epoch; gives the number of the last epoch that is now durable.

        That is the epoch itself, or an earlier one where rows of several epochs go into one file. An epoch
        without rows, such as the one that moves a stream, may lack their columns too.

        Raises:
            Fenced: another worker was there first.
        """

    def flush(self) -> int:
        """Makes durable what was taken; gives the number of the last epoch that is."""

    def close(self) -> None:
        """Leaves without making anything durable. May be called twice."""


def _nothing(_: str) -> None:
    return


@dataclass(frozen=True, slots=True)
class TargetOpening:
    """What a writer is opened with: the plan of its target, the options of its connection, and who writes."""

    plan: TargetPlan
    stream: str
    """The name under which the stream keeps what it has written."""
    options: Mapping[str, object] = field(repr=False)
    session: Callable[[], Database] = field(repr=False)
    """The session that writes to the connection, where that is a database. Others use it too."""
    former: str = ""
    """The name under which the stream was stored before its project was renamed."""
    pause: Callable[[str], None] = _nothing
    """Called with the name of each point between two steps; campaigns of crashes hook in here."""


OpenTarget = Callable[[TargetOpening], Writer]
"""Makes a writer; `Writer.open` connects. Raises UsageError for options that are wrong."""


@runtime_checkable
class Publishing(Writer, Protocol):
    """A target that makes epochs durable between two calls, too, as time passes."""

    def check(self) -> None:
        """Raises what failed there: a stream to which nothing comes writes nothing that would tell it."""


@runtime_checkable
class Fencing(Writer, Protocol):
    """A target without positions, where workers that opened it before may commit until it is fenced."""

    def fence(self) -> None:
        """Shuts out all workers that have opened it before, this one too until it opens it again.

        Raises TransientError where one of them writes meanwhile.
        """


def fence_all(writers: Sequence[Writer]) -> None:
    """Shuts other workers out of all targets that can."""
    for writer in writers:
        if isinstance(writer, Fencing):
            writer.fence()


@runtime_checkable
class Counting(Writer, Protocol):
    """A target that tells whether it has rows, whoever wrote them."""

    def has_rows(self) -> bool | None:
        """Whether it has rows; None where it is gone, or where a worker may not read it."""


@runtime_checkable
class Owned(Writer, Protocol):
    """A target that tells the streams of one name apart that several projects have."""

    def require_own(self) -> None:
        """Raises UsageError where what is held is of another project's stream. Looks only."""


@runtime_checkable
class Measuring(Writer, Protocol):
    """A target that takes no row above a size, which it knows before it writes."""

    def oversized(self, epoch: Epoch) -> Sequence[BadRow]:
        """The rows of an epoch that are too large for it, in order, each with its reason."""


def measured(epoch: Epoch, writers: Sequence[Writer]) -> Epoch:
    """An epoch without the messages of rows that are too large for one of its targets.

    Targets are asked before any of them takes the epoch, so that all of them have the same rows; and again when rows
    were left out, for then a change that came before one of them counts. Where rows are not known by their messages,
    the target refuses the epoch when it is written.
    """
    asked = [writer for writer in writers if isinstance(writer, Measuring)]
    while epoch.without is not None and (bad := next(filter(None, (w.oversized(epoch) for w in asked)), ())):
        epoch = replace(epoch.without(bad), checkpoint=epoch.checkpoint)
    return epoch


@runtime_checkable
class Judge(Writer, Protocol):
    """A target that has a judgement of its own of rows, such as constraints."""

    def refused(self, epoch: Epoch, most: int | None = None) -> Sequence[BadRow]:
        """The first `most` rows of an epoch that it refuses, in order, each with its reason. Nothing is written."""
