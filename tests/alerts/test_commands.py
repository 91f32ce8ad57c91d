"""Alerts and freshness by the command line: `run-due`, the daemon, `status` and `alerts test`."""

from __future__ import annotations

import json
import signal
import sqlite3
import time
from pathlib import Path

import pytest

from flowc.service.alerts.told import Telling
from tests.alerts.servers import hook
from tests.alerts.specs import BASE
from tests.commands import Inside
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("warm_runs")
SECRET = "s3cr3tpath"
BEFORE, NOON, LATER = "2026-03-10T11:59:00Z", "2026-03-10T12:00:00Z", "2026-03-10T13:00:00Z"
SPEC = """
project: shop
connections: {{ db: {{ kind: sqlite, path: shop.db }} }}
tables:
  a: {{ connection: db, columns: {{ n: bigint primary key, at: timestamptz }} }}
pipelines:
  up: {{ from: db, sql: "{sql}", to: a, mode: merge, tags: [critical]{more} }}
alerts:
  team: {{ kind: slack, url: "${{HOOK}}" }}
  log: {{ kind: stdout, only: ["tag:critical"] }}
"""
GOOD = "SELECT 1 AS n, '2026-03-10 09:00:00+00:00' AS at"
SCHEDULED = ', schedule: "0 * * * *"'
FRESH = ", freshness: { column: at, max_age: 2h }"


@pytest.fixture
def folder(tmp_path: Path) -> Inside:
    return Inside(tmp_path)


def written(folder, server, sql=GOOD, more=SCHEDULED):
    folder.env = {"HOOK": server.url}
    folder.write("specs/s.yaml", SPEC.format(sql=sql, more=more))


def due(folder, at):
    done = folder.flowc("run-due", "--now", at)
    assert SECRET not in done.out + done.err
    return done


def lines(done):
    return [json.loads(line) for line in done.out.splitlines()]


def test_a_failure_and_the_recovery_are_told_before_run_due_ends(folder):
    with hook() as server:
        written(folder, server, sql="SELECT n FROM gone")
        due(folder, BEFORE)
        failed = due(folder, NOON)
        assert failed.code == 1
        assert [(each["kind"], each["subject"], each["due_at"]) for each in lines(failed)] == [("gave_up", "up", NOON)]
        written(folder, server)
        recovered = due(folder, LATER)
    assert [each["kind"] for each in lines(recovered)] == ["recovered"]
    first, second = (body["text"].splitlines() for body in server.bodies)
    assert first[0] == "*[shop] up failed*"
    assert first[-1] == "That was the last attempt for this due time."
    assert second == ["*[shop] up is well again*", f"`up` is well again: it succeeded for its due time {LATER}"]


def test_stale_tables_are_told_and_shown_without_asking_them(folder):
    with hook() as server:
        written(folder, server, more=FRESH)
        assert "unknown" in folder.flowc("status").out
        folder.flowc("apply", "--yes")
        folder.flowc("run", "--once")
        assert lines(due(folder, "2026-03-10T10:00:00Z")) == []
        (seen,) = folder.flowc("status", "--json").json  # by the clock of the run log, months have gone by since
        assert (seen["freshness"], seen["since"]) == ("stale", "2026-03-10T11:00:00Z")
        assert "fresh " not in folder.flowc("status").out.splitlines()[-1]
        stale = due(folder, NOON)
        assert [(each["kind"], each["value"]) for each in lines(stale)] == [("stale", "2026-03-10T09:00:00Z")]
        assert due(folder, "2026-03-10T12:10:00Z").out == ""
        (folder.path / "shop.db").unlink()
        shown = folder.flowc("status")
        (found,) = folder.flowc("status", "--json").json
    assert shown.code == 0
    assert "stale" in shown.out
    assert "2026-03-10 09:00:00Z" in shown.out
    assert (found["pipeline"], found["freshness"], found["newest"]) == ("up", "stale", "2026-03-10T09:00:00Z")
    assert (found["max_age"], found["looked_at"]) == (7200.0, "2026-03-10T12:10:00Z")
    assert len(server.got) == 1


def test_a_load_makes_a_table_fresh_in_the_same_tick(folder):
    with hook() as server:
        written(folder, server, more=SCHEDULED + FRESH, sql="SELECT 1 AS n, '2026-03-10 11:30:00+00:00' AS at")
        folder.flowc("apply", "--yes")
        due(folder, BEFORE)
        assert lines(due(folder, NOON)) == []
        assert [each["kind"] for each in lines(due(folder, "2026-03-10T14:00:00Z"))] == ["stale"]


