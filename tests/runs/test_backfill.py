"""`flowc run NAME --from … --to … --missing`: only due times for which no run has succeeded."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flowc.compiler.front.build import LONGEST_PROJECT
from flowc.compiler.front.project import ProjectSpec
from flowc.runtime.systems import open_database
from flowc.service.access.secrets import Resolver
from flowc.service.runs.log import RunLog
from flowc.service.runs.opening import run_log
from flowc.service.runs.records import OK, RUNNING, Claim, Outcome, RunRecord
from tests.commands import Inside

pytestmark = pytest.mark.usefixtures("warm_runs")
SPEC = """
project: shop
connections: { db: { kind: sqlite, path: shop.db } }
tables:
  events: { connection: db, columns: { id: bigint primary key, at: timestamptz } }
  daily: { connection: db, columns: { id: bigint primary key, at: timestamptz } }
  later: { connection: db, columns: { id: bigint primary key, at: timestamptz } }
  words: { connection: db, columns: { id: bigint, word: text } }
pipelines:
  copy:
    from: db
    sql: SELECT id, at FROM events
    to: daily
    mode: merge
    incremental: { column: at }
    schedule: "0 0 * * *"
  after:
    from: db
    sql: SELECT id, at FROM daily
    to: later
    mode: append
    incremental: { column: at }
    schedule: "0 0 * * *"
    timezone: Europe/Berlin
  counted:
    from: db
    sql: SELECT id, at FROM events
    to: daily
    mode: merge
    incremental: { column: id }
    schedule: "0 0 * * *"
  worded:
    from: db
    sql: SELECT id, CAST(at AS text) AS word FROM events
    to: words
    mode: append
    incremental: { column: word }
    schedule: "0 0 * * *"
