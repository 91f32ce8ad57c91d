"""Partitions that run ahead of the slowest one are held, so that little has to wait for the watermark.

What is remembered until the watermark passes is all that was read ahead of the slowest partition: of a backlog in
which one is read ten times as fast, nearly everything. So a partition whose mark is more than `drift` ahead of the
least is paused, and read again when it is half of that ahead.

The slowest is never held, so somebody always goes on. One that has nothing more to read now holds the others only
until it is set aside as idle; where it never is, or the run ends where sources end, it holds nobody.

The thread that computes tells how far time is; the readers tell what they have to read, and ask what they may.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from flowc.runtime.contracts.epoch import Partition
from flowc.stream import WatermarkPlan


@dataclass
class Alignment:
    """What is held of one stream. Times are in microseconds.

    `patient` says that a partition with nothing to read holds the others, for it is set aside some time.
    """

    drift: int
    patient: bool
    _marks: Mapping[Partition, int | None] = field(default_factory=dict, init=False)
    _first: int | None = field(default=None, init=False)
    """In place of the mark of a partition that was never heard of, where there is no watermark yet."""
    _behind: dict[str, frozenset[str]] = field(default_factory=dict, init=False)
    _held: dict[str, frozenset[str]] = field(default_factory=dict, init=False)
    _since: dict[str, frozenset[str]] = field(default_factory=dict, init=False)
    """What was held at any time since somebody asked."""
    _changed: threading.Condition = field(default_factory=threading.Condition, init=False)

    @classmethod
    def of(cls, plan: WatermarkPlan, *, once: bool) -> Alignment | None:
        """That of a run; None where partitions may be as far apart as they are."""
        return None if plan.max_drift is None else cls(plan.max_drift, plan.idle is not None and not once)

    def move(self, marks: Mapping[Partition, int | None], watermark: int | None) -> None:
        """Takes the marks of all partitions that count, None of those that were never heard of.

        Nothing waits for what is before the watermark, so a partition that is behind it counts as if it were there:
        one that was set aside has others held neither when it is back, nor when the stream begins again.
        """
        with self._changed:
            known = [mark for mark in marks.values() if mark is not None]
            if self._first is None and known:
                self._first = min(known)
            floor = self._first if watermark is None else watermark
            self._marks = {at: floor if m is None or floor is None else max(m, floor) for at, m in marks.items()}
            self._changed.notify_all()

    def tell(self, source: str, behind: Iterable[str]) -> None:
        """Takes the partitions of a source in which there is more to read; behind each poll, the last one too."""
        with self._changed:
            self._behind[source] = frozenset(behind)
            self._changed.notify_all()

    def hold(self, source: str) -> frozenset[str]:
        """Which partitions of a source are not to be read now."""
        with self._changed:
            self._held[source] = held = self._ahead(source)
            self._since[source] = self._since.get(source, frozenset()) | held
            return held

    def wait(self, source: str, seconds: float) -> bool:
        """Waits until less is to be held of a source, for so long at most; says whether it is."""
        with self._changed:
            held = self._held.get(source, frozenset())
            return self._changed.wait_for(lambda: held > self._ahead(source), seconds)

    def held(self, source: str) -> frozenset[str]:
        """What was held of a source at any time since the last call: that is not silent."""
        with self._changed:
            since = self._since.get(source, frozenset())
            self._since[source] = self._held.get(source, frozenset())
            return since

    @property
    def paused(self) -> frozenset[Partition]:
        """What is held now, for those who watch."""
        with self._changed:
            return frozenset((source, partition) for source, held in self._held.items() for partition in held)

    def _ahead(self, source: str) -> frozenset[str]:
        least, before = self._least(), self._held.get(source, frozenset())
        if least is None:
            return frozenset()
        return frozenset(
            partition
            for (name, partition), mark in self._marks.items()
            if name == source and mark is not None and mark - least > self.drift // (1 + (partition in before))
        )

    def _least(self) -> int | None:
        """The least mark of those that others wait for."""
        marks = (mark for at, mark in self._marks.items() if mark is not None and self._counts(at))
        return min(marks, default=None)

    def _counts(self, at: Partition) -> bool:
        source, partition = at
        behind = self._behind.get(source, frozenset())
        return self.patient or partition in behind or (not partition and bool(behind))
