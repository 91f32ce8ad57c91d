"""The contract between a stream and one place that messages come from.

Messages are handed on as they came, undecoded, in Arrow: one row each, of the columns of `RAW` that were asked for.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar, runtime_checkable

import pyarrow as pa

from flowc.errors import EngineError, UsageError
from flowc.runtime.contracts.epoch import Intent, Range
from flowc.runtime.contracts.positions import NUMBERS, Order, numbers, texts
from flowc.stream import MAX_BYTES

_EPOCH = datetime.datetime.fromtimestamp(0, datetime.UTC)

Place = TypeVar("Place")
"""What a source calls partitions and positions: texts, or numbers."""

RAW = ("_value", "_key", "_headers", "_partition", "_offset", "_event_ts")
"""What a message has: `_value` and `_key` (binary; a null value is a tombstone), `_headers` (a list of structs of
`key` and `value`), `_partition` (int32) and `_offset` (int64) where these are numbers, else what the source's order
reads, `_event_ts` (timestamp, microseconds in UTC).

Rows that were never messages, such as those of a snapshot, are structs in `_value`, whose fields go into the columns of
their names. All values of one batch are of one type; the next batch may be of the other.

Beside these, `_event_ms` (int64) is what the broker said in milliseconds where that is outside of the years 1 to 9999:
`_event_ts` is NULL there. `_unread` (of `UNREAD`) is the reason why a message could not be read at all, and has no
`_value`."""

UNREAD = pa.struct([("code", pa.string()), ("message", pa.string()), ("size", pa.int64())])
"""Code and words of an error, and how many bytes were not read: 0 where that is not known, NULL where all are there."""


def start_time(start: str) -> int | None:
    """The instant at which a stream starts, in milliseconds since 1970; None for `earliest` and `latest`.

    Raises:
        UsageError: it is neither, nor an instant with its zone.
    """
    if start in ("earliest", "latest"):
        return None
    try:
        instant = datetime.datetime.fromisoformat(start)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        help = "earliest, latest, or an instant such as 2026-01-31T00:00:00Z"
        raise UsageError(f"a stream cannot start at `{start}`", code="unusable-option", help=help)
    return -((_EPOCH - instant) // datetime.timedelta(milliseconds=1))  # rounded up: nothing from before it


@dataclass(frozen=True, slots=True)
class Polled:
    """Messages of one source as they came, and the ranges that they are of.

    `intent` is there when they are read again for an epoch that was intended before.
    """

    source: str
    messages: pa.RecordBatch
    ranges: tuple[Range, ...]
    read_at: float
    intent: Intent | None = None
    oldest: float | None = None
    """When the first of the messages came to be, in seconds since 1970, where the source tells it cheaply."""
    order: Order = field(default=NUMBERS, compare=False)
    """How the positions of the source follow each other, as its reader tells."""


@dataclass(frozen=True, slots=True)
class Membership(Generic[Place]):
    """What a reader that shares a topic with others asks and tells when partitions change hands.

    Both are called by the thread that polls, before rows of the new partitions are read.
    """

    stored: Callable[[], Mapping[Place, Place]]
    """The stored positions of all partitions of the source, those of other members among them."""
    revoked: Callable[[frozenset[Place]], None] = lambda _: None
    """Told which partitions are gone; what was read of them and not written belongs to somebody else now."""


STREAM = "STREAM"
"""In the help of a source's errors: the name of the stream that reads it."""


def replaced(source: str) -> EngineError:
    """What is said of a topic that is not the one that was read before."""
    return EngineError(
        f"the topic of `{source}` was deleted and made again since it was read: the stored offsets are not of this one",
        code="topic-replaced",
        help=f"if its messages are to be read from the beginning: `flowc rewind {STREAM} --to earliest`",
    )