"""
DAYS = 5


@pytest.fixture
def folder(tmp_path: Path) -> Inside:
    made = Inside(tmp_path)
    made.write("specs/s.yaml", SPEC)
    assert made.flowc("apply", "--yes").code == 0
    database = open_database("sqlite", {"path": str(tmp_path / "shop.db")})
    for day in range(DAYS):
        database.execute(f"INSERT INTO events VALUES ({day}, '2026-03-0{day + 1} 06:00:00+00:00')")
    database.close()
    return made


def ids(folder, table):
    database = open_database("sqlite", {"path": str(folder.path / "shop.db")})
    found = [row["id"] for row in database.query(f"SELECT id FROM {table} ORDER BY id").to_pylist()]
    database.close()
    return found


def backfill(folder, *names, since="2026-03-01", until="2026-03-06"):
    return folder.flowc("run", *names, "--from", since, "--to", until, "--missing", "--json")


def succeeded(folder, pipeline, due):
    """A run of a scheduler that ended well."""
    path = folder.path / ".flowc" / "runs.sqlite"
    path.parent.mkdir(exist_ok=True)
    log = RunLog(lambda: open_database("sqlite", {"path": str(path)}), "sqlite", "shop", "tests")
    run = RunRecord(f"r-{due:%d}", pipeline, 1, "schedule", RUNNING, "tests", due, due)
    log.begin(run)
    log.end(run.id, Outcome(OK), due)
    log.close()


def test_what_has_a_success_is_not_loaded_again(folder):
    succeeded(folder, "copy", datetime(2026, 3, 3, tzinfo=UTC))  # rows of 2 March
    done = backfill(folder, "copy")
    assert done.code == 0, done.err
    assert [each["due_at"][:10] for each in done.json["pipelines"]] == [f"2026-03-0{day}" for day in (2, 4, 5, 6)]
    assert ids(folder, "daily") == [0, 2, 3, 4]
    runs = folder.flowc("runs", "list", "--json").json
    assert {(run["reason"], run["status"]) for run in runs} == {("backfill", "ok"), ("schedule", "ok")}
    assert backfill(folder, "copy").json["pipelines"] == []


def test_a_check_is_told_with_the_due_time_that_it_was_made_for(folder):
    checked = SPEC.replace("mode: merge\n", "mode: merge\n    expect: [{ not_null: [id] }]\n", 1)
    folder.write("specs/s.yaml", checked)
    done = folder.flowc("run", "copy", "--from", "2026-03-01", "--to", "2026-03-03", "--missing")
    passed = [line for line in done.out.splitlines() if line.startswith("passed")]
    assert passed == [f"passed  copy, 2026-03-0{day}T00:00:00Z, db.daily: not_null(id)" for day in (2, 3)]


def test_a_part_that_failed_is_missing_still(folder):
    odd = "SELECT CASE WHEN id = 1 THEN NULL ELSE id END AS id, at FROM events"  # a key that is NULL on one day
    folder.write("specs/s.yaml", SPEC.replace("SELECT id, at FROM events", odd))
    done = backfill(folder, "copy")
    assert done.code == 1
    assert [each["status"] for each in done.json["pipelines"]] == ["ok", "failed", "ok", "ok", "ok"]
    again = backfill(folder, "copy").json["pipelines"]
    assert [(each["due_at"], each["status"]) for each in again] == [("2026-03-03T00:00:00Z", "failed")]


def test_a_part_that_failed_in_one_target_is_tried_again_in_that_alone(folder):
    two = "pipelines:\n  two:\n    from: db\n    sql: SELECT id, at FROM events\n    mode: append\n"
    two += '    to: [daily, later]\n    incremental: { column: at }\n    schedule: "0 0 * * *"\n'
    folder.write("specs/s.yaml", SPEC.partition("pipelines:")[0] + two)
    database = open_database("sqlite", {"path": str(folder.path / "shop.db")})
    database.execute("INSERT INTO later VALUES (1, '2020-01-01 00:00:00+00:00')")
    assert backfill(folder, "two").code == 1
    database.execute("DELETE FROM later WHERE id = 1")
    database.execute("INSERT INTO events VALUES (9, '2026-03-02 07:00:00+00:00')")
    (again,) = backfill(folder, "two").json["pipelines"]
    assert again["due_at"] == "2026-03-03T00:00:00Z"
    assert [(each["passed_by"], each["counts"]["inserted"]) for each in again["targets"]] == [(True, 1), (False, 2)]
    assert ids(folder, "daily") == [*range(DAYS)]
    assert ids(folder, "later") == [*range(DAYS), 9]
    database.execute("UPDATE flowc_loads SET loaded_at = '2020-01-01 00:00:00+00:00'")
    assert backfill(folder, "two", until="2026-03-07").code == 0
    assert database.query("SELECT count(*) AS n FROM flowc_loads").to_pylist() == [{"n": 2}]  # those of the new day
    database.close()


def test_due_times_are_those_of_the_zone_and_parts_meet(folder):
    assert backfill(folder, "copy").code == 0
    done = backfill(folder, "after", since="2026-03-01T00:00:00+01:00", until="2026-03-06T00:00:00+01:00")
    assert [each["due_at"] for each in done.json["pipelines"]] == [f"2026-03-0{day}T23:00:00Z" for day in range(1, 6)]
    assert ids(folder, "later") == ids(folder, "daily") == [*range(DAYS)]


def test_what_reads_the_tables_of_others_comes_behind_all_of_these(folder):
    """Whenever they are due: here `after` is due an hour before the rows of that day come."""
    done = backfill(folder, "copy", "after")
    assert [each["status"] for each in done.json["pipelines"]] == ["ok"] * 10
    assert [each["name"] for each in done.json["pipelines"]] == ["copy"] * 5 + ["after"] * 5
    assert ids(folder, "later") == [*range(DAYS)]


@pytest.fixture
def log(folder: Inside) -> Iterator[RunLog]:
    path = folder.path / ".flowc" / "runs.sqlite"
    path.parent.mkdir(exist_ok=True)
    made = RunLog(lambda: open_database("sqlite", {"path": str(path)}), "sqlite", "shop", "tests")
    yield made
    made.close()


@pytest.mark.parametrize(("lease", "missing"), [(60.0, False), (0.0, True)])
def test_what_runs_is_not_missing_unless_it_gives_no_sign_of_life(folder, log, lease, missing):
    due = datetime(2026, 3, 3, tzinfo=UTC)
    log.begin_schedules([("copy", "0 0 * * *", "UTC")], due - timedelta(days=3))
    log.lease = lease
    assert log.claim(log.standings()["copy"], Claim("r", "copy", due, 1, "schedule"), due)
    done = backfill(folder, "copy")
    assert ("2026-03-03T00:00:00Z" in [each["due_at"] for each in done.json["pipelines"]]) is missing


@pytest.mark.parametrize("first", [1, 3])
def test_a_success_lets_downstream_go_on_where_nothing_before_it_is_left_to_do(folder, log, first):
    log.begin_schedules([("copy", "0 0 * * *", "UTC")], datetime(2026, 3, 1, tzinfo=UTC))
    assert backfill(folder, "copy", since=f"2026-03-0{first}").code == 0
    known = datetime(2026, 3, 6, tzinfo=UTC) if first == 1 else None
    assert log.standings()["copy"].succeeded_at == known
    backfill(folder, "copy")  # what was left
    assert log.standings()["copy"].succeeded_at == (known or datetime(2026, 3, 3, tzinfo=UTC))


def test_a_full_load_lets_downstream_go_on(folder, log):
    log.begin_schedules([("copy", "0 0 * * *", "UTC")], datetime(2026, 3, 1, tzinfo=UTC))
    assert folder.flowc("run", "copy", "--from", "2026-03-01", "--once").code == 0
    assert log.standings()["copy"].succeeded_at is None
    assert folder.flowc("run", "copy", "--full", "--once").code == 0
    assert log.standings()["copy"].succeeded_at > datetime(2026, 3, 6, tzinfo=UTC)


def test_environments_have_runs_and_schedules_of_their_own(folder):
    folder.write("specs/e.yaml", "environments: { prod: { connections: { db: { kind: sqlite, path: prod.db } } } }")
    assert folder.flowc("apply", "--yes", "--env", "prod").code == 0
    for env in ([], ["--env", "prod"]):
        for now in ("2026-03-01T00:01:00Z", "2026-03-02T00:01:00Z"):
            assert folder.flowc("run-due", "--now", now, *env).code == 0
    here, there = (folder.flowc("runs", "list", "--json", *env).json for env in ([], ["--env", "prod"]))
    assert sorted(run["pipeline"] for run in here) == sorted(run["pipeline"] for run in there)
    assert "copy" in {run["pipeline"] for run in here}
    assert not {run["run"] for run in here} & {run["run"] for run in there}


def test_nothing_of_the_future_is_missing(folder):
    now = datetime.now(UTC)
    done = backfill(
        folder, "copy", since=(now - timedelta(days=2)).isoformat(), until=(now + timedelta(days=9)).isoformat()
    )
    assert len(done.json["pipelines"]) == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("copy", "--missing"), "`--missing` looks at due times"),
        (("copy", "--missing", "--from", "yesterday"), "`--missing` looks at due times"),
        (("copy", "--missing", "--from", "2026-04-01", "--to", "2026-03-01"), "`--to` is before `--from`"),
        (("copy", "--missing", "--from", "2199-01-01"), "without `--to` it is up to now"),
        (("--missing", "--from", "2026-03-01"), "which loads"),
        (("counted", "--missing", "--from", "2026-03-01"), "reads on by `id`, a bigint, and no time"),
        (("worded", "--missing", "--from", "2026-03-01"), "reads on by `word`, a text, and no time"),
        (("copy", "--missing", "--from", "1990-01-01", "--to", "2026-01-01"), "more than 10,000 times"),
    ],
)
def test_what_is_wrong_is_said(folder, words, told):
    done = folder.flowc("run", *words)
    assert done.code == 2
    assert told in done.err


def test_what_runs_of_an_environment_are_told_by_fits_every_database(tmp_path):
    keys = [
        run_log(ProjectSpec(str(tmp_path), name=name, environment=env), Resolver({}, tmp_path)).project
        for name in ("shop", "s" * LONGEST_PROJECT)
        for env in (None, "prod", "p" * 200, "p" * 201)
    ]
    assert keys[:2] == ["shop", "shop@prod"]
    assert len(set(keys)) == len(keys)
    assert max(map(len, keys)) <= LONGEST_PROJECT
