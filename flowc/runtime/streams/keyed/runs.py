"""Rows that are told by a key: sorted columns of numbers, searched for a whole batch at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

GROUPS = 64
"""Key groups: the shards of the state, by the upper bits of the key's hash."""
_SHIFT = np.uint64(58)
ROW_BYTES = 32
"""What a row takes beside its values."""


@dataclass
class Run:
    """Rows in the order of (hi, lo, at): 128 bits of a key, the row's time, and its number, which no other row has."""

    hi: Any = field(default_factory=lambda: np.empty(0, np.uint64))
    lo: Any = field(default_factory=lambda: np.empty(0, np.uint64))
    at: Any = field(default_factory=lambda: np.empty(0, np.int64))
    row: Any = field(default_factory=lambda: np.empty(0, np.int64))

    def __len__(self) -> int:
        return len(self.hi)

    @classmethod
    def of(cls, hi: Any, lo: Any, at: Any, row: Any) -> Run:
        """Rows in any order, sorted."""
        if (hi[1:] > hi[:-1]).all():
            return cls(hi, lo, at, row)
        order = np.argsort(hi)
        found = hi[order]
        same = found[1:] == found[:-1]
        ties = np.flatnonzero(np.append(same, False) | np.append(False, same))
        alike = order[ties]
        order[ties] = alike[np.lexsort((row[alike], at[alike], lo[alike], hi[alike]))]
        return cls(hi[order], lo[order], at[order], row[order])

    @classmethod
    def together(cls, *runs: Run) -> Run:
        """Rows of several, one behind the other: not sorted."""
        if len(runs) == 1:
            return runs[0]
        return cls(*(np.concatenate(columns) for columns in zip(*(run.columns for run in (cls(), *runs)), strict=True)))

    @property
    def columns(self) -> tuple[Any, Any, Any, Any]:
        """hi, lo, at and row."""
        return self.hi, self.lo, self.at, self.row

    @property
    def group(self) -> Any:
        """The key group of each row."""
        return (self.hi >> _SHIFT).astype(np.int64)

    def where(self, chosen: Any) -> Run:
        """Some of them, by a mask or by their places."""
        return Run(*(column[chosen] for column in self.columns))

    def places(self, hi: Any, lo: Any, at: Any, *, behind: bool = False) -> Any:
        """Before which row each (hi, lo, at) stands, or `behind` those that equal it; quick where `hi` is sorted."""
        found, last = np.searchsorted(self.hi, hi), len(self) - 1
        alike = np.flatnonzero(self.hi[np.minimum(found, last)] == hi)
        begin, end = found[alike], found[alike] + 1
        several = np.flatnonzero(self.hi[np.minimum(end, last)] == hi[alike])
        end[several] = np.searchsorted(self.hi, hi[alike[several]], side="right")
        while (open_ := begin < end).any():
            middle = np.minimum((begin + end) // 2, last)
            same, there = self.lo[middle] == lo[alike], self.at[middle]
            earlier = there <= at[alike] if behind else there < at[alike]
            before = (self.lo[middle] < lo[alike]) | (same & earlier)
            begin = np.where(open_ & before, middle + 1, begin)
            end = np.where(open_ & ~before, middle, end)
        found[alike] = begin
        return found

    def near(self, hi: Any, lo: Any, at: Any, within: int, floor: int) -> Any:
        """Which keys have a row at most `within` from `at`, and not before `floor`.

        For rows of which those of one key are more than `within` apart.
        """
        if not len(self):
            return np.zeros(len(hi), bool)
        after = self.places(hi, lo, at)
        return self._close(after, hi, lo, at=at, within=within, floor=floor) | self._close(
            after - 1, hi, lo, at=at, within=within, floor=floor
        )

    def _close(self, place: Any, hi: Any, lo: Any, *, at: Any, within: int, floor: int) -> Any:
        """Only the two neighbours can be close."""
        inside = np.clip(place, 0, len(self) - 1)
        same = (place == inside) & (self.hi[inside] == hi) & (self.lo[inside] == lo)
        there = self.at[inside]
        return same & (np.abs(there - at) <= within) & (there >= floor)

    def between(self, hi: Any, lo: Any, least: Any, most: Any) -> tuple[Any, Any]:
        """From where and up to where the rows of each key stand whose time is from `least` to `most`."""
        if not len(self):
            return np.zeros(len(hi), np.int64), np.zeros(len(hi), np.int64)
        begin, last = np.searchsorted(self.hi, hi), len(self) - 1
        place = np.minimum(begin, last)
        alike = self.hi[place] == hi
        there = self.at[place]
        end = begin + (alike & (self.lo[place] == lo) & (there >= least) & (there <= most))
        # Most keys have one row at most; those of the others are searched for by their times.
        several = np.flatnonzero(alike & (self.hi[np.minimum(begin + 1, last)] == hi) & (begin < last))
        if len(several):
            begin[several] = self.places(hi[several], lo[several], least[several])
            end[several] = self.places(hi[several], lo[several], most[several], behind=True)
        return begin, end

    def each(self, begin: Any, end: Any) -> tuple[Any, Run]:
        """The rows of such places: for each the number of the place that it is of, and the rows."""
        counts = end - begin
        asked = np.repeat(np.arange(len(begin)), counts)
        within = np.arange(len(asked)) - np.repeat(np.cumsum(counts) - counts, counts)
        return asked, self.where(begin[asked] + within)

    def merged(self, other: Run) -> Run:
        """Both together."""
        if not len(self) or not len(other):
            return self if len(self) else other
        places = self.places(other.hi, other.lo, other.at) + np.arange(len(other))
        own = np.ones(len(self) + len(other), bool)
        own[places] = False
        return Run(*(_mixed(one, new, own, places) for one, new in zip(self.columns, other.columns, strict=True)))


def _mixed(one: Any, other: Any, own: Any, places: Any) -> Any:
    made = np.empty(len(own), one.dtype)
    made[own], made[places] = one, other
    return made