class PlacedSource(Protocol[Place]):
    """A reader of one source, used by one thread; `commit` may be called by another.

    A position is where a partition is read on. Partitions without a stored position begin where the
    stream starts; where any has one, the others are new and are read from their first message. The first batch has an
    (empty) range for every partition that had none, so that its beginning is stored with it.

    Every method may raise TransientError (the broker cannot be reached), EngineError (it refuses), or UsageError (the
    connection's options are wrong); their messages never hold a secret.
    """

    @property
    def name(self) -> str:
        """The name of the source in its stream."""

    @property
    def log(self) -> str:
        """What tells the log that is read from one that is made when it was deleted: letters, digits, `-` and `_`.

        Known once it is open; '' where nothing tells.
        """

    def read_by(self, former: str, position: str, log: str) -> frozenset[str]:
        """What it reads that the source of that name, which may be itself, has read up to a position.

        Each item identifies the same content in all sources. Empty where `log` identifies what is read.
        """

    def open(self) -> None:
        """Connects, and finds the partitions."""

    def close(self) -> None:
        """Leaves. May be called twice."""

    def assign(self, positions: Mapping[Place, Place]) -> None:
        """Reads all partitions, from the stored positions.

        Raises:
            EngineError: a position is no longer (`retention-gap`) or not yet (`position-beyond-end`) in the log, or
                the log is not the one that was opened (`topic-replaced`).
        """

    def join(self, membership: Membership[Place]) -> None:
        """Reads the partitions that the group gives to this member, from the positions that `membership` tells."""

    def poll(self, max_rows: int, max_wait: float, max_bytes: int = MAX_BYTES) -> Polled | None:
        """The next messages, with the ranges that they are of.

        Returns as soon as `max_rows` are there or the next would make them more than `max_bytes` (the first is taken
        whatever its size is), no more come, or the first has waited `max_wait` seconds; None when
        none came within that time, or within a tenth of a second where that is longer. A range may be longer than its
        rows (what a transaction wrote and gave up, what was compacted away), and a batch may have ranges and no rows.
        Each range starts where the one before it ended.
        """

    @property
    def caught_up(self) -> bool:
        """Whether the last poll handed on all that was there: what it gave nothing of has nothing to give.

        Not while the source cannot be reached. Of what is paused, nothing is said.
        """

    @property
    def behind(self) -> frozenset[Place]:
        """The partitions, paused or not, in which more is there than was handed on, or may be: nothing tells."""

    def pause(self, partitions: Iterable[Place]) -> None:
        """Stops reading these partitions, without leaving them; what is in hand of them still comes."""

    def resume(self, partitions: Iterable[Place]) -> None:
        """Reads them again, where they were left."""

    def positions(self) -> Mapping[Place, Place]:
        """The position of every partition that is read here."""

    def starting(self, start: str) -> Mapping[Place, Place]:
        """Where a stream would begin that starts so: `earliest`, `latest`, or at an instant with its zone.

        Raises:
            UsageError: it is none of these.
        """

    def end_offsets(self) -> Mapping[Place, Place]:
        """Where the readable part of every partition ends now."""

    def commit(self, written: Mapping[Place, Place], durable: Mapping[Place, Place]) -> None:
        """Tells how far the stream is; never fails.

        `written` is behind what targets were given: advice, for those who watch lag. `durable` is behind what nothing
        will be asked of again, whatever happens: what a source may forget.
        """


@runtime_checkable
class StandingSource(Protocol[Place]):
    """A source of which the stored logs say more than which log was read."""

    def stand(self, positions: Mapping[Place, Place], logs: Mapping[Place, str]) -> None:
        """Learns where the stream stands. Called before `assign`, which may go to an earlier position."""

    @property
    def unedited(self) -> bool:
        """Whether it goes on to read by the `path` of the last epoch, and so nothing that it did not read before."""


@dataclass(frozen=True, slots=True)
class Extent:
    """What lies between two positions: files, their bytes as a whole, and rows where these are known."""

    files: int
    bytes: int
    rows: int | None


