"""Keys that were seen, each with its event times: sorted columns of numbers, searched for a whole batch at once.

New ones go into a small table that is merged into the large one when it has grown, so that a batch costs no copy of
everything that is remembered.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

GROUPS = 128
"""Key groups: the shards of the state, by the upper bits of the key's hash."""
SLICES = 32
"""Each group is kept in slices of event time, so that what is old is not written again with what is new."""
_SMALL = 32_768


@dataclass
class Entries:
    """Entries in the order of (hi, lo, at): 128 bits of a key, an event time, and the group they are kept in."""

    hi: Any = field(default_factory=lambda: np.empty(0, np.uint64))
    lo: Any = field(default_factory=lambda: np.empty(0, np.uint64))
    at: Any = field(default_factory=lambda: np.empty(0, np.int64))
    group: Any = field(default_factory=lambda: np.empty(0, np.uint16))

    def __len__(self) -> int:
        return len(self.hi)

    @classmethod
    def of(cls, hi: Any, lo: Any, at: Any, group: Any) -> Entries:
        """Entries in any order, sorted."""
        if (hi[1:] > hi[:-1]).all():
            return cls(hi, lo, at, group)
        order = np.lexsort((at, lo, hi))
        return cls(hi[order], lo[order], at[order], group[order])

    def where(self, mask: Any) -> Entries:
        """Some of them."""
        return Entries(self.hi[mask], self.lo[mask], self.at[mask], self.group[mask])

    def places(self, hi: Any, lo: Any, at: Any) -> Any:
        """Before which entry each (hi, lo, at) stands; quick where `hi` is sorted."""
        found, last = np.searchsorted(self.hi, hi), len(self) - 1
        alike = np.flatnonzero(self.hi[np.minimum(found, last)] == hi)
        begin, end = found[alike], found[alike] + 1
        several = np.flatnonzero(self.hi[np.minimum(end, last)] == hi[alike])
        end[several] = np.searchsorted(self.hi, hi[alike[several]], side="right")
        while (open_ := begin < end).any():
            middle = np.minimum((begin + end) // 2, last)
            same = self.lo[middle] == lo[alike]
            before = (self.lo[middle] < lo[alike]) | (same & (self.at[middle] < at[alike]))
            begin = np.where(open_ & before, middle + 1, begin)
            end = np.where(open_ & ~before, middle, end)
        found[alike] = begin
        return found

    def near(self, hi: Any, lo: Any, at: Any, within: int, floor: int) -> Any:
        """Which keys have an entry at most `within` from `at`, and not before `floor`."""
        if not len(self):
            return np.zeros(len(hi), bool)
        after = self.places(hi, lo, at)
        return self._close(after, hi, lo, at, within, floor) | self._close(after - 1, hi, lo, at, within, floor)

    def _close(self, place: Any, hi: Any, lo: Any, at: Any, within: int, floor: int) -> Any:
        """Entries of one key are more than `within` apart, so that only the two neighbours can be close."""
        inside = np.clip(place, 0, len(self) - 1)
        same = (place == inside) & (self.hi[inside] == hi) & (self.lo[inside] == lo)
        there = self.at[inside]
        return same & (np.abs(there - at) <= within) & (there >= floor)

    def merged(self, other: Entries) -> Entries:
        """Both together."""
        if not len(self) or not len(other):
            return self if len(self) else other
        places = self.places(other.hi, other.lo, other.at)
        columns = ((self.hi, other.hi), (self.lo, other.lo), (self.at, other.at), (self.group, other.group))
        return Entries(*(np.insert(own, places, new) for own, new in columns))


@dataclass
class Seen:
    """What is remembered; `changed` are the groups that are not in the last snapshot."""

    within: int
    large: Entries = field(default_factory=Entries)
    small: Entries = field(default_factory=Entries)
    changed: Any = field(default_factory=lambda: np.zeros(GROUPS * SLICES, bool))

    def __len__(self) -> int:
        return len(self.large) + len(self.small)

    @property
    def _step(self) -> int:
        return max(self.within // SLICES, 1)

    def near(self, hi: Any, lo: Any, at: Any, floor: int) -> Any:
        """Which keys were seen at most `within` from `at`, and not before `floor`."""
        found = self.large.near(hi, lo, at, self.within, floor)
        return found | self.small.near(hi, lo, at, self.within, floor)

    def add(self, hi: Any, lo: Any, at: Any) -> None:
        """Remembers keys that are not near."""
        group = ((at // self._step) % SLICES * GROUPS + (hi >> np.uint64(57)).astype(np.int64)).astype(np.uint16)
        self.changed[group] = True
        self.small = self.small.merged(Entries.of(hi, lo, at, group))
        if len(self.small) > max(_SMALL, len(self.large) // 8):
            self.large, self.small = self.large.merged(self.small), Entries()

    def forget(self, floor: int) -> None:
        """Forgets whole slices before `floor`."""
        floor -= floor % self._step
        if (self.large.at < floor).any() or (self.small.at < floor).any():
            self.large, self.small = self._since(self.large, floor), self._since(self.small, floor)

    def _since(self, entries: Entries, floor: int) -> Entries:
        kept = entries.at >= floor
        self.changed[entries.group[~kept]] = True
        return entries.where(kept)

    def take_changed(self) -> tuple[Any, Entries]:
        """The groups that changed since the last call, and what is in them, in the order of the groups."""
        numbers = np.flatnonzero(self.changed)
        parts = [entries.where(self.changed[entries.group]) for entries in (self.large, self.small)]
        columns = zip(*((part.hi, part.lo, part.at, part.group) for part in parts), strict=True)
        both = Entries(*(np.concatenate(pair) for pair in columns))
        self.changed = np.zeros(GROUPS * SLICES, bool)
        return numbers, both.where(np.argsort(both.group, kind="stable"))
