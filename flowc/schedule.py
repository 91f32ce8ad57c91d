"""When something is due: a cron expression read on the clocks of a place.

cronsim reads the expression and walks over the times that clocks show. What these mean where clocks are changed is
decided here. A pattern with chosen hours names times of the day: one that is skipped is due when the clocks go on, one
that is shown twice is due the first time. A pattern of all hours names real minutes, and is due whenever a clock shows
one of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cronsim import CronSim

MAX_CHARACTERS = 1_000
"""Of an expression; one that lists every second, minute, hour and day has about 600."""

_ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_FIELDS = (
    ("second", "0 to 59"),
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of the month", "1 to 31, or L for the last"),
    ("month", "1 to 12, or JAN to DEC"),
    ("day of the week", "0 to 7, or SUN to SAT"),
)
_NEVER = "names a day that none of its months has"
_SECOND = timedelta(seconds=1)
_ANY_TIME = datetime(2000, 1, 1)
"""At which a pattern stands until it is used."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A cron expression of five fields, or of six with seconds first, or `@daily` and its like, in a time zone.

    The methods raise ValueError for an expression that has a `cron_fault`, and ZoneInfoNotFoundError (a KeyError) for a
    zone that is not known. They look 50 years far; the most that lie between two days of a pattern are 40, from one
    29 February that is a Monday to the next.
    """

    expression: str
    timezone: str = "UTC"

    def after(self, instant: datetime) -> datetime | None:
        """The first due time after an aware instant, in UTC; None when there is none any more."""
        return min((due for due in self._near(instant, forward=True) if due > instant), default=None)

    def last(self, upto: datetime) -> datetime | None:
        """The last due time at or before an aware instant, in UTC; None when there was none."""
        return max((due for due in self._near(upto, forward=False) if due <= upto), default=None)

    def between(self, after: datetime, upto: datetime, most: int) -> list[datetime]:
        """The due times after an aware instant and up to another, in UTC: the oldest, at most so many."""
        found: list[datetime] = []
        due = self.after(after)
        while due is not None and due <= upto and len(found) < most:
            found.append(due)
            due = self.after(due)
        return found

    def _near(self, instant: datetime, *, forward: bool) -> list[datetime]:
        """Due times around an instant: the next one to it, in the direction asked for, is among them."""
        pattern = _pattern(self.expression)
        if pattern is None:
            return []
        clock = _Clock.of(self.timezone)
        try:
            return [due for wall in clock.starts(instant) for due in _dues(pattern, clock, wall, forward=forward)]
        except OverflowError:  # years before 1 and after 9999
            return []


def cron_fault(expression: str) -> str | None:
    """What is wrong with a cron expression, to be read after its name (`has 3 fields; …`); None when nothing is."""
    if len(expression) > MAX_CHARACTERS:
        return f"has {len(expression):,} characters; at most {MAX_CHARACTERS:,} are read"
    if expression in _ALIASES:
        return None
    if expression.startswith("@"):
        return f"is none of {' '.join(_ALIASES)}"
    fields = expression.split()
    if len(fields) not in (5, 6):
        return f"has {len(fields)} field{'s' * (len(fields) != 1)}; a cron expression has 5, or 6 with seconds first"
    if _parsed(expression) is not None:
        return None
    return next(_field_faults(fields), _NEVER)


def _field_faults(fields: list[str]) -> Iterator[str]:
    """What no field of its kind may hold."""
    for place, field in enumerate(fields, len(_FIELDS) - len(fields)):
        name, takes = _FIELDS[place]
        for term in field.split(","):
            if not _is_taken(place, term):
                why = "ends before it begins" if _is_backwards(place, term) else f"is {takes}"
                yield f"has `{term}` as {name}, which {why}"


def _is_taken(place: int, term: str) -> bool:
    alone = ["*"] * len(_FIELDS)
    alone[place] = term
    return _parsed(" ".join(alone)) is not None


def _is_backwards(place: int, term: str) -> bool:
    begin, _, end = term.partition("/")[0].partition("-")
    return not _is_taken(place, f"{begin}-{end}") and _is_taken(place, f"{end}-{begin}")


def _parsed(expression: str) -> CronSim | None:
    """The pattern of an expression; None where it is none, or only names days such as 30 February."""
    from cronsim import CronSim, CronSimError

    try:
        return CronSim(expression, _ANY_TIME)
    except CronSimError:
        return None


@lru_cache(maxsize=8192)
def _pattern(expression: str) -> CronSim | None:
    """The pattern of an expression; None for one that is never due. It is shared: only copies are moved."""
    fault = cron_fault(expression)
    if fault not in (None, _NEVER):
        raise ValueError(f"the schedule {expression[:100]!r} {fault}")
    return _parsed(_ALIASES.get(expression, expression))


def _match(pattern: CronSim, wall: datetime, *, forward: bool) -> datetime | None:
    """The first time of a pattern that is after a time, or the last one that is not."""
    walk = copy(pattern)
    walk.tick_direction = 1 if forward else -1
    walk.dt = wall if forward else wall + _SECOND
    return next(walk, None)


def _dues(pattern: CronSim, clock: _Clock, wall: datetime, *, forward: bool) -> Iterable[datetime]:
    """The instants that are due by the next time of a pattern that makes any."""
    fixed = len(pattern.hours) < 24
    found = _match(pattern, wall, forward=forward)
    while found is not None:
        first, second = clock.instants(found)
        if first <= second:
            return (first,) if fixed else (first, second)
        change = clock.change(second, first)
        if fixed:
            return (change,)
        edge = clock.wall(change) - _SECOND if forward else clock.wall(change - _SECOND)
        found = _match(pattern, edge, forward=forward)
    return ()


@dataclass(frozen=True, slots=True)
class _Clock:
    """What clocks of a zone show (naive times, whole seconds: walls), and when they do (instants in UTC)."""

    zone: tzinfo

    @classmethod
    @lru_cache(maxsize=1024)
    def of(cls, timezone: str) -> _Clock:
        from zoneinfo import ZoneInfo

        return cls(ZoneInfo(timezone))

    def wall(self, instant: datetime) -> datetime:
        return instant.astimezone(self.zone).replace(tzinfo=None, microsecond=0, fold=0)

    def instants(self, wall: datetime) -> tuple[datetime, datetime]:
        """When clocks show a time: one instant twice, or two; if they skip it, a later one and an earlier one."""
        first = wall.replace(tzinfo=self.zone, fold=0).astimezone(UTC)
        return first, wall.replace(tzinfo=self.zone, fold=1).astimezone(UTC)

    def change(self, before: datetime, upto: datetime) -> datetime:
        """The instant at which clocks are changed, which is after one instant and not after another."""
        offset = before.astimezone(self.zone).utcoffset()
        while upto - before > _SECOND:
            middle = before + timedelta(seconds=(upto - before) // _SECOND // 2)
            if middle.astimezone(self.zone).utcoffset() == offset:
                before = middle
            else:
                upto = middle
        return upto

    def starts(self, instant: datetime) -> list[datetime]:
        """The times from which to look for what is due next.

        Where clocks show the same for a second time, or will, that is also what they show right before all of it, and
        at its end.
        """
        wall = self.wall(instant)
        first, second = self.instants(wall)
        if first >= second:
            return [wall]
        change = self.change(first, second)
        return [wall, self.wall(change) - _SECOND, self.wall(change - _SECOND)]
