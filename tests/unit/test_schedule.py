"""When schedules are due: tables for the days on which clocks change, and a model that walks over real time."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from calendar import monthrange
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from flowc.schedule import MAX_CHARACTERS, Schedule, cron_fault

SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)
MOMENT = timedelta(microseconds=1)

BERLIN, NEW_YORK, LORD_HOWE, SANTIAGO, BEIRUT, APIA = (
    "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Asia/Beirut", "Pacific/Apia",
)  # fmt: skip
CHANGES = [
    (BERLIN, "2026-03-29T01:00", "02:00 becomes 03:00"),
    (BERLIN, "2026-10-25T01:00", "03:00 becomes 02:00"),
    (NEW_YORK, "2026-03-08T07:00", "02:00 becomes 03:00"),
    (NEW_YORK, "2026-11-01T06:00", "02:00 becomes 01:00"),
    (LORD_HOWE, "2026-10-03T15:30", "02:00 becomes 02:30"),
    (LORD_HOWE, "2026-04-04T15:00", "02:00 becomes 01:30"),
    (SANTIAGO, "2026-09-06T04:00", "00:00 becomes 01:00"),
    (SANTIAGO, "2026-04-05T03:00", "00:00 becomes 23:00"),
    (BEIRUT, "2026-03-28T22:00", "00:00 becomes 01:00"),
    (BEIRUT, "2026-10-24T21:00", "00:00 becomes 23:00"),
    (APIA, "2011-12-30T10:00", "00:00 becomes 00:00 of the day after"),
]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def local(zone: str, text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def shown(due: datetime, zone: str) -> str:
    """Day, time and offset that clocks show: `29 03:00 +2`."""
    there = due.astimezone(ZoneInfo(zone))
    hours = there.utcoffset() / timedelta(hours=1)
    return f"{there:%d %H:%M{':%S' if there.second else ''}} {hours:+g}"


DUE = [
    # spring: a fixed time that is skipped is due at the change, and once with whatever else is due there
    (BERLIN, "2026-03-29T00:00", "30 2 * * *", ["29 03:00 +2", "30 02:30 +2"]),
    (BERLIN, "2026-03-29T00:00", "*/30 2 * * *", ["29 03:00 +2", "30 02:00 +2", "30 02:30 +2"]),
    (BERLIN, "2026-03-29T00:00", "*/30 2,3 * * *", ["29 03:00 +2", "29 03:30 +2", "30 02:00 +2"]),
    (BERLIN, "2026-03-29T00:00", "15,45 30 2 * * *", ["29 03:00 +2", "30 02:30:15 +2", "30 02:30:45 +2"]),
    (BERLIN, "2026-03-28T23:00", "0 */2 * * *", ["29 00:00 +1", "29 03:00 +2", "29 04:00 +2", "29 06:00 +2"]),
    (BERLIN, "2026-03-29T00:00", "30 2 29 3 *", ["29 03:00 +2"]),
    (BERLIN, "2026-03-29T00:00", "30 * * * *", ["29 00:30 +1", "29 01:30 +1", "29 03:30 +2"]),
    (BERLIN, "2026-03-29T01:30", "*/15 * * * *", ["29 01:45 +1", "29 03:00 +2", "29 03:15 +2"]),
    (BERLIN, "2026-03-29T01:30", "@hourly", ["29 03:00 +2", "29 04:00 +2"]),
    (BERLIN, "2026-03-29T01:59:30", "*/20 * * * * *", ["29 01:59:40 +1", "29 03:00 +2", "29 03:00:20 +2"]),
    (BERLIN, "2026-03-29T00:30", "59 59 * * * *", ["29 00:59:59 +1", "29 01:59:59 +1", "29 03:59:59 +2"]),
    (NEW_YORK, "2026-03-08T00:00", "30 2 * * *", ["08 03:00 -4", "09 02:30 -4"]),
    (LORD_HOWE, "2026-10-04T00:00", "15 2 * * *", ["04 02:30 +11", "05 02:15 +11"]),
    (LORD_HOWE, "2026-10-04T00:00", "*/15 2 * * *", ["04 02:30 +11", "04 02:45 +11", "05 02:00 +11"]),
    (LORD_HOWE, "2026-10-04T01:00", "*/20 * * * *", ["04 01:20 +10.5", "04 01:40 +10.5", "04 02:40 +11"]),
    (SANTIAGO, "2026-09-05T12:00", "0 0 * * *", ["06 01:00 -3", "07 00:00 -3"]),
    (SANTIAGO, "2026-09-05T12:00", "@daily", ["06 01:00 -3", "07 00:00 -3"]),
    (SANTIAGO, "2026-09-05T23:00", "30 * * * *", ["05 23:30 -4", "06 01:30 -3"]),
    (BEIRUT, "2026-03-28T12:00", "0 0,1 * * *", ["29 01:00 +3", "30 00:00 +3", "30 01:00 +3"]),
    (APIA, "2011-12-29T12:00", "0 12 * * *", ["31 00:00 +14", "31 12:00 +14"]),
    (APIA, "2011-12-29T22:30", "0 * * * *", ["29 23:00 -10", "31 00:00 +14"]),
    # autumn: a fixed time that clocks show twice is due the first time, real minutes are due both times
    (BERLIN, "2026-10-25T00:00", "30 2 * * *", ["25 02:30 +2", "26 02:30 +1"]),
    (BERLIN, "2026-10-25T00:00", "*/30 2 * * *", ["25 02:00 +2", "25 02:30 +2", "26 02:00 +1"]),
    (BERLIN, "2026-10-25T00:00", "15,45 30 2 * * *", ["25 02:30:15 +2", "25 02:30:45 +2", "26 02:30:15 +1"]),
    (BERLIN, "2026-10-25T00:00", "0 */2 * * *", ["25 02:00 +2", "25 04:00 +1"]),
    (BERLIN, "2026-10-25T02:00", "30 * * * *", ["25 02:30 +2", "25 02:30 +1", "25 03:30 +1"]),
    (BERLIN, "2026-10-25T02:30", "*/15 0-23 * * *", ["25 02:45 +2", "25 02:00 +1", "25 02:15 +1"]),
    (BERLIN, "2026-10-25T02:59:30", "*/20 * * * * *", ["25 02:59:40 +2", "25 02:00 +1", "25 02:00:20 +1"]),
    (NEW_YORK, "2026-11-01T00:00", "30 1 * * *", ["01 01:30 -4", "02 01:30 -5"]),
    (LORD_HOWE, "2026-04-05T00:00", "45 1 * * *", ["05 01:45 +11", "06 01:45 +10.5"]),
    (LORD_HOWE, "2026-04-05T01:30", "*/15 * * * *", ["05 01:45 +11", "05 01:30 +10.5", "05 01:45 +10.5"]),
    (SANTIAGO, "2026-04-04T12:00", "0 0 * * *", ["05 00:00 -4", "06 00:00 -4"]),
    (SANTIAGO, "2026-04-04T12:00", "30 23 * * *", ["04 23:30 -3", "05 23:30 -4"]),
    (SANTIAGO, "2026-04-04T22:45", "30 * * * *", ["04 23:30 -3", "04 23:30 -4", "05 00:30 -4"]),
    (BEIRUT, "2026-10-24T12:00", "30 23 * * *", ["24 23:30 +3", "25 23:30 +2"]),
    # calendars
    ("UTC", "2026-01-01T00:00", "0 6 * * 1-5", ["01 06:00 +0", "02 06:00 +0", "05 06:00 +0"]),
    ("UTC", "2026-01-01T00:00", "0 6 13 * FRI", ["02 06:00 +0", "09 06:00 +0", "13 06:00 +0"]),
    ("UTC", "2026-01-01T00:00", "0 6 */13 * FRI", ["27 06:00 +0", "27 06:00 +0"]),
    ("UTC", "2026-01-01T00:00", "0 0 L JAN,FEB *", ["31 00:00 +0", "28 00:00 +0"]),
    ("UTC", "2026-01-01T00:00", "0 0 LW * *", ["30 00:00 +0", "27 00:00 +0"]),
    ("UTC", "2026-01-01T00:00", "0 0 * * 5L", ["30 00:00 +0", "27 00:00 +0"]),
    ("UTC", "2026-01-01T00:00", "0 0 * * mon#2", ["12 00:00 +0", "09 00:00 +0"]),
    ("UTC", "2026-01-01T00:00", "@weekly", ["04 00:00 +0", "11 00:00 +0"]),
    ("UTC", "2026-01-01T00:00", "@monthly", ["01 00:00 +0", "01 00:00 +0"]),
    ("UTC", "2026-01-01T12:00", "*/25 * * * * *", ["01 12:00:25 +0", "01 12:00:50 +0", "01 12:01 +0"]),
]


@pytest.mark.parametrize(("zone", "start", "expression", "due"), DUE)
def test_due_times(zone: str, start: str, expression: str, due: list[str]):
    schedule, begin = Schedule(expression, zone), local(zone, start)
    found = schedule.between(begin, begin + 500 * DAY, len(due))
    assert [shown(at, zone) for at in found] == due
    assert [schedule.last(at) for at in found] == found
    assert [schedule.last(at - MOMENT) for at in found[1:]] == found[:-1]


def test_due_times_are_in_utc():
    (due,) = Schedule("0 6 * * *", BERLIN).between(utc("2026-07-01T00:00"), utc("2026-07-01T12:00"), 5)
    assert (due, due.tzinfo) == (utc("2026-07-01T04:00"), UTC)


def test_between_leaves_out_its_begin_and_takes_its_end():
    schedule, at = Schedule("0 * * * *"), utc("2026-07-01T00:00")
    assert schedule.between(at, at + timedelta(hours=2), 9) == [at + timedelta(hours=n) for n in (1, 2)]
    assert schedule.between(at, at + timedelta(hours=2), 1) == [at + timedelta(hours=1)]
    assert schedule.between(at, at, 9) == schedule.between(at, at + DAY, 0) == []


def test_days_that_never_come():
    for expression in ("0 0 30 2 *", "0 0 31 4,6 *", "0 0 */20 2 1L"):
        schedule = Schedule(expression, BERLIN)
        assert schedule.after(utc("2026-01-01T00:00")) is schedule.last(utc("2026-01-01T00:00")) is None


def test_the_ends_of_time():
    daily, leap = Schedule("@daily", BERLIN), Schedule("0 0 29 2 *")
    assert daily.after(datetime.max.replace(tzinfo=UTC)) is daily.last(datetime.min.replace(tzinfo=UTC)) is None
    assert leap.after(utc("9996-03-01T00:00")) is leap.last(utc("0004-01-01T00:00")) is None
    assert leap.after(utc("2096-03-01T00:00")) == utc("2104-02-29T00:00")


# --- a model that knows nothing of cronsim, and of zones only what clocks show at an instant


@dataclass(frozen=True)
class Model:
    """A pattern as its sets of values, and the text of it."""

    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    text: str

    def shows(self, wall: datetime) -> bool:
        return wall.second in self.seconds and wall.minute in self.minutes and wall.hour in self.hours

    def skipped(self, begin: datetime, end: datetime, step: timedelta) -> bool:
        return any(self.shows(begin + n * step) for n in range(int((end - begin) / step)))

    def due(self, zone: ZoneInfo, begin: datetime, end: datetime) -> Iterator[datetime]:
        """Walks over each real minute (each second, where seconds are chosen) after begin and up to end."""
        step = MINUTE if self.seconds == {0} else SECOND
        before = begin.astimezone(zone)
        while (instant := before.astimezone(UTC) + step) <= end:
            now = instant.astimezone(zone)
            expected = before.replace(tzinfo=None) + step
            wall = now.replace(tzinfo=None)
            if len(self.hours) == 24:
                is_due = self.shows(wall)
            else:
                is_due = (self.shows(wall) and not now.fold) or (wall > expected and self.skipped(expected, wall, step))
            if is_due:
                yield instant
            before = now


def field(top: int) -> st.SearchStrategy[tuple[str, frozenset[int]]]:
    """A field of cron for numbers up to a top, as text and as what it means."""
    numbers = st.integers(0, top)
    everything = st.just(("*", frozenset(range(top + 1))))
    steps = st.integers(1, top).map(lambda n: (f"*/{n}", frozenset(range(0, top + 1, n))))
    lists = st.sets(numbers, min_size=1, max_size=4).map(lambda n: (",".join(map(str, n)), frozenset(n)))
    ranges = st.tuples(numbers, numbers).map(sorted).map(lambda n: (f"{n[0]}-{n[1]}", frozenset(range(n[0], n[1] + 1))))
    return st.one_of(everything, steps, lists, ranges)


def night_hours() -> st.SearchStrategy[tuple[str, frozenset[int]]]:
    """Hours in which clocks are changed, more often than others."""
    night = st.sets(st.sampled_from([0, 1, 2, 3, 22, 23]), min_size=1).map(
        lambda n: (",".join(map(str, n)), frozenset(n))
    )
    return st.one_of(field(23), night, st.just(("*", frozenset(range(24)))))


def models(*, seconds: bool) -> st.SearchStrategy[Model]:
    def made(second: tuple[str, frozenset[int]], minute: tuple[str, frozenset[int]], hour: tuple[str, frozenset[int]]):
        text = f"{second[0]} " if seconds else ""
        return Model(second[1], minute[1], hour[1], f"{text}{minute[0]} {hour[0]} * * *")

    return st.builds(made, field(59) if seconds else st.just(("0", frozenset({0}))), field(59), night_hours())


def agrees(model: Model, change: tuple[str, str, str], around: timedelta, share: float) -> None:
    """`between`, and `after` and `last` at some instant, are what the model walks to."""
    zone, at, _ = change
    schedule, begin, end = Schedule(model.text, zone), utc(at) - around, utc(at) + around
    due = list(model.due(ZoneInfo(zone), begin, end))
    assert schedule.between(begin, end, 100_000) == due
    instant = begin + share * (end - begin)
    later, earlier = [d for d in due if d > instant], [d for d in due if d <= instant]
    if later:
        assert schedule.after(instant) == later[0]
    if earlier:
        assert schedule.last(instant) == earlier[-1]
    for before, now in list(pairwise(due))[:: len(due) // 20 + 1]:
        assert (schedule.last(now), schedule.last(now - MOMENT)) == (now, before)


@settings(max_examples=50, deadline=None)
@given(models(seconds=False), st.sampled_from(CHANGES), st.floats(0, 1))
def test_minutes_are_those_of_the_model(model: Model, change: tuple[str, str, str], share: float):
    agrees(model, change, timedelta(hours=27), share)


@settings(max_examples=40, deadline=None)
@given(models(seconds=True), st.sampled_from(CHANGES), st.floats(0, 1))
def test_seconds_are_those_of_the_model(model: Model, change: tuple[str, str, str], share: float):
    agrees(model, change, timedelta(minutes=75), share)


EXPRESSIONS = [expression for _, _, expression, _ in DUE] + ["0 0 29 2 *", "30 * 25 10 *", "5 4 3 2 1", "* * * * * *"]


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(EXPRESSIONS),
    st.sampled_from([BERLIN, NEW_YORK, LORD_HOWE, SANTIAGO, BEIRUT, APIA, "UTC"]),
    st.one_of(
        st.datetimes(datetime(1975, 1, 1), datetime(2060, 1, 1)).map(lambda d: d.replace(tzinfo=UTC)),
        st.builds(lambda c, n: utc(c[1]) + n * SECOND, st.sampled_from(CHANGES), st.integers(-9000, 9000)),
    ),
)
def test_after_and_last_agree(expression: str, zone: str, instant: datetime):
    schedule = Schedule(expression, zone)
    last, following = schedule.last(instant), schedule.after(instant)
    assume(last is not None and following is not None)
    assert last <= instant < following
    assert schedule.after(last - MOMENT) == schedule.after(last - SECOND) == last
    assert schedule.after(last) == following
    assert schedule.last(following - MOMENT) == last
    assert schedule.last(following) == following


def nth(day: date) -> int:
    return (day.day + 6) // 7


def is_last(day: date) -> bool:
    return day.day == monthrange(day.year, day.month)[1]


def is_last_of_its_weekday(day: date) -> bool:
    return (day + 7 * DAY).month != day.month


DAYS: list[tuple[str, Callable[[date], bool]]] = [
    ("13 * 5", lambda d: d.day == 13 or d.weekday() == 4),
    ("13 * *", lambda d: d.day == 13),
    ("* * FRI", lambda d: d.weekday() == 4),
    ("*/2 * 5", lambda d: d.day % 2 == 1 and d.weekday() == 4),
    ("13 * */2", lambda d: d.day == 13 and d.isoweekday() % 7 in (0, 2, 4, 6)),
    ("1-7 1-6/2 7", lambda d: d.month in (1, 3, 5) and (d.day <= 7 or d.weekday() == 6)),
    ("* MAR-MAY sat,Sun", lambda d: 3 <= d.month <= 5 and d.weekday() >= 5),
    ("L * *", is_last),
    ("L,15 * *", lambda d: d.day == 15 or is_last(d)),
    ("* * 1#5", lambda d: d.weekday() == 0 and nth(d) == 5),
    ("* * 2#1,4#3", lambda d: (d.weekday(), nth(d)) in {(1, 1), (3, 3)}),
    ("* * 0L", lambda d: d.weekday() == 6 and is_last_of_its_weekday(d)),
    ("29 2 *", lambda d: (d.month, d.day) == (2, 29)),
]


@pytest.mark.parametrize(("days", "is_due"), DAYS, ids=[days for days, _ in DAYS])
def test_days_are_those_of_the_calendar(days: str, is_due: Callable[[date], bool]):
    begin = datetime(2023, 12, 31, 12, tzinfo=UTC)
    expected = [day for n in range(1, 366 * 5) if is_due((day := begin + n * DAY).date())]
    found = Schedule(f"0 12 {days}").between(begin, begin + (366 * 5 - 1) * DAY, 5_000)
    assert found == expected
    assert [Schedule(f"0 12 {days}").last(day + 6 * MINUTE) for day in expected] == expected


# --- faults, and what it takes

FAULTS = [
    ("* * *", "has 3 fields; a cron expression has 5, or 6 with seconds first"),
    ("often", "has 1 field; a cron expression has 5, or 6 with seconds first"),
    ("", "has 0 fields; a cron expression has 5, or 6 with seconds first"),
    ("0 0 0 1 1 * 2026", "has 7 fields; a cron expression has 5, or 6 with seconds first"),
    ("@dayly", "is none of @hourly @daily @midnight @weekly @monthly @yearly @annually"),
    ("0 25 * * *", "has `25` as hour, which is 0 to 23"),
    ("60 * * * * *", "has `60` as second, which is 0 to 59"),
    ("0,15,é * * * *", "has `é` as minute, which is 0 to 59"),
    ("0 0 0 * *", "has `0` as day of the month, which is 1 to 31, or L for the last"),
    ("0 0 * MAI *", "has `MAI` as month, which is 1 to 12, or JAN to DEC"),
    ("0 0 * * 1,MOO", "has `MOO` as day of the week, which is 0 to 7, or SUN to SAT"),
    ("5-1 * * * *", "has `5-1` as minute, which ends before it begins"),
    ("0 0 * * FRI-SUN/2", "has `FRI-SUN/2` as day of the week, which ends before it begins"),
    ("1-5/0 * * * *", "has `1-5/0` as minute, which is 0 to 59"),
    ("*/0 * * * *", "has `*/0` as minute, which is 0 to 59"),
    ("0 0 30 2 *", "names a day that none of its months has"),
    ("1" * 100_000, "has 100,000 characters; at most 1,000 are read"),
    ("* " * 50_000, "has 100,000 characters; at most 1,000 are read"),
]


@pytest.mark.parametrize(("expression", "fault"), FAULTS, ids=[expression[:20] for expression, _ in FAULTS])
def test_faults(expression: str, fault: str):
    assert cron_fault(expression) == fault
    if "day that none" not in fault:
        with pytest.raises(ValueError, match=re.escape(fault)):
            Schedule(expression).after(utc("2026-01-01T00:00"))


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_what_has_no_fault(expression: str):
    assert cron_fault(expression) is None


@given(st.text("0123456789*/,-#LW @abMON", max_size=40))
def test_any_text_is_a_schedule_or_has_a_fault(text: str):
    fault = cron_fault(text)
    assert fault or Schedule(text).expression == text
    if fault is None:
        Schedule(text, BERLIN).after(utc("2026-01-01T00:00"))


def test_a_schedule_has_as_many_characters_as_are_read():
    assert cron_fault("0 6 * * *".ljust(MAX_CHARACTERS)) is None
    assert cron_fault("0 6 * * *".ljust(MAX_CHARACTERS + 1)) == "has 1,001 characters; at most 1,000 are read"
    limits = ((0, 60), (0, 60), (0, 24), (1, 32), (1, 13), (0, 8))
    listed = " ".join(",".join(map(str, range(low, top))) for low, top in limits)
    assert cron_fault(listed) is None


def test_thousands_of_schedules_are_asked_quickly():
    kinds = ("*/5 * * * *", "0 6 * * 1-5", "{} {} * * *", "0 {} 1 * *", "*/10 * * * * *", "15 */2 * * *")
    schedules = [Schedule(kinds[n % 6].format(n % 24, n % 23), CHANGES[n % 10][0]) for n in range(5_000)]
    begin = time.process_time()
    assert all(schedule.after(utc("2026-10-25T00:30")) for schedule in schedules)
    assert time.process_time() - begin < 2


def test_reading_no_schedule_loads_nothing():
    script = "import sys, flowc.schedule; print({'cronsim', 'zoneinfo'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
