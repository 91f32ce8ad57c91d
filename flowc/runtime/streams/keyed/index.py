"""A hash index of (hi, lo, at), which gives each a slot: looked up, filled and emptied for a whole batch at once."""

from __future__ import annotations

import secrets
from typing import Any

import numpy as np

_EMPTY, _LEFT = -1, -2
"""In place of a slot: nothing was ever there, or something that is gone."""
_LEAST = 1024
_MIX = np.uint64(0x9E3779B97F4A7C15)
_HALF = np.uint64(32)
_ONE, _TWO = (np.uint64(secrets.randbits(64) | 1) for _ in range(2))
"""Others in each process, so that nobody can choose keys that all begin at one place (multiply-shift hashing,
Dietzfelbinger et al., 1997)."""


class Index:
    """Slots are small numbers from 0; those of what was removed are given again."""

    def __init__(self) -> None:
        self._both = np.empty((0, 2), np.uint64)
        """`hi` and `at` of each slot beside each other, for both are looked at together, at places in any order."""
        self.lo, self._wide = np.empty(0, np.uint64), False
        """Short keys have 0 in all of `lo`; whether one has more."""
        self.used = np.empty(0, bool)
        """Which slots are given."""
        self._place = np.empty(0, np.int32)
        """Where in the table a slot stands."""
        self._free = np.empty(0, np.int64)
        self._spare = 0
        """How many of `_free`, from its begin, are free."""
        self.end = 0
        """No slot was given from here on."""
        self._grow(_LEAST)
        self._clean(2 * _LEAST)

    def __len__(self) -> int:
        return self.end - self._spare

    @property
    def hi(self) -> Any:
        """The upper 64 bits of the key of each slot."""
        return self._both[:, 0]

    @property
    def at(self) -> Any:
        """The time of each slot."""
        return self._both.view(np.int64)[:, 1]

    @property
    def capacity(self) -> int:
        """How many slots there is room for."""
        return len(self.lo)

    @property
    def nbytes(self) -> int:
        """What it takes in memory."""
        columns = (self._both, self.lo, self.used, self._place, self._free, self._table)
        return sum(column.nbytes for column in columns)

    def find(self, hi: Any, lo: Any, at: Any) -> Any:
        """The slots of keys; -1 for those that have none."""
        return self._found(hi, lo, at, self._begin(hi, at))

    def _found(self, hi: Any, lo: Any, at: Any, place: Any) -> Any:
        """The same, from places on, which are moved to where each key is, or could be."""
        wide = self._wide or bool(lo.max(initial=0))
        found = self._table.take(place, mode="clip").astype(np.int64)
        open_ = np.flatnonzero((found != _EMPTY) & ~self._is(found, hi, lo, at, wide))
        rows = open_  # what is left of all columns is taken together, for each look at a row elsewhere costs
        while len(open_):
            hi, at, lo, next_ = hi.take(rows), at.take(rows), lo.take(rows), (place.take(open_) + 1) & self._mask
            there = self._table.take(next_, mode="clip").astype(np.int64)
            found[open_], place[open_] = there, next_
            rows = np.flatnonzero((there != _EMPTY) & ~self._is(there, hi, lo, at, wide))
            open_ = open_.take(rows)
        return found

    def add(self, hi: Any, lo: Any, at: Any) -> tuple[Any, Any]:
        """The slots of keys, which they get where they have none, and the rows whose keys got one."""
        place = self._begin(hi, at)
        slots = self._found(hi, lo, at, place)
        missing = np.flatnonzero(slots < 0)
        if not len(missing):
            return slots, missing
        hi, lo, at, place = (each.take(missing) for each in (hi, lo, at, place))
        if self._reserve(len(missing)):
            place = self._begin(hi, at)
        slots[missing], new = self._insert(hi, lo, at, place)
        return slots, missing[new]

    def remove(self, slots: Any) -> None:
        """Takes the slots, which are different ones, from their keys."""
        self.used[slots] = False
        self._free[self._spare : self._spare + len(slots)] = slots
        self._spare += len(slots)
        if len(self) * 4 < self._filled and self._filled * 8 > len(self._table):
            self._clean(min(len(self._table), _size(self._filled)))  # most of what is looked at on the way is gone
        else:
            self._table[self._place[slots]] = _LEFT

    def slots(self) -> Any:
        """All slots that are given, rising."""
        return np.flatnonzero(self.used[: self.end])

    def _begin(self, hi: Any, at: Any) -> Any:
        mixed = at.view(np.uint64) * _MIX
        mixed ^= hi
        mixed *= _ONE
        mixed ^= mixed >> _HALF
        mixed *= _TWO
        mixed >>= self._shift
        return mixed.view(np.int64)

    def _is(self, slots: Any, hi: Any, lo: Any, at: Any, wide: bool) -> Any:
        """Whether slots are those of keys; places of none are not."""
        there = self._both.take(slots, axis=0, mode="clip")  # faster than where bounds are checked
        same = there[:, 0] == hi
        same &= there[:, 1] == at.view(np.uint64)
        same &= slots >= 0
        return same & (self.lo.take(slots, mode="clip") == lo) if wide else same

    def _insert(self, hi: Any, lo: Any, at: Any, place: Any) -> tuple[Any, Any]:
        """Gives slots to keys that have none, some of them more than once, at places from where they could be on."""
        self._wide = self._wide or bool(lo.max(initial=0))
        slots, lost = np.empty(len(hi), np.int64), np.ones(len(hi), bool)
        open_, new = np.arange(len(hi)), list[Any]()
        while len(open_):
            rows = open_[self._table.take(place.take(open_), mode="clip") < 0]
            there = place.take(rows)
            # Of several rows for one place, the last one gets it; all others look who is there.
            self._table[there] = -3 - rows
            first = self._table.take(there, mode="clip") == -3 - rows
            won = rows[first]
            slots[won] = self._given(hi.take(won), lo.take(won), at.take(won), there[first])
            new.append(won)
            lost[won] = False
            open_ = open_[lost[open_]]
            there = self._table.take(place.take(open_), mode="clip").astype(np.int64)
            slots[open_] = there
            open_ = open_[~self._is(there, hi.take(open_), lo.take(open_), at.take(open_), self._wide)]
            place[open_] = (place[open_] + 1) & self._mask
        return slots, np.concatenate(new)

    def _given(self, hi: Any, lo: Any, at: Any, place: Any) -> Any:
        again = min(self._spare, len(hi))
        more = np.arange(self.end, self.end + len(hi) - again)
        self._spare -= again
        slots = np.concatenate([self._free[self._spare : self._spare + again], more])
        self._filled += len(hi)
        self.end += len(more)
        self.hi[slots], self.at[slots] = hi, at
        if self._wide:
            self.lo[slots] = lo
        self._place[slots], self._table[place], self.used[slots] = place, slots, True
        return slots

    def _reserve(self, count: int) -> bool:
        """Makes room for so many more; whether the table is another one by now."""
        if self.end - self._spare + count > self.capacity:
            self._grow(max(self.end - self._spare + count, self.capacity * 3 // 2, _LEAST))
        if (self._filled + count) * 3 > len(self._table):
            self._clean(_size(len(self) + count))
            return True
        return False

    def _grow(self, size: int) -> None:
        for name in ("_both", "lo", "used", "_place", "_free"):
            column = getattr(self, name)
            more = np.zeros((size - len(column), *column.shape[1:]), column.dtype)
            setattr(self, name, np.concatenate([column, more]))

    def _clean(self, size: int) -> None:
        """A new table, without what is gone."""
        self._table = np.full(size, _EMPTY, np.int32)
        self._mask, self._shift = size - 1, np.uint64(65 - int(size).bit_length())
        slots, self._filled = self.slots(), len(self)
        place = self._begin(self.hi[slots], self.at[slots])
        while len(slots):
            free = self._table[place] < 0
            self._table[place[free]] = slots[free]
            stays = self._table[place] == slots
            self._place[slots[stays]] = place[stays]
            slots, place = slots[~stays], (place[~stays] + 1) & self._mask


def _size(count: int) -> int:
    """The size of a table for so many, of which an eighth to a quarter is filled then."""
    return 1 << (int(count) * 4).bit_length()
