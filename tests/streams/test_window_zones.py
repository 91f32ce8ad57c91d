"""Windows of a time zone on the days when its clocks change, against a model that knows each minute of these days.

Windows lie on the local clock. The lateness that is allowed and the steps of `emit` are distances between instants.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowc.nodes import KIND, AggregatePlan, Late
from flowc.runtime.contracts.epoch import END
from flowc.types import BIGINT
from tests.streams.test_window_model import Driven, Row, Shape, _micros, window, windows_of

MINUTE = 60_000_000
HOUR, DAY = 60 * MINUTE, 1440 * MINUTE
COUNT = (AggregatePlan("n", "count", BIGINT),)
SHAPES: tuple[Shape, ...] = (
    ("tumbling", HOUR, HOUR, 0), ("tumbling", 3 * HOUR, 3 * HOUR, HOUR), ("tumbling", DAY, DAY, 0),
    ("hopping", 2 * HOUR, HOUR // 2, 0), ("hopping", DAY, 6 * HOUR, 0), ("cumulating", DAY, 6 * HOUR, 0),
    ("cumulating", 6 * HOUR, HOUR, HOUR // 2),
)  # fmt: skip
CHANGES = (
    ("Europe/Berlin", "2026-03-29 01:00"), ("Europe/Berlin", "2026-10-25 01:00"),
    ("America/New_York", "2026-11-01 06:00"), ("America/Havana", "2026-03-08 05:00"),
    ("America/Havana", "2026-11-01 05:00"), ("Australia/Lord_Howe", "2026-04-04 15:00"),
    ("Australia/Lord_Howe", "2026-10-03 15:30"), ("Africa/Casablanca", "2026-02-15 02:00"),
)  # fmt: skip
"""Zones, and the instants in UTC when their clocks are set forward or back."""
Key = tuple[int, int, str | None]
"""The bounds of a window, as instants, and the key."""


def _utc(text: str) -> int:
    return _micros(datetime.fromisoformat(text).replace(tzinfo=UTC))


@dataclass(frozen=True)
class Days:
    """A clock that stands still while the zone's clock is behind what it showed before, at each minute of a week."""

    begin: int
    shown: Sequence[int]

    def local(self, at: int) -> int:
        return self.shown[(at - self.begin) // MINUTE]

    def instant(self, local: int) -> int:
        return self.begin + bisect_left(self.shown, local) * MINUTE


@lru_cache
def _days(zone: str, change: str) -> Days:
    begin, shown, latest = _utc(change) - 4 * DAY, list[int](), -(2**62)
    for minute in range(8 * 1440):
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=begin + minute * MINUTE)
        wall = _micros(at.astimezone(ZoneInfo(zone)).replace(tzinfo=UTC))
        shown.append(max(wall, latest))
        latest = max(latest, wall + MINUTE - 1)
    return Days(begin, shown)


@dataclass
class Model:
    """What a target holds of the windows, one row for each window and key."""

    days: Days
    shape: Shape
    allowed: int = 0
    emit: int | None = None
    table: dict[Key, int] = field(default_factory=dict)
    held: dict[Key, int] = field(default_factory=dict)
    watermark: int = -(2**62)
    late: int = 0

    def epoch(self, rows: Iterable[Row], watermark: int) -> None:
        if watermark == END:
            watermark = max([self.watermark, *(end for _, end, _ in self.held)])
        stepped = self.emit is not None and watermark // self.emit > self.watermark // self.emit
        self._show(key for key in self.held if stepped or key[1] <= watermark)
        self.watermark = max(self.watermark, watermark)
        for key, _, _, at in rows:
            bounds = ((self.days.instant(a), self.days.instant(b)) for a, b in self._windows(at))
            found = [(*each, key) for each in bounds if each[1] + self.allowed > self.watermark]
            self.late += not found
            for each in found:
                self.held[each] = self.held.get(each, 0) + 1
            self._show(each for each in found if each[1] <= self.watermark)

    def _windows(self, at: int) -> Iterable[tuple[int, int]]:
        return windows_of(self.days.local(at), self.shape)

    def _show(self, keys: Iterable[Key]) -> None:
        self.table.update({key: self.held[key] for key in keys})


