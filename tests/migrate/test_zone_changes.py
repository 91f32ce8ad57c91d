"""Changes of type between local times and instants: by the time zone that is named, exactly, there and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from flowc.compiler.systems.postgres import shadow as postgres_shadow
from tests.commands import Inside
from tests.lakes import Lake
from tests.services.mysql_zones import load_zones
from tests.stores import KINDS, SERVERS, Store

CHANGES = {
    "Europe/Berlin": (datetime(2026, 3, 29, 2), datetime(2026, 10, 25, 2)),
    "America/Sao_Paulo": (datetime(2018, 11, 4), datetime(2018, 2, 18)),
    "Australia/Lord_Howe": (datetime(2026, 10, 4, 2), datetime(2026, 4, 5, 2)),
    "CET": (datetime(2026, 3, 29, 2), datetime(2026, 10, 25, 2)),
    "WET": (datetime(2026, 3, 29, 1), datetime(2026, 10, 25, 1)),
    "UTC": (datetime(2026, 3, 29, 2),),
}
"""Local times around which the clocks of a zone change: at midnight too, and by half an hour."""
BEFORE = "id: bigint primary key", "a: timestamp", "d: date", "b: timestamptz", "e: timestamptz"
LITERALS = {"sqlite": ("{}.000000", "{}.000000+00:00"), "mysql": ("{}", "{}")}
Row = tuple[datetime, date, datetime, datetime]


def to_instant(local: datetime | date, zone: str) -> datetime | None:
    """The oracle: a local time in a zone as an instant; None for one that is skipped, or there twice."""
    moment = local if isinstance(local, datetime) else datetime.combine(local, time())
    both = {moment.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC) for fold in (0, 1)}
    return both.pop() if len(both) == 1 else None


def to_local(instant: datetime, zone: str) -> datetime | None:
    """The oracle: an instant as a local time; None for one that two instants share."""
    local = instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    return local if to_instant(local, zone) == instant else None


def rows_of(zone: str) -> Iterator[Row]:
    """Local times and instants from three hours before to three hours after each change of the clocks."""
    for change in CHANGES[zone]:
        for quarter in range(-12, 13):
            moment = change + timedelta(minutes=15 * quarter)
            instant = change.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) + timedelta(minutes=15 * quarter)
            midnight = to_instant(change.date() + timedelta(days=quarter), zone)
            yield moment, moment.date(), instant, midnight or instant


def converted(row: Row, zone: str) -> tuple[Any, ...]:
    """Each value after the change of its type, None for one that has no such value."""
    local = to_local(row[3], zone)
    day = local.date() if local is not None and local.time() == time() else None
    return to_instant(row[0], zone), to_instant(row[1], zone), to_local(row[2], zone), day


@dataclass
class Trial:
    """A project with a table for each zone."""

    store: Any
    project: Inside

    def specs(self, columns: Callable[[str], list[str]], extra: str = "") -> None:
        where = "url: '${STORE}'" if self.store.dsn else f"path: store.{self.store.kind}"
        where = "uri: ./lake" if self.store.kind == "delta" else where
        lines = [f"connections:\n  w: {{ kind: {self.store.kind}, {where} }}\ntables:"]
        for number, zone in enumerate(CHANGES):
            lines += [f"  t{number}:\n    connection: w\n    columns:"]
            lines += [f"      {column}" for column in columns(zone)]
        self.project.write("specs/project.yaml", "\n".join(lines) + "\n" + extra)

    def fill(self, number: int, rows: list[tuple[Any, ...]]) -> None:
        naive, zoned = LITERALS.get(self.store.kind, ("{}", "{}+00"))
        values = (
            f"({i}, {_text(r[0], naive)}, {_text(r[1], '{}')}, {_text(r[2], zoned)}, {_text(r[3], zoned)})"
            for i, r in enumerate(rows)
        )
        self.store.run(f"INSERT INTO t{number} (id, a, d, b, e) VALUES {', '.join(values)}")

    def held(self, number: int, zoned: str) -> list[tuple[Any, ...]]:
        found = sorted(self.store.raw(f"SELECT id, a, d, b, e FROM t{number}"))
        return [tuple(_read(v, n in zoned) for n, v in zip("adbe", row[1:], strict=True)) for row in found]

    def apply(self, *arguments: str) -> None:
        done = self.project.flowc("apply", *(arguments or ("--yes",)))
        assert done.code == 0, done.out + done.err


def _text(value: Any, form: str) -> str:
    written = value.replace(tzinfo=None) if isinstance(value, datetime) else value
    return "NULL" if value is None else "'" + form.format(written) + "'"


def _read(value: Any, zoned: bool) -> Any:
    """A value as Python has it; MySQL tells instants in UTC, SQLite all in texts."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value) if len(value) > 10 else date.fromisoformat(value)
    if zoned and value is not None:
        return value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)
    return value