@runtime_checkable
class SourceOfFiles(Protocol):
    """A numbered source whose positions are places in files, and which can say more of them than their order."""

    def between(self, start: int, end: int) -> Extent:
        """How much is read from one position to another."""

    def shown(self, position: int) -> str:
        """A position for people: the file that is read on there, and the line of it."""

    def unreadable(self, start: int, end: int) -> tuple[str, int] | None:
        """The last file between two positions that is gone or was changed, and the position behind it."""


class Source(PlacedSource[str], Protocol):
    """A source as all others know it: partitions and positions are text that it alone can read and order."""

    @property
    def order(self) -> Order:
        """How its positions follow each other; known before it is open."""


@dataclass
class NumberedSource:
    """A source of which partitions and positions are whole numbers; `inner` knows them as such."""

    inner: PlacedSource[int]

    @property
    def name(self) -> str:
        """Its name."""
        return self.inner.name

    @property
    def order(self) -> Order:
        """That of numbers."""
        return NUMBERS

    @property
    def log(self) -> str:
        """What tells the log that is read from another of its name."""
        return self.inner.log

    def read_by(self, former: str, position: str, log: str) -> frozenset[str]:
        """What it reads that the source of that name has read."""
        return self.inner.read_by(former, position, log)

    def open(self) -> None:
        """Connects, and finds the partitions."""
        self.inner.open()

    def close(self) -> None:
        """Leaves. May be called twice."""
        self.inner.close()

    def stand(self, positions: Mapping[str, str], logs: Mapping[str, str]) -> None:
        """Tells where the stream stands, if that is asked for."""
        if isinstance(self.inner, StandingSource):
            self.inner.stand(numbers(positions), {int(partition): log for partition, log in logs.items()})

    @property
    def unedited(self) -> bool:
        """Whether it goes on to read by the same path."""
        return isinstance(self.inner, StandingSource) and self.inner.unedited

    def assign(self, positions: Mapping[str, str]) -> None:
        """Reads all partitions, from the stored positions."""
        self.inner.assign(numbers(positions))

    def join(self, membership: Membership[str]) -> None:
        """Reads the partitions that the group gives to this member."""

        def revoked(gone: frozenset[int]) -> None:
            membership.revoked(frozenset(map(str, gone)))

        self.inner.join(Membership(lambda: numbers(membership.stored()), revoked))

    def poll(self, max_rows: int, max_wait: float, max_bytes: int = MAX_BYTES) -> Polled | None:
        """The next messages, with the ranges that they are of."""
        return self.inner.poll(max_rows, max_wait, max_bytes)

    @property
    def caught_up(self) -> bool:
        """Whether the last poll handed on all that was there."""
        return self.inner.caught_up

    @property
    def behind(self) -> frozenset[str]:
        """The partitions in which more is there, or may be."""
        return frozenset(map(str, self.inner.behind))

    def pause(self, partitions: Iterable[str]) -> None:
        """Stops reading these partitions, without leaving them."""
        self.inner.pause(map(int, partitions))

    def resume(self, partitions: Iterable[str]) -> None:
        """Reads them again, where they were left."""
        self.inner.resume(map(int, partitions))

    def positions(self) -> Mapping[str, str]:
        """The position of every partition that is read here."""
        return texts(self.inner.positions())

    def starting(self, start: str) -> Mapping[str, str]:
        """Where a stream would begin that starts so."""
        return texts(self.inner.starting(start))

    def end_offsets(self) -> Mapping[str, str]:
        """Where the readable part of every partition ends now."""
        return texts(self.inner.end_offsets())

    def commit(self, written: Mapping[str, str], durable: Mapping[str, str]) -> None:
        """Tells how far the stream is; never fails."""
        self.inner.commit(numbers(written), numbers(durable))


def files_of(source: Source) -> SourceOfFiles | None:
    """What a source says of its positions as places in files; None for one that does not read files."""
    inner = source.inner if isinstance(source, NumberedSource) else None
    return inner if isinstance(inner, SourceOfFiles) else None
