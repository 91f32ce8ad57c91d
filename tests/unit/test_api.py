"""`flowc.check`, `flowc.plan` and `flowc.run`: as the commands, but that they never print, exit or take signals."""

from __future__ import annotations

import asyncio
import json
import pickle
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import pytest

import flowc
from tests.commands import ROOT, Inside
from tests.extended import EXTENDED

T = TypeVar("T")
SPECS = """
connections:
  shop: { kind: sqlite, path: shop.db }
  wh: { kind: sqlite, path: wh.db }
tables:
  people: { connection: wh, columns: { id: bigint primary key, name: text } }
  days: { connection: wh, columns: { id: bigint primary key, day: date not null } }
pipelines:
  people: { from: shop, sql: "SELECT id, name FROM people", to: people, mode: merge }
  days: { from: shop, sql: "SELECT id, day FROM days", to: days, mode: merge, incremental: { column: day } }
"""
STREAM = """
connections: { inbox: { kind: files, uri: inbox, format: csv } }
streams:
  seen:
    source: { connection: inbox, path: "*.csv", columns: { id: bigint } }
    sql: SELECT id FROM source
    to: { connection: wh, table: seen }
"""
WRONG = SPECS.replace("kind: sqlite, path: shop.db", "kind: sqlit")
CLOSED = "postgres://me:${PASSWORD}@127.0.0.1:1/none"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Inside:
    made = Inside(tmp_path)
    made.write("specs/a.yaml", SPECS)
    with sqlite3.connect(tmp_path / "shop.db") as shop:
        shop.executescript(
            "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT);"
            "CREATE TABLE days (id INTEGER PRIMARY KEY, day DATE NOT NULL);"
            "INSERT INTO people VALUES (1, 'Ada'), (2, 'Bob');"
            "INSERT INTO days VALUES (1, '2026-01-01'), (2, '2026-01-02'), (3, '2026-01-03');"
        )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return made


def timeless(document: str) -> object:
    return json.loads(re.sub(r'("seconds"|"phases"): ([\d.e-]+|\{[^}]*\})', r"\1: 0", document))


def counts(result: flowc.RunResult, *kinds: str) -> dict[str, tuple[int, ...]]:
    return {each.name: tuple(each.targets[0].counts[kind] for kind in kinds) for each in result.pipelines}


def test_check_finds_what_lint_finds(project: Inside):
    assert flowc.check().ok
    project.write("specs/a.yaml", WRONG)
    found = flowc.check()
    assert found.to_json() + "\n" == project.flowc("lint", "--json").out
    assert found.text() + "\n" == project.flowc("lint").out
    first = found.errors[0]
    assert (found.ok, first.severity, first.file, first.line) == (False, flowc.Severity.ERROR, "specs/a.yaml", 3)
    assert (first.code, first.column, "sqlite" in str(first.help)) == ("bad-value", 17, True)
    assert f"specs/a.yaml:3:17: error[{first.code}]" in repr(found)
    with pytest.raises(flowc.SpecErrors) as raised:
        found.raise_for_errors()
    assert raised.value.diagnostics == found.diagnostics


def test_warnings_are_no_errors(project: Inside):
    project.write("specs/a.yaml", SPECS.replace("FROM people", "FROM people WHERE name = NULL"))
    found = flowc.check()
    assert ([each.code for each in found.warnings], found.errors, found.ok) == (["null-comparison"], (), True)
    found.raise_for_errors()


def test_plan_is_the_document_of_the_command(project: Inside):
    found = flowc.plan()
    assert found.to_json() + "\n" == project.flowc("plan", "--json").out
    assert found.text() + "\n" == project.flowc("plan").out
    assert [(each.kind, each.object) for each in found.changes] == [
        ("create_table", "wh.people"), ("create_table", "wh.days"),
    ]  # fmt: skip
    assert (found.has_changes, [each.name for each in found.pipelines]) == (True, ["people", "days"])
    one = flowc.plan(select="people")
    assert one.to_json() + "\n" == project.flowc("plan", "people", "--json").out
    assert not (project.path / "wh.db").exists()
    assert project.flowc("apply", "--yes").code == 0
    assert (flowc.plan().has_changes, flowc.plan().changes) == (False, ())


