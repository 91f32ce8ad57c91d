"""Times in a time zone as numbers that never go back, so that windows of local time follow each other without a gap.

A local time is that of a clock on the wall which stands still when the zone's clock is put back, until that has caught
up. What is cut out of it in equal pieces is a day of 23 or 25 hours where the zone has one, and an hour less or more.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

_FIRST, _LAST = datetime(1850, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""Before and after, a zone has the offset that it has then."""
_STEP = timedelta(days=5)
"""No zone changes its offset twice within it."""
_EPOCH, _MICRO = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


class LocalTime:
    """One time zone, by its name in the database of zones. Times are microseconds since 1970."""

    def __init__(self, zone: str) -> None:
        self._times, self._offsets = _changes(zone)
        """When the offset changed, and the offsets between these times, one more."""
        before, after = self._offsets[:-1], self._offsets[1:]
        self._still = np.append(-(2**63), self._times + before - 1)
        """What a clock showed last before each offset."""
        self._begins = self._times + np.maximum(before, after)
        """From which local time on each offset counts."""

    def local(self, times: Any) -> Any:
        """Local times."""
        number = np.searchsorted(self._times, times, side="right")
        return np.maximum(times + self._offsets[number], self._still[number])

    def instants(self, local: Any) -> Any:
        """The first instant of each local time, or behind it where clocks leave it out."""
        number = np.searchsorted(self._begins, local, side="right")
        following = np.append(self._times, 2**63 - 1)[number]
        return np.minimum(local - self._offsets[number], following)


@lru_cache(maxsize=16)
def _changes(name: str) -> tuple[Any, Any]:
    zone = ZoneInfo(name)
    times, offsets = list[int](), [_offset(zone, _FIRST)]
    at = _FIRST
    while at < _LAST:
        if _offset(zone, at + _STEP) != offsets[-1]:
            change = _found(zone, at, at + _STEP)
            times.append((change - _EPOCH) // _MICRO)
            offsets.append(_offset(zone, change))
        at += _STEP
    return np.array(times, np.int64), np.array(offsets, np.int64)


def _found(zone: ZoneInfo, low: datetime, high: datetime) -> datetime:
    """When the offset changes between two instants."""
    before = _offset(zone, low)
    while high - low > _MICRO:
        middle = low + (high - low) // 2
        low, high = (middle, high) if _offset(zone, middle) == before else (low, middle)
    return high


def _offset(zone: ZoneInfo, at: datetime) -> int:
    offset = at.astimezone(zone).utcoffset()
    return offset // _MICRO if offset is not None else 0
