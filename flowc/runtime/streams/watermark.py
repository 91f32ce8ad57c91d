"""How far a stream's event time is: the time before which no more rows are expected.

A partition's mark is the highest event time of its rows less the lateness. The watermark is the least mark of the
partitions that count, and never goes back. A partition that was never heard of has no mark and holds it back, unless it
is set aside: then it was silent for `idle` while the stream was reading. When all are set aside, the watermark goes on
from the highest mark as time passes. A partition that has ended does not count; when all have, the watermark stays.

Silence is measured while a source is read and has nothing more to give, not by the clock on the wall: what a slow
target holds back is not silent, nor what waits behind other messages, is held because it is ahead of others, or cannot
be reached.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from flowc.runtime.contracts.epoch import Partition, Range
from flowc.runtime.contracts.state import Checkpoint
from flowc.runtime.streams.alignment import Alignment
from flowc.runtime.streams.trail import Trail
from flowc.stream import WatermarkPlan

WHOLE: Partition = ("", "0")
"""Under which a checkpoint keeps the watermark of the stream itself."""
_UNKNOWN = ""
"""In place of the partitions of a source of which none is known."""
ENDED = 2**63 - 1
"""In place of the mark of a partition of which nothing comes any more."""
_STEP = 1_000_000


@dataclass
class Watermarks:
    """The marks of one stream, in microseconds since 1970 UTC. `sources` are its sources' names."""

    plan: WatermarkPlan
    sources: Sequence[str]
    longest: int = _STEP
    """The longest time between two looks, in microseconds, that counts as reading. On a clock that goes on only while
    the stream reads, as that of tests, any does: however long the silence, it is taken at once."""
    alignment: Alignment | None = None
    """Told how far time is: what is ahead of the slowest partition is held."""
    value: int | None = field(default=None, init=False)
    """The watermark."""
    trail: Trail = field(default_factory=Trail, init=False)
    """Told of the same times, by where they were read."""
    _marks: dict[Partition, int] = field(default_factory=dict, init=False)
    _silent: dict[Partition, int] = field(default_factory=dict, init=False)
    """The partitions that are known, and for how many microseconds each gave no row."""
    _owed: dict[Partition, int] = field(default_factory=dict, init=False)
    """The silence of those that gave messages, which counts unless a row comes of these."""
    _looked: dict[str, int] = field(default_factory=dict, init=False)
    """When each source was taken from last."""

    def look(self, time: int, source: str, ranges: Iterable[Range] = (), *, caught_up: bool = True) -> int | None:
        """The watermark at a time of the stream's clock; called whenever a source was taken from, messages or none.

        It is the one before the messages of these ranges. `caught_up` says that nothing more of the source waits
        anywhere: then its partitions that gave nothing were silent since the last time.
        """
        passed = min(max(time - self._looked.get(source, time), 0), self.longest) if caught_up else 0
        self._looked[source] = time
        moved = {range_.at for range_ in ranges if range_.moves}
        held = self.alignment.held(source) if self.alignment is not None else frozenset()
        for at in {*(at for at in self._silent if at[0] == source), (source, _UNKNOWN)}:
            self._silent[at] = self._silent.get(at, 0) + self._owed.pop(at, 0)
            self._silent[at] += passed * (at not in moved and at[1] not in held)
        self._owed.update(dict.fromkeys(moved, passed))
        found = self._found()
        if found is not None:
            self.at_least(found)
        return self.value

    def align(self, time: int) -> None:
        """Tells how far the partitions are that count; called behind each look, and behind what came of it."""
        if self.alignment is not None:
            marks = {at: self._marks.get(at) for at in self._active(self._known())}
            # Of a mark that is beyond the clock others are not behind, but of the clock.
            self.alignment.move({a: m if m is None else min(m, time) for a, m in marks.items()}, self.value)

    def at_least(self, value: int) -> None:
        """Moves on to a watermark that was decided before."""
        self.value = value if self.value is None else max(self.value, value)

    def ranges(self, ranges: Iterable[Range]) -> None:
        """Learns of partitions that are read, and of those that end: these hold nothing back any more."""
        ranges = tuple(ranges)
        self.trail.begin(ranges)
        for range_ in ranges:
            self._silent.setdefault(range_.at, 0)
            if range_.last:
                self._marks[range_.at] = ENDED

    def advance(self, source: str, partitions: pa.Array, times: pa.Array) -> None:
        """Takes the event times of rows, and the partitions that they came from."""
        rows = pa.table([partitions, times.cast(pa.int64())], ["partition", "time"])
        highest = rows.group_by("partition").aggregate([("time", "max")])
        for partition, time in zip(*(highest.column(n).to_pylist() for n in ("partition", "time_max")), strict=True):
            at = source, str(partition)
            self._silent[at] = self._owed[at] = 0
            if time is not None:
                self._marks[at] = max(time - self.plan.lateness, self._marks.get(at, time - self.plan.lateness))
                self.trail.saw(at, time)

    def set_aside(self, partitions: Iterable[Partition]) -> None:
        """Has partitions count as silent for as long as sets them aside."""
        for at in partitions:
            self._silent[at] = max(self._silent.get(at, 0), self.plan.idle or 0)
            self._owed.pop(at, None)

    def reach(self, time: int) -> None:
        """Goes on to a time, unless it is past that: the marks of all partitions do, as with rows that late."""
        for at in [at for name in self.sources for at in self._partitions(name) if self._marks.get(at) != ENDED]:
            self._marks[at] = max(time, self._marks.get(at, time))
            self._silent[at] = self._owed[at] = 0

    def restore(self, checkpoint: Checkpoint) -> None:
        """Goes on where a checkpoint was."""
        self._marks = {at: mark for at, mark in checkpoint.watermarks.items() if at != WHOLE}
        self._silent, self._owed = dict.fromkeys((*checkpoint.positions, *self._marks), 0), {}
        self.value, self._looked = checkpoint.watermarks.get(WHOLE), {}
        self.trail = Trail.of(checkpoint, self.plan.lateness)

    def known(self) -> Mapping[Partition, int]:
        """The marks of partitions that were heard of and have not ended, for those who watch."""
        return {at: mark for at, mark in dict(self._marks).items() if mark != ENDED}

    def marks(self) -> Mapping[Partition, int]:
        """What a checkpoint keeps."""
        return self._marks if self.value is None else {**self._marks, WHOLE: self.value}

    def _found(self) -> int | None:
        known = self._known()
        active = self._active(known)
        if active:
            marks = [self._marks[at] for at in active if at in self._marks]
            return min(marks) if len(marks) == len(active) else None
        marks = [self._marks[at] for at in known if at in self._marks]
        silence = min((self._silent.get(at, 0) for at in known), default=0)
        return max(marks) + silence - (self.plan.idle or 0) if marks else None

    def _known(self) -> list[Partition]:
        """The partitions of which something may come."""
        return [at for name in self.sources for at in self._partitions(name) if self._marks.get(at) != ENDED]

    def _active(self, known: Sequence[Partition]) -> list[Partition]:
        """Those that are not set aside."""
        return [at for at in known if self.plan.idle is None or self._silent.get(at, 0) < self.plan.idle]

    def _partitions(self, source: str) -> list[Partition]:
        """Those of a source; one that stands for all while none is known."""
        return [at for at in self._silent if at[0] == source and at[1] != _UNKNOWN] or [(source, _UNKNOWN)]