def test_an_alert_that_hangs_keeps_no_run_and_no_other_alert_back(folder, monkeypatch):
    monkeypatch.setattr(Telling.close, "__defaults__", (1.5,))
    with hook("hang") as server:
        written(folder, server, sql="SELECT n FROM gone")
        due(folder, BEFORE)
        began = time.monotonic()
        failed = due(folder, NOON)
    assert time.monotonic() - began < 20
    assert [each["kind"] for each in lines(failed)] == ["gave_up"]
    assert "alert `team` did not tell 1 alerts" in failed.err


def test_alerts_test_says_what_happened_to_each(folder):
    with hook(200, 403, 200) as server:
        written(folder, server)
        fine = folder.flowc("alerts", "test")
        refused = folder.flowc("alerts", "test")
        named = folder.flowc("alerts", "test", "log")
        unknown = folder.flowc("alerts", "test", "teem")
    assert (fine.code, refused.code, named.code, unknown.code) == (0, 1, 0, 2)
    assert fine.err.splitlines() == ["team: delivered", "log: delivered"]
    assert [each["kind"] for each in lines(fine)] == ["test"]
    assert "team: not delivered: it answered 403: said no" in refused.err
    assert named.err == "log: delivered\n"
    assert "did you mean `team`?" in unknown.err
    assert all(SECRET not in done.out + done.err for done in (fine, refused, named, unknown))


def test_a_variable_that_is_not_set_is_told_and_the_others_are_sent(folder):
    with hook() as server:
        written(folder, server)
        folder.env = {}
        done = folder.flowc("alerts", "test")
    assert done.code == 1
    assert "team: not delivered: the variable `HOOK` is not set" in done.err
    assert "log: delivered" in done.err


def test_the_daemon_watches_tables_that_it_does_not_load(folder):
    with hook() as server:
        written(folder, server, more=FRESH.replace("2h", "1s"))
        folder.flowc("apply", "--yes")
        folder.flowc("run", "--once")
        daemon = folder.begin("run", "up")
        until(lambda: server.got)
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(60) == 0
    assert "up is stale" in server.bodies[0]["text"]
    with sqlite3.connect(folder.path / ".flowc/runs.sqlite") as log:
        assert log.execute("SELECT bad FROM flowc_conditions WHERE alert_name = 'team'").fetchall() == [(1,)]


STREAM = """
project: shop
connections:
  db: { kind: sqlite, path: shop.db }
  drop: { kind: files, uri: drop }
streams:
  clicks:
    source: { connection: drop, path: "*.jsonl", format: jsonl, columns: { n: bigint } }
    to: { connection: db, table: clicks, mode: append }
    on_error: fail
alerts: { log: { kind: stdout } }
"""


def test_a_stream_that_gives_up_is_told_before_the_daemon_ends(folder):
    folder.write("specs/s.yaml", STREAM)
    folder.write("drop/a.jsonl", '{"n": 1}\n{"n": "many"}\n')
    done = folder.flowc("run")
    assert done.code == 1
    (told,) = lines(done)
    assert (told["kind"], told["subject"], told["subject_kind"]) == ("gave_up", "clicks", "stream")
    assert told["error_code"]
    assert lines(folder.flowc("run")) == []


def test_secrets_of_alerts_and_telemetry_are_tested_too(tmp_path):
    folder = Inside(tmp_path, {"HOOK": "https://x.example/y"})
    folder.write(
        "specs/a.yaml",
        BASE
        + """
alerts: { team: { kind: slack, url: "${HOOK}" }, pager: { kind: pagerduty, routing_key: "${NO_KEY}" } }
telemetry:
  metrics: { kind: otlp, headers: { authorization: "Bearer ${NO_TOKEN}" } }
  resource: { zone: "${NO_ZONE}" }
""",
    )
    done = folder.flowc("secrets", "test")
    assert (done.code, done.out) == (1, "alert team  ${HOOK}  resolves\n")
    for words in (
        "alert pager: ",
        "`NO_KEY`",
        "telemetry.metrics: ",
        "`NO_TOKEN`",
        "telemetry.resource: ",
        "`NO_ZONE`",
    ):
        assert words in done.err
