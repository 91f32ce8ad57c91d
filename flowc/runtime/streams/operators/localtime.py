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


class Progress:
    """How far event time has come in one node, as an instant and as local times; these are the same without a zone.

    Windows lie on the local clock. Distances, such as the lateness that is allowed, are between instants.
    """

    instant: int | None = None
    """The watermark, or the end of the last window that is out where that is later."""
    closed: int | None = None
    """The local time up to which all windows are out."""
    gone: int | None = None
    """The local time up to which all windows are out for good."""

    def __init__(self, zone: str | None, allowed: int) -> None:
        self._zone = LocalTime(zone) if zone is not None else None
        self._allowed = allowed
        """For how long windows that are out come out once more."""

    @property
    def zoned(self) -> bool:
        """Whether local times are those of a zone."""
        return self._zone is not None

    def reset(self) -> None:
        """Goes back to where nothing is out."""
        self.instant = self.closed = self.gone = None

    def move(self, instant: int) -> None:
        """Goes on to a watermark."""
        self.instant = instant
        self.closed, self.gone = self.local_of(instant), self.local_of(instant - self._allowed)

    def close(self, end: int) -> None:
        """Goes on to the end of a window, a local time; another may end behind it at the same instant."""
        self.instant = self.instant_of(end)
        self.closed, self.gone = end, min(end, self.local_of(self.instant - self._allowed))

    def local(self, times: Any) -> Any:
        """Local times of instants."""
        return times if self._zone is None else self._zone.local(times)

    def instants(self, local: Any) -> Any:
        """The first instant of each local time."""
        return local if self._zone is None else self._zone.instants(local)

    def local_of(self, time: int) -> int:
        """The local time of one instant."""
        return time if self._zone is None else int(self._zone.local(np.array([time]))[0])

    def instant_of(self, local: int) -> int:
        """The first instant of one local time."""
        return local if self._zone is None else int(self._zone.instants(np.array([local]))[0])


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