def test_run_is_the_document_of_the_command(project: Inside):
    first = flowc.run()
    assert counts(first, "read", "inserted", "unchanged") == {"people": (2, 2, 0), "days": (3, 3, 0)}
    assert (first.ok, first.errors) == (True, ())
    assert first.seconds >= first.pipelines[0].targets[0].seconds > 0
    first.raise_for_failure()
    again = flowc.run()
    assert timeless(again.to_json()) == timeless(project.flowc("run", "--once", "--json").out)
    assert counts(again, "inserted", "unchanged")["people"] == (0, 2)
    assert [each.name for each in flowc.run("people").pipelines] == ["people"]


def test_selectors_stand_where_names_do(project: Inside):
    project.write(
        "specs/a.yaml", SPECS.replace("mode: merge, incremental", "mode: merge, tags: [nightly], incremental")
    )
    project.write("specs/b.yaml", STREAM.replace("  seen:\n", "  seen:\n    tags: [nightly]\n"))
    project.write("inbox/a.csv", "id\n1\n")
    planned = flowc.plan(select="+people")
    assert {change.name for change in planned.pipelines} == {"people"}
    result = flowc.run("tag:nightly")
    assert ([each.name for each in result.pipelines], [each.name for each in result.streams]) == (["days"], ["seen"])
    with pytest.raises(flowc.FlowcError, match="has the tag `hourly`"):
        flowc.run("tag:hourly")
    project.write("specs/c.yaml", "pipelines: { broken: { sql: SELECT 1 } }\n")
    assert flowc.run("people").ok
    with pytest.raises(flowc.SpecErrors):
        flowc.run("tag:nightly")


def test_loads_read_again_what_is_asked_for(project: Inside):
    flowc.run()
    part = flowc.run("days", since=date(2026, 1, 1), until="2026-01-03")
    assert counts(part, "read", "unchanged") == {"days": (2, 2)}
    assert counts(flowc.run("days", full=True), "read") == {"days": (3,)}
    with pytest.raises(flowc.UsageError) as refused:
        flowc.run(full=True)
    assert refused.value.code == "missing-name"


def test_streams_are_told_as_by_the_command(project: Inside):
    project.write("inbox/1.csv", "id\n1\n2\n")
    project.write("specs/b.yaml", STREAM)
    both = flowc.run()
    assert ([(each.name, each.rows, each.status) for each in both.streams], both.ok) == ([("seen", 2, "ok")], True)
    assert timeless(flowc.run().to_json()) == timeless(project.flowc("run", "--once", "--json").out)
    alone = flowc.run("seen", drain=True)
    assert (alone.pipelines, timeless(alone.to_json())) == (
        (), timeless(project.flowc("run", "seen", "--drain", "--json").out),
    )  # fmt: skip


def test_what_fails_on_the_way_is_in_the_result(project: Inside):
    with sqlite3.connect(project.path / "shop.db") as shop:
        shop.execute("UPDATE days SET day = 'soon' WHERE id = 2")
    flowc.run()
    found = flowc.run()
    assert [(each.name, each.status) for each in found.pipelines] == [
        ("people", flowc.Status.OK), ("days", flowc.Status.FAILED),
    ]  # fmt: skip
    assert timeless(found.to_json()) == timeless(project.flowc("run", "--once", "--json").out)
    (error,) = found.errors
    with pytest.raises(flowc.RunFailed) as raised:
        found.raise_for_failure()
    failed = raised.value
    assert (failed.code, failed.help, failed.result, failed.transient) == (error.code, error.help, found, False)
    assert str(failed).startswith("`days` failed\n\nerror[value-not-of-declared-type]: days, wh.days: ")


@pytest.mark.parametrize("call", [flowc.plan, flowc.run])
def test_errors_in_specs_are_raised_before_anything_is_done(project: Inside, call: Callable[[], object]):
    project.write("specs/a.yaml", WRONG)
    with pytest.raises(flowc.SpecErrors) as raised:
        call()
    assert repr(raised.value.diagnostics) == repr(flowc.check().diagnostics)
    assert str(raised.value).startswith("the specs have 1 error\n  specs/a.yaml:3:17: error[bad-value]")
    assert not (project.path / "wh.db").exists()


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: flowc.run("peple"), "unknown-pipeline"),
        (lambda: flowc.plan(select=["peple"]), "unknown-selection"),
        (lambda: flowc.check("nowhere"), "missing-specs"),
        (lambda: flowc.run("people", full=True, since="1"), "conflicting-options"),
    ],
)
def test_failures_tell_code_and_mend(project: Inside, call: Callable[[], object], code: str):
    with pytest.raises(flowc.FlowcError) as raised:
        call()
    assert raised.value.code == code
    assert f"[{code}] help: {raised.value.help}" in "".join(traceback.format_exception(raised.value))