def _table(rows: Iterable[dict[str, Any]]) -> dict[Key, int]:
    """What a target holds of rows that came out."""
    found: dict[Key, int] = {}
    for row in rows:
        key = _micros(row["window_start"]), _micros(row["window_end"]), row["k"]
        assert key not in found or row.get(KIND) == 2, "a window that comes again replaces the one before"
        found[key] = row["n"]
    return found


_TICK = 5 * MINUTE
_ROW = st.tuples(st.sampled_from("ab"), st.integers(-300, 300))
_STEPS = st.lists(st.tuples(st.lists(_ROW, max_size=8), st.integers(0, 40), st.booleans()), max_size=8)


def _run(driven: Driven, model: Model, change: int, steps: Sequence[tuple[list[tuple[str, int]], int, bool]]) -> None:
    """Runs epochs in which the watermark goes on from before the change to behind it; restarts behind some of them."""
    watermark = change - 2 * HOUR
    for given_, ticks, restarts in steps:
        watermark += ticks * _TICK
        rows = [(key, 1, 0.0, watermark + at * _TICK // 4) for key, at in given_]
        rows = [(key, x, f, at - at % MINUTE) for key, x, f, at in rows]
        driven.epoch(rows, watermark)
        model.epoch(rows, watermark)
        driven.keep()
        if restarts:
            driven.restart()
        assert _table(driven.out) == model.table
        assert driven.dropped == model.late
    driven.epoch([], END)
    model.epoch([], END)
    assert _table(driven.out) == model.table == model.held


def _cases(zone: str, change: str, shape: Shape, late: Late, allowed: int, emit: int | None) -> tuple[Driven, Model]:
    more = {"late": late, "allowed_lateness": allowed, "emit": emit, "aggregates": COUNT}
    driven = Driven(window(shape, zone, **more), reopens=True)
    return driven, Model(_days(zone, change), shape, allowed if late == "reopen" else 0, emit)


@pytest.mark.covering
@pytest.mark.parametrize(("zone", "change"), CHANGES)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape[0]}-{shape[1] // HOUR}h")
@settings(max_examples=3, deadline=None)
@given(data=st.data())
def test_windows_over_a_change_of_the_clocks_are_those_of_the_model(
    zone: str, change: str, shape: Shape, data: st.DataObject
) -> None:
    late = data.draw(st.sampled_from(["drop", "reopen", "reopen"]), "late")
    allowed = data.draw(st.sampled_from([MINUTE, HOUR // 2, 3 * HOUR // 2]), "allowed") if late == "reopen" else 0
    emits = [None] if shape[0] == "cumulating" else [None, 10 * MINUTE, HOUR]
    driven, model = _cases(zone, change, shape, late, allowed, data.draw(st.sampled_from(emits), "emit"))
    _run(driven, model, _utc(change), data.draw(_STEPS, "epochs"))


@pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC"])
@pytest.mark.parametrize(("late", "taken"), [(5, True), (30, False), (45, False), (89, False)])
@pytest.mark.parametrize("end", ["2026-03-29 00:59", "2026-10-25 00:29"])
def test_a_row_is_late_by_the_minutes_that_passed(zone: str, end: str, late: int, taken: bool) -> None:
    """Of windows that end just before the clocks of Berlin skip an hour, and within the hour that these repeat."""
    shape, at = ("tumbling", HOUR // 2, HOUR // 2, 0), _utc(end)
    plan = window(shape, zone, late="reopen", allowed_lateness=HOUR // 2, aggregates=COUNT)
    driven = Driven(plan, reopens=True)
    driven.epoch([], at + MINUTE + late * MINUTE)
    assert len(driven.epoch([("a", 1, 0.0, at)], at + MINUTE + late * MINUTE)) == taken
    assert driven.dropped == (not taken)


def test_windows_come_early_in_an_hour_that_the_clocks_repeat() -> None:
    driven = Driven(
        window(("tumbling", DAY, DAY, 0), "Europe/Berlin", emit=10 * MINUTE, aggregates=COUNT), reopens=True
    )
    begin = _utc("2026-10-25 00:50")
    driven.epoch([], begin)
    for number in range(1, 9):
        driven.epoch([("a", 1, 0.0, begin + number * 10 * MINUTE)], begin + number * 10 * MINUTE)
        assert driven.graph.due(begin + (number + 1) * 10 * MINUTE)
    assert [row["n"] for row in driven.out] == [*range(1, 8)]