def before(_: str) -> list[str]:
    return list(BEFORE)


def after(zone: str) -> list[str]:
    said = f"change_timezone: {zone}"
    kinds = {"a": "timestamptz", "d": "timestamptz", "b": "timestamp", "e": "date"}
    return [BEFORE[0], *(f"{name}: {{ type: {kind}, {said} }}" for name, kind in kinds.items())]


@pytest.fixture(params=[*KINDS, "delta", "shadow"])
def trial(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trial:
    kind = "postgres" if request.param == "shadow" else request.param
    if request.param == "shadow":
        monkeypatch.setattr(postgres_shadow, "LARGE", 0)
    dsn = str(request.getfixturevalue(kind)) if kind in SERVERS else ""
    if kind == "mysql":
        load_zones(dsn, CHANGES)
    store = Lake(tmp_path) if kind == "delta" else Store(kind, tmp_path, dsn)
    return Trial(store, Inside(tmp_path, {"STORE": dsn}))


def test_values_are_those_of_the_named_zone_there_and_back(trial: Trial):
    trial.specs(before)
    trial.apply()
    rows: dict[int, list[tuple[Any, ...]]] = {}
    for number, zone in enumerate(CHANGES):
        pairs = [(row, converted(row, zone)) for row in rows_of(zone)]
        rows[number] = [tuple(v if w is not None else None for v, w in zip(*pair, strict=True)) for pair in pairs]
        trial.fill(number, rows[number])
    trial.specs(after)
    trial.apply()
    for number, zone in enumerate(CHANGES):
        wanted = [tuple(v if r is not None else None for v, r in zip(converted(row, zone), kept, strict=True))
                  for row, kept in zip(rows_of(zone), rows[number], strict=True)]  # fmt: skip
        assert trial.held(number, "ad") == wanted, zone
    assert trial.project.flowc("plan", "--detailed-exitcode").code == 0

    made = trial.project.flowc("plan", "--rollback-to", "1", "--out", "back.json")
    assert made.code == 0, made.out + made.err
    trial.apply("back.json")
    for number, zone in enumerate(CHANGES):
        assert trial.held(number, "be") == rows[number], zone


def test_local_times_that_are_skipped_or_there_twice_are_counted_and_nothing_is_changed(trial: Trial):
    trial.specs(before)
    trial.apply()
    for number, zone in enumerate(CHANGES):
        trial.fill(number, list(rows_of(zone)))
    trial.specs(after)
    plan = " ".join(trial.project.flowc("plan").out.split())
    for zone in CHANGES:
        for name, values in zip("adbe", zip(*(converted(r, zone) for r in rows_of(zone)), strict=True), strict=True):
            wrong = values.count(None)
            said = f"{wrong} row{'s' * (wrong != 1)} hold{'s' * (wrong == 1)} a `{name}` that is no"
            assert (said in plan) or not wrong, (zone, name, said, plan)
    assert trial.project.flowc("apply", "--yes").code == 2
    assert [trial.held(number, "be") for number in range(len(CHANGES))] == [list(rows_of(zone)) for zone in CHANGES]