def test_specs_are_found_from_a_folder_below_and_given_in_several_ways(project: Inside, monkeypatch):
    files = [Path("specs/a.yaml"), project.write("specs/more/b.yaml", STREAM)]
    found = [flowc.check(specs).ok for specs in ("specs", Path("specs"), files, files[1])]
    assert found == [True, True, True, False]
    (project.path / "notebooks").mkdir()
    monkeypatch.chdir(project.path / "notebooks")
    assert flowc.run().ok
    assert (project.path / "wh.db").exists()


def test_environments_are_those_of_the_specs_and_of_the_process(project: Inside, monkeypatch):
    project.write(
        "specs/b.yaml", "environments: { prod: { connections: { wh: { kind: sqlite, path: '${TARGET}' } } } }"
    )
    with pytest.raises(flowc.UsageError, match="`TARGET` is not set"):
        flowc.plan(env="prod")
    monkeypatch.setenv("TARGET", "prod.db")
    assert flowc.run(env="prod").ok
    assert ((project.path / "prod.db").exists(), (project.path / "wh.db").exists()) == (True, False)


def test_secrets_are_in_nothing_that_is_told(project: Inside, monkeypatch, postgres_driver):
    monkeypatch.setenv("PASSWORD", secret := "Hunter2-is-secret")
    project.write("specs/a.yaml", SPECS.replace("kind: sqlite, path: wh.db", f"kind: postgres, url: '{CLOSED}'"))
    with pytest.raises(flowc.FlowcError) as raised:
        flowc.plan()
    failed = flowc.run()
    assert raised.tb.tb_next is not None
    told = [
        "".join(traceback.format_exception(raised.value)),
        str(locals_of(raised.tb.tb_next)),
        repr(failed),
        failed.text(),
        failed.to_json(),
        *(repr(each) for each in failed.pipelines),
    ]
    assert [text for text in told if secret in text] == []
    assert secret.encode() not in pickle.dumps((failed, raised.value))
    assert [error.__cause__ or error.__context__ for error in (raised.value, *failed.errors)] == [None, None, None]


def locals_of(frames: TracebackType) -> list[object]:
    """What is in the frames of a failure: error trackers keep it."""
    return [*frames.tb_frame.f_locals.items(), *(locals_of(frames.tb_next) if frames.tb_next else ())]


@pytest.fixture
def postgres_driver() -> None:
    pytest.importorskip("psycopg")


def test_results_and_failures_cross_processes(project: Inside):
    project.write("specs/b.yaml", STREAM)
    with pytest.raises(flowc.FlowcError) as unknown:
        flowc.run("nothing")
    project.write("specs/a.yaml", WRONG)
    with pytest.raises(flowc.SpecErrors) as broken:
        flowc.run()
    first, second = pickle.loads(pickle.dumps((unknown.value, broken.value)))
    assert (type(first), first.code, str(first)) == (flowc.UsageError, "unknown-pipeline", str(unknown.value))
    assert (str(second), [each.code for each in second.errors]) == (str(broken.value), ["bad-value"])
    project.write("specs/a.yaml", SPECS)
    (project.path / "shop.db").unlink()
    failed = pickle.loads(pickle.dumps(flowc.run()))
    assert [str(pipeline.status) for pipeline in failed.pipelines] == ["failed", "failed"]


def in_thread(call: Callable[[], T]) -> T:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result()


async def in_loop(call: Callable[[], T]) -> T:
    return call()


@pytest.mark.parametrize("around", [in_thread, lambda call: asyncio.run(in_loop(call))], ids=["thread", "loop"])
def test_it_works_beside_other_threads_and_in_a_loop(project: Inside, around: Callable[..., object]):
    project.write("inbox/1.csv", "id\n1\n2\n")
    project.write("specs/b.yaml", STREAM)
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    around(lambda: (flowc.check(), flowc.plan()))
    assert [around(lambda: flowc.run().ok) for _ in range(2)] == [True, True]
    assert [signal.getsignal(number) for number in numbers] == before


