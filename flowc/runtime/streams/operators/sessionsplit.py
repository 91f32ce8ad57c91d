"""Which session each row is of: numbers alone, for a whole batch of keys at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from flowc.runtime.streams.aggregates.extremes import MOST
from flowc.runtime.streams.keyed.firsts import reached


@dataclass(frozen=True, slots=True)
class Split:
    """Sessions, those of each key by time."""

    of: Any
    """The session of each row."""
    key: Any
    first: Any
    last: Any
    """The times of their first and last rows."""
    row: Any
    """The first row of each; -1 where that is of the session that was open."""
    carried: Any
    """Whether it is the session of its key that was open."""

    @property
    def followed(self) -> Any:
        """Whether another one of the same key follows."""
        return np.append(self.key[1:] == self.key[:-1], False)


def split(head: Any, at: Any, first: Any, *, last: Any, gap: int, longest: int) -> Split:
    """The sessions of rows that lie key by key and by time; `head` marks the first row of each key.

    `first` and `last` are the bounds of the session of each key that is open, `MOST` and `LEAST` where there is none. A
    row belongs to a session when it comes at most `gap` after its last row and at most `longest` after its first. A
    session that is open keeps its rows: it goes as a whole into the one that earlier rows begin, or follows it.
    """
    key = np.cumsum(head) - 1
    inside = (at >= first[key]) & (at <= last[key])
    rows = np.flatnonzero(~inside)
    begun = np.flatnonzero(first != MOST)
    earlier = np.bincount(key[rows[at[rows] < first[key[rows]]]], minlength=len(first))
    place = np.searchsorted(key[rows], begun) + earlier[begun]
    # What is put in order: rows, each of which begins and ends at its time, and sessions that are open.
    keys, row = np.insert(key[rows], place, begun), np.insert(rows, place, -1)
    begin, end = np.insert(at[rows], place, first[begun]), np.insert(at[rows], place, last[begun])
    starts = begins(np.append(True, keys[1:] != keys[:-1]), begin, end, gap, longest)
    session, heads = np.cumsum(starts) - 1, np.flatnonzero(starts)
    ends = np.append(heads[1:], len(starts)) - 1
    of, mine = np.empty(len(at), np.int64), np.full(len(first), -1)
    of[rows], mine[begun] = session[row >= 0], session[row < 0]
    of[inside] = mine[key[inside]]
    carried = np.zeros(len(heads), bool)
    carried[mine[begun]] = True
    return Split(of, keys[heads], begin[heads], last=end[ends], row=row[heads], carried=carried)


def begins(head: Any, begin: Any, end: Any, gap: int, longest: int) -> Any:
    """Where sessions begin, of what lies key by key and by time: rows, or sessions that keep all of theirs."""
    starts = head.copy()
    starts[1:] |= begin[1:] - end[:-1] > gap
    return starts | _too_long(starts, begin, end, longest)


def heads(hi: Any, lo: Any) -> Any:
    """Which rows are the first of their key."""
    return np.append(np.full(min(len(hi), 1), True), (hi[1:] != hi[:-1]) | (lo[1:] != lo[:-1]))


def by_key(hi: Any, lo: Any, at: Any) -> Any:
    """The order key by key and by time, those of one time as they are."""
    order = np.lexsort((at, hi))
    one, other = hi[order], lo[order]
    if ((one[1:] == one[:-1]) & (other[1:] != other[:-1])).any():
        order = np.lexsort((at, lo, hi))
    return order


def _too_long(starts: Any, begin: Any, end: Any, longest: int) -> Any:
    """Where sessions that would be too long are split, each as late as can be."""
    heads, run = np.flatnonzero(starts), np.cumsum(starts) - 1
    lengths = end[np.append(heads[1:], len(starts)) - 1] - begin[heads]
    found = np.zeros(len(starts), bool)
    chosen = np.flatnonzero((lengths > longest)[run])
    if len(chosen):
        found[chosen] = _greedy(run[chosen], begin[chosen], end[chosen], longest)
    return found


def _greedy(run: Any, begin: Any, end: Any, longest: int) -> Any:
    count = len(run)
    # Times are told by their ranks: those of many runs, far apart, would not fit into one line.
    times, rank = np.unique(np.concatenate([end, begin + longest]), return_inverse=True)
    line = run * len(times)
    following = np.searchsorted(line + rank[:count], line + rank[count:], side="right")
    same = (following < count) & (run[np.minimum(following, count - 1)] == run)
    return reached(np.append(True, run[1:] != run[:-1]), np.where(same, following, count))


def let_in(group: Any, at: Any, chosen: Any, *, first: Any, last: Any, closed: int, gap: int, longest: int) -> Any:
    """Which rows are let in: those that are chosen, and those at most `gap` before `first` or one let in before them.

    They are not where the session that they would begin cannot be so long as to end with a row at `closed` or later.
    `first` and `last` are times for each row; rows of different groups, whose numbers rise from 0, know nothing of each
    other.
    """
    times, rank = np.unique(at, return_inverse=True)
    # Later groups have less, so that what was least before them is forgotten.
    none, shift = len(times), (group[-1] - group) * (len(times) + 1)
    times, head, count = np.append(times, MOST), np.append(True, group[1:] != group[:-1]), -1

    def earliest(rows: Any) -> Any:
        """The least time of such rows that came before each."""
        least = np.minimum.accumulate(np.where(rows, rank, none) + shift)
        before = np.append(none, least[:-1] - shift[1:])
        before[head] = none
        return times[before]

    # The first row of those after it that is in time by itself, or the open session, whose last row is.
    end = earliest(chosen & (at >= closed) & (at < first))
    fits = (at >= first) | (np.where(end < MOST, end, last) - at <= longest)
    while count < (count := int(np.count_nonzero(chosen))):
        # A row that is let in may have a session begin earlier, which then takes another one after it.
        chosen = chosen | (fits & (at >= np.minimum(first, earliest(chosen)) - gap))
    return chosen
