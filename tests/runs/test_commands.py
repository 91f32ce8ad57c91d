"""Schedules by the command line: `run-due`, `schedule`, `runs`, `plan`, and the daemon."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from flowc.render.runs import run_text
from flowc.render.style import Style
from flowc.runtime.systems import open_database
from flowc.service.runs.log import RunLog
from flowc.service.runs.records import RunRecord
from tests.commands import Inside
from tests.waiting import until

pytestmark = [pytest.mark.usefixtures("warm_runs"), pytest.mark.turns("store", 2)]
NOON = "2026-03-10T12:00:00Z"
BEFORE = "2026-03-10T11:59:00Z"
SPEC = """
project: shop
connections: {{ db: {{ kind: sqlite, path: shop.db }} }}
tables:
  a: {{ connection: db, columns: {{ n: bigint primary key }} }}
  b: {{ connection: db, columns: {{ n: bigint }} }}
pipelines:
  up: {{ from: db, sql: "{sql}", to: a, mode: merge, schedule: "{schedule}"{more} }}
  down: {{ from: db, sql: SELECT n FROM a, to: b, mode: truncate, schedule: "{schedule}" }}
"""


def written(project, sql="SELECT 1 AS n", schedule="0 * * * *", more=""):
    project.write("specs/s.yaml", SPEC.format(sql=sql, schedule=schedule, more=more))


@pytest.fixture
def folder(tmp_path: Path) -> Inside:
    return Inside(tmp_path)


def runs(folder):
    done = folder.flowc("runs", "list", "--json")
    assert done.code == 0, done.err
    return done.json


def _gone():
    """The owner that a process of this machine was that has ended."""
    code = "from flowc.service.access.locks import owner_name; print(owner_name())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def due(folder, at):
    return folder.flowc("run-due", "--now", at)


def test_what_is_due_runs_once_in_order(folder):
    written(folder)
    assert due(folder, BEFORE).code == 0
    assert runs(folder) == []
    done = due(folder, NOON)
    assert done.code == 0, done.err
    assert due(folder, NOON).code == 0
    found = runs(folder)
    assert [(run["pipeline"], run["status"], run["due_at"], run["rows_inserted"]) for run in found] == [
        ("down", "ok", NOON, 1),
        ("up", "ok", NOON, 1),
    ]
    shown = folder.flowc("runs", "show", found[0]["run"]).out
    assert "db.b" in shown
    assert "truncate" in shown


def test_a_run_tells_its_bytes_its_phases_and_what_it_ran(folder):
    folder.write("in/a.csv", "n\n1\n2\n")
    written(folder)
    source = "{ connection: drop, path: a.csv, format: csv, columns: { n: bigint } }"
    spec = (folder.path / "specs/s.yaml").read_text().replace("up: { from: db", f"up: {{ from: {source}")
    spec = spec.replace("SELECT 1 AS n", "SELECT n FROM source").replace(
        "db: {", "drop: { kind: files, uri: in }, db: {", 1
    )
    folder.write("specs/s.yaml", spec)
    shown = []
    for edited in (
        spec,
        f"# one line more\n{spec}",
        spec.replace("SELECT n FROM source", "SELECT n + 1 AS n FROM source"),
    ):
        folder.write("specs/s.yaml", edited)
        assert folder.flowc("run", "up", "--once").code == 0
        shown.append(folder.flowc("runs", "show", "last", "--json").json)
    assert [run["byte_count"] for run in shown] == [16, 16, 16]  # of two integers of eight bytes
    first, same, other = (run["plan"] for run in shown)
    assert first == same != other
    phases = shown[0]["detail"]["pipelines"][0]["targets"][0]["phases"]
    assert {"read the source", "commit"} <= set(phases)


def test_the_parts_of_a_load_that_took_a_while_are_shown():
    target = {"target": "db.a", "status": "ok", "phases": {"read the source": 1.5, "commit": 0.001}}
    run = RunRecord(
        "r", "up", 1, "manual", "ok", "me", datetime.fromisoformat(NOON), detail={"pipelines": [{"targets": [target]}]}
    )
    text = run_text(run, Style())
    assert "read the source     1.50" in text
    assert "commit  " not in text


def test_checks_have_a_history(folder):
    written(folder)
    assert "no checks" in folder.flowc("runs", "checks").err
    checks = (
        ', expect: [{ not_null: [n] }, { sql: "n < 5", name: small, severity: warn }, { sql: n > 0, name: positive }]'
    )
    for value, code in ((1, 0), (9, 0), (-1, 1)):
        written(folder, sql=f"SELECT {value} AS n", more=checks)
        assert folder.flowc("run", "up", "--once").code == code
    found = {each["check"]: each for each in folder.flowc("runs", "checks", "up", "--json").json}
    history = {name: [result["passed"] for result in each["results"]] for name, each in found.items()}
    assert history == {"not_null(n)": [True] * 3, "small": [True, False, True], "positive": [False, True, True]}
    assert [found[name]["severity"] for name in ("small", "positive")] == ["warn", "error"]
    shown = folder.flowc("runs", "checks").out
    assert "1 of 1" in shown
    assert "2 of 3 runs" in shown


def test_a_run_shows_its_checks_and_the_rows_that_it_set_aside(folder):
    sql = "SELECT 1 AS n UNION ALL SELECT -1"
    written(folder, sql, more=", expect: [{ sql: n > 0, name: positive, severity: quarantine }, { not_null: [n] }]")
    assert folder.flowc("run", "--once").code == 0
    up, down = (folder.flowc("runs", "show", run["run"]).out for run in sorted(runs(folder), key=_backwards))
    head, values, *_ = (line.split() for line in up.splitlines() if line.startswith(("target  mode", "db.a")))
    assert dict(zip(head, values, strict=True))["bad"] == "1"
    assert "passed  db.a: positive (1 of 2 rows, quarantined)\npassed  db.a: not_null(n)\n" in up
    assert "bad" not in down


def _backwards(run):
    return -ord(run["pipeline"][0])


def test_logs_tell_what_runs_said_and_follow(folder):
    written(folder, sql="SELECT n FROM gone")
    assert "no runs" in folder.flowc("logs").err
    due(folder, BEFORE)
    due(folder, NOON)
    lines = folder.flowc("logs").out.splitlines()
    assert lines[-1].startswith("up ")
    assert "failed[" in "\n".join(lines)
    assert folder.flowc("logs", "down").out == ""
    (shown,) = map(json.loads, folder.flowc("logs", "--json").out.splitlines())
    assert shown["status"] == "failed"
    assert folder.flowc("logs", "--run", shown["run"][:20], "--json").json == shown
    following = folder.start("logs", "--follow", "--limit", "1", "--json")
    assert json.loads(following.stdout.readline()) == shown
    written(folder)
    assert folder.flowc("run", "up", "--once").code == 0
    assert json.loads(following.stdout.readline())["status"] == "ok"
    log = folder.path / ".flowc/runs.sqlite"
    kept = log.read_bytes()
    log.write_bytes(b"no database " * 4096)
    assert "the run log cannot be read" in following.stderr.readline()
    log.write_bytes(kept)
    assert "the run log can be used again" in following.stderr.readline()
    assert folder.flowc("run", "down", "--once").code == 0
    assert json.loads(following.stdout.readline())["pipeline"] == "down"
    following.send_signal(signal.SIGTERM)
    following.communicate(timeout=30)
    assert following.returncode == 0


def test_a_failure_is_recorded_with_its_code_and_tried_again(folder):
    written(folder, more=", retry: { attempts: 2, backoff: 1m }", sql="SELECT n FROM gone")
    due(folder, BEFORE)
    done = due(folder, NOON)
    assert done.code == 1
    assert "tried again at 2026-03-10T12:01:00" in done.err
    assert due(folder, "2026-03-10T12:00:30Z").code == 0
    assert "that was the last attempt for this due time" in due(folder, "2026-03-10T12:01:30Z").err
    found = [(run["attempt"], run["status"], run["reason"]) for run in runs(folder)]
    assert found == [(2, "failed", "retry"), (1, "failed", "schedule")]
    assert folder.flowc("runs", "show", "last", "--json").json["error_code"]


def test_pause_and_resume(folder):
    written(folder)
    due(folder, BEFORE)
    assert folder.flowc("schedule", "pause", "up").code == 0
    due(folder, NOON)
    assert runs(folder) == []
    states = folder.flowc("schedule", "list", "--json").json
    assert [each["state"] for each in states] == ["paused", "waits: `up` has no success for that time"]
    folder.flowc("schedule", "resume", "up")
    due(folder, NOON)
    assert len(runs(folder)) == 2


def test_a_success_by_hand_is_the_last_success(folder):
    written(folder)
    assert [each["last_success"] for each in folder.flowc("schedule", "list", "--json").json] == [None, None]
    assert folder.flowc("run", "--once", "up").code == 0
    first, second = folder.flowc("schedule", "list", "--json").json
    assert first["last_success"][:10] == runs(folder)[0]["started_at"][:10]
    assert second["last_success"] is None
    assert "last success" in folder.flowc("schedule", "list").out


def test_selectors_choose_among_schedules(folder):
    written(folder, more=", tags: [first]")
    due(folder, BEFORE)
    assert folder.flowc("schedule", "pause", "up+").err == "paused: up, down\n"
    assert folder.flowc("schedule", "resume", "tag:first").err == "resumed: up\n"
    assert folder.flowc("run-due", "--now", NOON, "tag:first").code == 0
    assert [each["pipeline"] for each in folder.flowc("schedule", "list", "tag:first", "--json").json] == ["up"]
    folder.flowc("schedule", "resume", "+down")
    due(folder, NOON)
    assert [each["pipeline"] for each in runs(folder)] == ["down", "up"]
    assert [each["pipeline"] for each in folder.flowc("runs", "list", "tag:first", "--json").json] == ["up"]


def test_runs_are_shown_whatever_is_wrong_with_sql_by_now(folder):
    written(folder)
    assert folder.flowc("run", "--once").code == 0
    written(folder, sql="SELEC 1 AS n")
    assert folder.flowc("lint").code == 1
    assert [each["pipeline"] for each in runs(folder)] == ["down", "up"]
    assert folder.flowc("runs", "show", "last").code == 0
    assert folder.flowc("logs").code == 0
    assert folder.flowc("runs", "list", "+down").code == 1  # what is upstream of it is not known
    folder.write("specs/s.yaml", "pipelines: {")
    assert folder.flowc("runs", "list").code == 1


def test_a_success_by_hand_lets_downstream_go_on(folder):
    written(folder, sql="SELECT n FROM gone")
    due(folder, BEFORE)
    due(folder, NOON)
    written(folder)
    assert folder.flowc("run", "up", "--once").code == 0
    due(folder, NOON)
    assert [(run["pipeline"], run["status"], run["reason"]) for run in runs(folder)][:2] == [
        ("down", "ok", "schedule"),
        ("up", "ok", "manual"),
    ]


def test_a_run_by_hand_that_was_killed_is_lost(folder):
    written(folder)
    file = str(folder.path / ".flowc/runs.sqlite")
    log = RunLog(lambda: open_database("sqlite", {"path": file}), "sqlite", "shop", _gone())
    folder.flowc("run", "--once")
    log.begin(RunRecord("20990101", "up", 1, "manual", "running", log.owner, log.now()))
    log.close()
    assert [run["status"] for run in runs(folder)] == ["lost", "ok", "ok"]


def test_what_a_function_prints_is_no_report(folder):
    folder.write(
        "own.py",
        "import os, flowc\n\n@flowc.udf(args=['bigint'], returns='bigint')\ndef noisy(x):\n"
        "    print('hello')\n    os.write(1, b'there')\n    return x\n",
    )
    folder.write("in.csv", "n\n1\n")
    written(folder)
    source = "{ connection: files, path: in.csv, columns: { n: bigint } }"
    folder.write(
        "specs/more.yaml",
        "connections: { files: { kind: files, uri: ., format: csv } }\n"
        "tables: { c: { connection: db, columns: { n: bigint } } }\n"
        "functions: { noisy: { python: 'own:noisy', args: [bigint], returns: bigint } }\n"
        f"pipelines: {{ loud: {{ from: {source}, sql: SELECT noisy(n) AS n FROM source, to: c, mode: append,"
        " schedule: '0 * * * *' } }\n",
    )
    due(folder, BEFORE)
    assert due(folder, NOON).code == 0
    (run,) = [run for run in runs(folder) if run["pipeline"] == "loud"]
    assert (run["status"], run["rows_inserted"]) == ("ok", 1)
    assert "hello" in folder.flowc("runs", "show", run["run"]).out


def test_a_pipeline_may_be_named_as_a_folder_is(folder):
    written(folder)
    folder.write("up/x.txt", "")
    due(folder, BEFORE)
    assert due(folder, NOON).code == 0


def test_a_run_log_in_a_file_that_loads_write_is_refused(folder):
    written(folder)
    folder.write(
        "specs/log.yaml", "run_log: { connection: other }\nconnections: { other: { kind: sqlite, path: shop.db } }\n"
    )
    assert "error[unsupported-target]" in folder.flowc("lint").out


def test_plan_shows_an_edited_schedule(folder):
    written(folder)
    due(folder, BEFORE)
    folder.flowc("apply", "--yes")
    written(folder, schedule="*/5 * * * *")
    assert "up: `0 * * * * (UTC)` → `*/5 * * * * (UTC)`" in folder.flowc("plan").out
    assert "No changes: " not in folder.flowc("plan").out
    (first, _) = folder.flowc("plan", "--json").json["schedules"]
    assert (first["before"], first["after"]) == ("0 * * * * (UTC)", "*/5 * * * * (UTC)")
    due(folder, NOON)
    assert runs(folder) == []
    assert "schedules" not in folder.flowc("plan").out


def test_the_tables_of_the_run_log_are_nobodys(folder):
    written(folder)
    folder.write(
        "specs/log.yaml", "run_log: { connection: log }\nconnections: { log: { kind: sqlite, path: log.db } }\n"
    )
    folder.flowc("run", "--once")
    assert "flowc_" not in folder.flowc("import", "log").out


def test_variables_of_workers_do_nothing_outside_of_them(folder):
    written(folder)
    folder.env = {"FLOWC_RUN": "mine", "FLOWC_REPORT": "99"}
    assert folder.flowc("run", "up", "--once", "--json").json["status"] == "ok"
    folder.env = {}
    assert [run["status"] for run in runs(folder)] == ["ok"]


def test_an_address_of_a_run_log_is_never_shown(folder):
    written(folder)
    for address in ("host=h password=s3cr3tpw", "ftp://u:s3cr3tpw@h/x", "postgres://u:s3cr3tpw@127.0.0.1:1/x"):
        done = folder.flowc("runs", "list", "--run-log", address)
        assert done.code == 2
        assert "s3cr3tpw" not in done.out + done.err


def test_status_tells_what_is_due_and_a_run_log_that_is_none(folder):
    written(folder)
    due(folder, BEFORE)
    assert "0 * * * *" in folder.flowc("status").out
    folder.write(".flowc/runs.sqlite", "junk" * 1000)
    broken = folder.flowc("status")
    assert broken.code == 1
    assert "no schedules" not in broken.err


def test_looking_makes_no_run_log(folder):
    written(folder)
    for words in (["runs", "list"], ["schedule", "list"], ["plan"]):
        folder.flowc(*words)
    assert not (folder.path / ".flowc").exists()


def test_a_run_log_that_cannot_be_written_warns(folder):
    written(folder)
    folder.write(".flowc", "in the way")
    done = folder.flowc("run", "--once")
    assert done.code == 0
    assert "warning: this run is not recorded" in done.err


def test_apply_makes_the_tables_of_a_run_log_that_nobody_else_may_make(folder, store):
    log = f"run_log: {{ connection: log, create_tables: false }}\nconnections: {{ log: {store.connection} }}\n"
    written(folder)
    folder.write("specs/log.yaml", log)
    refused = due(folder, BEFORE)
    assert refused.code == 2
    assert "error[unknown-table]" in refused.err
    applied = folder.flowc("apply", "--yes")
    assert applied.code == 0, applied.err
    assert due(folder, BEFORE).code == 0
    assert due(folder, NOON).code == 0
    assert len(runs(folder)) == 2


def test_a_lease_that_is_no_number_is_an_error(folder):
    written(folder)
    folder.env["FLOWC_LEASE"] = "long"
    done = due(folder, BEFORE)
    assert done.code == 2
    assert "error[unusable-option]: `FLOWC_LEASE` is `long`" in done.err


def test_the_daemon_runs_what_is_due_and_stops_what_runs(folder):
    written(folder, schedule="* * * * * *")
    daemon = folder.begin("run")
    until(lambda: len(runs(folder)) >= 2)
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(60) == 0
    assert all(run["status"] in ("ok", "cancelled") for run in runs(folder))
    assert all(datetime.fromisoformat(run["due_at"]) for run in runs(folder))


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["run-due", "--now", "soon"], "unusable-option"),
        (["run-due", "--now", "0001-01-01"], "unusable-option"),
        (["run-due", "--run-log", "ftp://x/y"], "unusable-option"),
        (["runs", "show", "nothing"], "unknown-selection"),
        (["runs", "list", "upp"], "unknown-pipeline"),
        (["schedule", "pause"], "missing-name"),
        (["run", "nobody"], "unknown-selection"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, words, code):
    project = Inside(tmp_path)
    written(project)
    done = project.flowc(*words)
    assert done.code == 2
    assert f"error[{code}]" in done.err


SLOW = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 1000000000) SELECT max(n) AS n FROM c"


def test_a_run_that_takes_too_long_is_told_as_that(folder, monkeypatch):
    monkeypatch.setattr("flowc.service.runs.executors._PATIENCE", 0.5)  # with one that hears of nothing
    written(folder, sql=SLOW, more=", timeout: 1s")
    due(folder, BEFORE)
    assert "run-timeout" in due(folder, NOON).err
    run = folder.flowc("runs", "show", runs(folder)[-1]["run"], "--json").json
    ended = "timeout", "run-timeout", "it took longer than its `timeout`"
    assert (run["status"], run["error_code"], run["error"]) == ended