def test_two_threads_at_once(project: Inside):
    flowc.run()
    before = threading.active_count()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda call: call(), [flowc.check, flowc.plan, flowc.check, flowc.plan] * 3))
    assert len({repr(each) for each in found}) == 2
    assert threading.active_count() <= before


def test_nothing_is_printed(project: Inside, capfd: pytest.CaptureFixture[str]):
    project.write("inbox/1.csv", "id\n1\n2\n")
    project.write("specs/b.yaml", STREAM)
    flowc.check(), flowc.plan(), flowc.run()
    project.write(
        "specs/c.yaml", "pipelines: { late: { from: shop, table: people, to: people, schedule: { cron: x } } }"
    )
    flowc.check(), flowc.run("people")
    (project.path / "shop.db").unlink()
    flowc.run("people")
    assert capfd.readouterr() == ("", "")


def printed(code: str, folder: Path) -> str:
    """What a Python of its own prints."""
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_flowc_loads_nothing_but_the_marks(tmp_path: Path):
    code = (
        "import sys, flowc; print(*sorted(m for m in sys.modules if m.startswith('flowc')), 'importlib' in sys.modules)"
    )
    assert printed(code, tmp_path).split()[:2] == ["flowc", "flowc.functions"]
    assert len(printed(code, tmp_path).split()) == 3


def test_names_stand_for_the_api_whatever_was_imported():
    assert callable(flowc.plan)
    assert [name for name in flowc.__all__ if not hasattr(flowc, name)] == []
    assert set(flowc.__all__) <= set(dir(flowc))
    with pytest.raises(AttributeError, match="no attribute 'chek'"):
        flowc.chek  # noqa: B018


def test_the_reference_has_every_name():
    page = (ROOT / "docs" / "reference" / "python.md").read_text("utf-8")
    assert [name for name in flowc.__all__ if not re.search(rf"\b{name}\b", page)] == []


def test_pandas_goes_on_to_work(project: Inside):
    pytest.importorskip("pandas")
    code = """
import flowc
assert flowc.check().ok and flowc.run().ok
import pandas, pyarrow
print(len(pyarrow.table({"a": pandas.Series([1, 2])}).to_pandas()))
"""
    assert printed(code, project.path) == "2"


NOTEBOOK = """
import sys, types
app = types.ModuleType("IPython")
app.get_ipython = lambda: types.SimpleNamespace(config={"IPKernelApp": {}})
sys.modules |= {"IPython": app, "ipywidgets": None}
"""
"""By what DuckDB knows a kernel of a notebook, here one that cannot draw its progress."""


def test_duckdb_opens_in_a_notebook(project: Inside):
    project.write("specs/a.yaml", SPECS.replace("kind: sqlite, path: wh.db", "kind: duckdb, path: wh.duckdb"))
    assert printed(f"{NOTEBOOK}import flowc\nprint(flowc.run().text(), flowc.run().ok)", project.path).endswith("True")


USER = """
import flowc
from datetime import date

def load(day: date) -> dict[str, int]:
    found: flowc.CheckResult = flowc.check("specs", env="prod")
    lines: list[int | None] = [each.line for each in found.errors]
    planned: flowc.PlanResult = flowc.plan(select=["orders"])
    names: list[str] = [change.object for change in planned.changes]
    try:
        result = flowc.run("orders", since=day)
        result.raise_for_failure()
    except flowc.SpecErrors as error:
        print(error.diagnostics, lines, names)
        raise
    except flowc.FlowcError as failure:
        print(failure.code, failure.help)
        raise
    counts: dict[str, int] = result.pipelines[0].targets[0].counts
    return counts
"""


@EXTENDED
def test_a_users_script_is_typed(tmp_path: Path):
    (tmp_path / "script.py").write_text(USER)
    (tmp_path / "wrong.py").write_text("import flowc\nflowc.run(1)\nflowc.check().erors\n")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", "", "--cache-dir", ".cache"]
    check = [*command, "--follow-imports", "silent", "--ignore-missing-imports", "script.py", "wrong.py"]
    env = {"MYPYPATH": str(ROOT), "PATH": "/usr/bin"}
    done = subprocess.run(check, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    found = re.findall(r"^(\w+\.py):\d+: error: .*\[([a-z-]+)\]$", done.stdout, re.MULTILINE)
    assert found == [("wrong.py", "arg-type"), ("wrong.py", "attr-defined")], done.stdout + done.stderr
    assert "Found 2 errors in 1 file (checked 2 source files)" in done.stdout
