"""From where a source has to be read again to have all rows behind a time: what makes state anew that was edited.

Of each partition, places are kept with the highest event time before each. No row before such a place is newer, in
whatever order rows came. There are few of them, the further apart the older they are: reading from one gives at most
about five times as much of event time as was asked for, but for what is older than all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from flowc.runtime.contracts.epoch import Partition, Range
from flowc.runtime.contracts.positions import Order
from flowc.runtime.contracts.state import Checkpoint, Place

NEVER = -(2**63)
"""The highest event time where there was no row: before everything."""
_LATEST, _DAY = 2**62, 86_400_000_000
_MOST = 8
"""So many places are kept of a partition, besides the first: of several days, and then of the begin."""


@dataclass
class Trail:
    """The places of one stream, in microseconds since 1970 UTC; those of a partition in their order."""

    _places: dict[Partition, list[Place]] = field(default_factory=dict)
    _highest: dict[Partition, int] = field(default_factory=dict)

    @classmethod
    def of(cls, checkpoint: Checkpoint, lateness: int) -> Trail:
        """Goes on where a checkpoint was, also where nothing was kept that asks for places.

        Then there is the mark, less a lateness that may have been another one: a day more is enough for most.
        """
        places = {at: list(kept) for at, kept in checkpoint.trail.items()}
        marks = {at: min(mark, _LATEST) + max(lateness, _DAY) for at, mark in checkpoint.watermarks.items()}
        for at, position in checkpoint.positions.items():
            places.setdefault(at, [(marks.get(at, NEVER), position)])
        return cls(places, {at: kept[-1][0] for at, kept in places.items()})

    def begin(self, ranges: Iterable[Range]) -> None:
        """Learns of partitions that are read."""
        for range_ in ranges:
            self._places.setdefault(range_.at, [(NEVER, range_.start)])

    def saw(self, at: Partition, time: int) -> None:
        """Takes the event time of a row."""
        self._highest[at] = max(time, self._highest.get(at, NEVER))

    def passed(self, positions: Mapping[Partition, str]) -> Mapping[Partition, Sequence[Place]]:
        """Adds the places where everything stands now; gives what a checkpoint keeps."""
        for at, position in positions.items():
            highest, places = self._highest.get(at, NEVER), self._places.setdefault(at, [(NEVER, position)])
            if highest == places[-1][0]:
                places.pop()
            self._places[at] = _thinned([*places, (highest, position)])
        return {at: tuple(places) for at, places in self._places.items()}

    def highest(self, ranges: Iterable[Range], order: Order) -> dict[str, int]:
        """By partition, a time that no row of a range had passed that was taken in."""
        found = {}
        for range_ in ranges:
            behind = (time for time, at in self._places.get(range_.at, ()) if not order.before(at, range_.end))
            found[range_.partition] = next(behind, _LATEST)
        return found


def places_before(trail: Mapping[Partition, Sequence[Place]], time: int) -> dict[Partition, str] | None:
    """The last place of each partition before which no row is at `time` or later; None where one is not known."""
    found = {at: [place for highest, place in places if highest < time] for at, places in trail.items()}
    return {at: places[-1] for at, places in found.items()} if all(found.values()) else None


def distance(starts: Mapping[Partition, str], ends: Mapping[Partition, str]) -> int | None:
    """How many messages lie between positions, about; None where positions are no numbers."""
    pairs = [(start, ends[at]) for at, start in starts.items()]
    if not all(each.isdecimal() for pair in pairs for each in pair):
        return None
    return sum(int(end) - int(start) for start, end in pairs)


def _thinned(places: Sequence[Place]) -> list[Place]:
    """Without those whose neighbours are near to each other, for how long ago they are."""
    kept, newest = list(places[:1]), places[-1][0]
    for place, (behind, _) in pairwise(places[1:]):
        if behind - kept[-1][0] > 4 * (newest - behind):
            kept.append(place)
    kept += places[1:][-1:]
    return [*kept[:1], *kept[1:][-_MOST:]]
