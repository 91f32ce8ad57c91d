"""Time zones for a MySQL server whose tables of them are empty, from Python's own, for the years of its TIMESTAMP."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from tests.services.mysql import ask

_FIRST, _LAST = datetime(1970, 1, 2, tzinfo=UTC), datetime(2038, 1, 18, tzinfo=UTC)
_STEP = timedelta(days=7)


def load_zones(dsn: str, names: Iterable[str]) -> None:
    """Adds those of the time zones that the server lacks."""
    for name in names:
        ask(dsn, "SELECT get_lock('flowc_zones', 60)", *_statements(name))


def _statements(name: str) -> Iterator[str]:
    zone = ZoneInfo(name)
    found = list(_transitions(zone))
    offsets = list(dict.fromkeys((_offset(_FIRST, zone), *(offset for _, offset in found))))
    # The zone's number is the same in all runs, so that another run's rows stay as they are.
    number = 1000 + int.from_bytes(name.encode()) % 1_000_003
    types = (f"({number}, {at}, {offset}, 0, '')" for at, offset in enumerate(offsets))
    moments = [f"({number}, {int(at.timestamp())}, {offsets.index(offset)})" for at, offset in found]
    yield f"INSERT IGNORE INTO mysql.time_zone VALUES ({number}, 'N')"
    yield f"INSERT IGNORE INTO mysql.time_zone_transition_type VALUES {', '.join(types)}"
    if moments:
        yield f"INSERT IGNORE INTO mysql.time_zone_transition VALUES {', '.join(moments)}"
    yield f"INSERT IGNORE INTO mysql.time_zone_name VALUES ('{name}', {number})"


def _transitions(zone: ZoneInfo) -> Iterator[tuple[datetime, int]]:
    at = _FIRST
    while at < _LAST:
        if _offset(at, zone) != _offset(at + _STEP, zone):
            moment = _first_of(_offset(at + _STEP, zone), at, at + _STEP, zone)
            yield moment, _offset(moment, zone)
        at += _STEP


def _first_of(offset: int, low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) // 2
        middle = middle.replace(microsecond=0)
        low, high = (low, middle) if _offset(middle, zone) == offset else (middle, high)
    return high


def _offset(at: datetime, zone: ZoneInfo) -> int:
    found = at.astimezone(zone).utcoffset()
    assert found is not None
    return int(found.total_seconds())
