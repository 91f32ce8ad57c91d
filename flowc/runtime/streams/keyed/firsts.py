"""Which rows of one batch are no repeats of rows of the same batch."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import Any

import numpy as np

_MOST = 2**62


def firsts(hi: Any, lo: Any, at: Any, within: int, floor: int) -> Any:
    """A mask of the rows that are kept: those with no kept one of their key, before them, at most `within` from them.

    The rows lie in the order of `hi`, and those of one key in the order in which they came. Kept rows before `floor`
    are not remembered, so that nothing repeats them.
    """
    kept = np.ones(len(hi), bool)
    same = hi[1:] == hi[:-1]
    again = np.flatnonzero(np.append(same, False) | np.append(False, same))
    if len(again):
        order = again[np.lexsort((again, lo[again], hi[again]))]
        hi, lo = hi[order], lo[order]
        head = np.append(True, (hi[1:] != hi[:-1]) | (lo[1:] != lo[:-1]))
        kept[order] = _by_key(head, at[order], within, floor)
    return kept


def _by_key(head: Any, at: Any, within: int, floor: int) -> Any:
    """The mask of rows that lie key by key, in their order; `head` marks the first row of each key."""
    begin, key = np.flatnonzero(head), np.cumsum(head) - 1
    least, most = np.minimum.reduceat(at, begin), np.maximum.reduceat(at, begin)
    back = np.append(False, at[1:] < at[:-1]) & ~head
    remembered = least >= floor
    close = remembered & (most - least <= within)
    fits = int((most - least).max()) + within + 1 < _MOST // len(begin)
    chained = remembered & ~close & ~np.logical_or.reduceat(back, begin) & fits
    kept = head & close[key]
    rows = np.flatnonzero(chained[key])
    if len(rows):
        kept[rows] = _chained(key[rows], at[rows] - least[key[rows]], within)
    ends = np.append(begin[1:], len(at))
    for one in np.flatnonzero(~close & ~chained):
        # Rows of one key that go back in time and are far apart: rare, and each depends on those before it.
        part = slice(begin[one], ends[one])
        kept[part] = _one_by_one(at[part].tolist(), within, floor)
    return kept


def _chained(key: Any, at: Any, within: int) -> Any:
    """The mask where no key goes back in time: from each kept row, the next one is the first that is far enough."""
    _, number = np.unique(key, return_inverse=True)
    line = number * (int(at.max()) + within + 1) + at
    count = len(line)
    following = np.searchsorted(line, line + within, side="right")
    same = (following < count) & (number[np.minimum(following, count - 1)] == number)
    return reached(np.append(True, number[1:] != number[:-1]), np.where(same, following, count))


def reached(begin: Any, following: Any) -> Any:
    """The mask of the rows that are reached: those that begin, and from each one the one that follows it, if any.

    `following` is further on than the row itself; the number of rows stands for none.
    """
    count = len(begin)
    jump, found = np.append(following, count), np.append(begin, False)
    # Each round makes the jumps twice as long: after it, twice as many rows of each key are reached.
    for _ in range(count.bit_length()):
        found[jump[np.flatnonzero(found)]] = True
        jump = jump[jump]
    return found[:count]


def _one_by_one(at: list[int], within: int, floor: int) -> list[bool]:
    known: list[int] = []
    kept = []
    for time in at:
        place = bisect_left(known, time)
        near = known[max(place - 1, 0) : place + 1]
        kept.append(all(abs(time - other) > within for other in near))
        if kept[-1] and time >= floor:
            insort(known, time)
    return kept
