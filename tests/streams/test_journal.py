"""A system that nothing in `flowc/` knows is a target and a source of streams, from lint to rewind."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flowc.cli.opened import open_project
from flowc.compiler.front.streamkinds import SourceKind, TargetKind
from flowc.runtime.contracts.target import Fenced
from flowc.runtime.streams.plantext import made_by, maker
from flowc.service.streams.run import StreamReport, StreamRun, assembled, plan_of, run_stream
from tests.commands import Inside
from tests.stores import Store
from tests.streams.epochs import Cut
from tests.streams.journal.registered import JOURNAL, journal

ROOT = Path(__file__).parents[2]
__all__ = ["journal"]
pytestmark = pytest.mark.usefixtures("journal")

SPEC = """
version: 1
project: p
connections:
  inbox: {{ kind: files, uri: inbox }}
  out: {{ kind: journal, uri: out }}
  wh: {{ kind: sqlite, path: wh.sqlite }}
streams:
  s:
    source: {{ connection: inbox, path: "*.jsonl", columns: {{ id: bigint, n: bigint }} }}
    sql: SELECT id, n * 2 AS twice FROM source
    batch: {{ max_rows: 10 }}
    to: {to}
"""
ONE = "{ connection: out, path: rows.log }"
TWO = "[{ connection: out, path: rows.log }, { connection: wh, table: t }]"
ROWS = [{"id": n, "twice": n * 2} for n in range(35)]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Inside:
    monkeypatch.chdir(tmp_path)
    return Inside(tmp_path)


def _fill(project: Inside, to: str, **more: str) -> None:
    project.write("specs/s.yaml", SPEC.format(to=to, **more))
    messages = [json.dumps({"id": n, "n": n}) for n in range(35)]
    project.write("inbox/a.jsonl", "\n".join(messages[:20]) + "\n")
    project.write("inbox/b.jsonl", "\n".join(messages[20:]) + "\n")


def _entries(project: Inside) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (project.path / "out/rows.log").read_text("utf-8").splitlines()]


def _rows(project: Inside) -> list[dict[str, int]]:
    return sorted((row for entry in _entries(project) for row in entry["rows"]), key=lambda row: row["id"])


def _run(pause: Callable[[str], None] = lambda _: None) -> StreamReport:
    whole = open_project([Path("specs")], None, "")
    try:
        return run_stream(whole.checked, whole.ir, "s", whole.sessions, pause)
    finally:
        whole.sessions.close()


def test_commands_know_it_by_its_schema_and_its_record(project: Inside) -> None:
    _fill(project, ONE)
    done = project.flowc("lint")
    assert done.code == 0, done.err
    done = project.flowc("compile")
    assert "-- s: json rows into out:rows.log (id bigint, twice bigint)" in done.out, done.out + done.err
    done = project.flowc("plan")
    assert "out:rows.log" in done.out, done.out + done.err
    assert "rows and positions are one line" in done.out
    done = project.flowc("graph")
    assert "rows.log" in done.out, done.out + done.err
    done = project.flowc("run", "s", "--once")
    assert done.code == 0, done.err
    assert _rows(project) == ROWS
    last = _entries(project)[-1]
    assert len(_entries(project)) > 1
    assert [source for source, *_ in last["positions"]] == ["source"]
    status = json.loads(project.flowc("status", "s", "--json").out)
    assert f'"epoch": {last["epoch"]}' in json.dumps(status)
    assert "out:rows.log" in json.dumps(status)


def test_a_stream_reads_what_another_writes(project: Inside) -> None:
    _fill(project, ONE)
    reads = """
version: 1
streams:
  again:
    source: {{ connection: out, path: rows.log, columns: {{ id: bigint, twice: bigint }} }}
    sql: SELECT id, 60 / (twice % 7) AS part FROM source
    batch: {{ max_rows: 4 }}
    on_error: dlq
    to: {{ connection: wh, table: t, mode: append }}
"""
    project.write("specs/again.yaml", reads.format())
    for command in (["lint"], ["connections", "check", "out"], ["run", "s", "--once"], ["run", "again", "--once"]):
        done = project.flowc(*command)
        assert done.code == 0, (command, done.out, done.err)
    wanted = sorted((row["id"], 60 // (row["twice"] % 7)) for row in ROWS if row["twice"] % 7)
    store = Store("sqlite", project.path, file="wh")
    assert store.rows("SELECT id, part FROM t ORDER BY id") == wanted
    project.write("inbox/c.jsonl", '{"id": 99, "n": 2}\n')
    assert _run().error is None
    for command in (["run", "again", "--once"], ["rewind", "again", "--to", "earliest", "--yes"]):
        done = project.flowc(*command)
        assert done.code == 0, (command, done.out, done.err)
    assert store.rows("SELECT id, part FROM t ORDER BY id") == [*wanted, (99, 15)]
    assert project.flowc("run", "again", "--once").code == 0
    assert store.rows("SELECT count(*) FROM t") == [(2 * len(wanted) + 2,)]


def test_the_guide_names_the_files_that_it_takes() -> None:
    here = Path("tests/streams/journal")
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / here).rglob("*.*") if path.suffix in (".py", ".json")}
    files = {path for path in modules if Path(path).name not in ("__init__.py", "registered.py")}
    story = (ROOT / "docs/guides/adding-a-connector.md").read_text("utf-8").split("## A sample\n")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `(.+?)` ", story, re.MULTILINE)) == files
    assert len(files) == 4
    line = f'"journal": System({JOURNAL.compiler}, {JOURNAL.runtime}),'.replace("'", '"')
    assert line in story


def test_the_guide_names_all_that_a_schema_says_of_streams() -> None:
    text = (ROOT / "docs/guides/adding-a-connector.md").read_text("utf-8")
    records = (("source", SourceKind), ("target", TargetKind))
    said = {f"{part}.{field.name}" for part, record in records for field in dataclasses.fields(record)}
    assert set(re.findall(r"^\| `((?:source|target)\.\w+)` ", text, re.MULTILINE)) == said


def test_tests_of_a_project_run_without_it(project: Inside) -> None:
    _fill(project, ONE)
    step = "{ rows: [{ id: 1, n: 3 }], emits: [{ id: 1, twice: 6 }] }"
    project.write("specs/t.yaml", f"tests: {{ doubled: {{ stream: s, steps: [{step}] }} }}\n")
    done = project.flowc("test")
    assert done.code == 0, done.out + done.err
    assert "1 passed" in done.out + done.err
    assert not (project.path / "out").exists()


def test_an_option_that_it_does_not_heed_is_refused(project: Inside) -> None:
    _fill(project, "{ connection: out, path: rows.log, key: id }")
    done = project.flowc("lint")
    assert done.code == 1
    assert "`key` says nothing to a connection of kind `journal`" in done.err + done.out
    _fill(project, "{ connection: out, path: rows.log, format: csv }")
    done = project.flowc("compile")
    assert "stream `s` cannot write a journal of the format `csv`" in done.err + done.out


def test_dead_letters_go_elsewhere_for_it_takes_none(project: Inside) -> None:
    _fill(project, ONE + "\n    on_error: dlq\n    dead_letter: { connection: wh, table: bad }")
    project.write("inbox/c.jsonl", '{"id": "x"}\n')
    assert _run().error is None
    assert _rows(project) == ROWS
    assert Store("sqlite", project.path, file="wh").rows("SELECT message FROM bad") == [(b'{"id": "x"}',)]
    _fill(project, ONE + "\n    on_error: dlq\n    dead_letter: { connection: out, path: bad.log }")
    done = project.flowc("lint")
    assert done.code == 1, done.out
    assert "a stream cannot send bad rows to `out`, a connection of kind `journal`" in done.out + done.err


@pytest.mark.parametrize("to", [ONE, TWO])
def test_rows_are_there_once_wherever_a_run_is_cut_off(project: Inside, to: str) -> None:
    _fill(project, to)
    points = list[str]()
    assert _run(points.append).error is None
    assert {"rows", "half", "committed"} <= set(points)
    for cut in range(len(points)):
        for file in (*project.path.glob("wh.sqlite*"), project.path / "out/rows.log", *project.path.glob(".flowc/*/*")):
            file.unlink(missing_ok=True)
        passed = iter(range(cut))

        def pause(_: str, passed: Iterator[int] = passed) -> None:
            if next(passed, None) is None:
                raise Cut

        _run(pause)
        assert _run().error is None
        assert _rows(project) == ROWS, f"cut at {points[cut]}, {cut}"
        numbers = [entry["epoch"] for entry in _entries(project)]
        assert numbers == sorted(set(numbers))
        if to == TWO:
            stored = Store("sqlite", project.path, file="wh").rows("SELECT id, twice FROM t ORDER BY id")
            assert stored == [(row["id"], row["twice"]) for row in ROWS]
            assert all(not entry["positions"] for entry in _entries(project))


def test_a_plan_that_is_stored_with_its_epochs_is_read_back(project: Inside) -> None:
    _fill(project, TWO)
    whole = open_project([Path("specs")], None, "")
    plan = plan_of(whole.checked, whole.ir, "s", whole.sessions)
    whole.sessions.close()
    assert [type(target).__name__ for target in plan.targets] == ["TableTarget", "ConnectorTarget"]
    assert made_by(maker(plan)) == plan


def test_a_worker_that_was_overtaken_writes_nothing(project: Inside) -> None:
    _fill(project, ONE)
    whole = open_project([Path("specs")], None, "")
    plan = plan_of(whole.checked, whole.ir, "s", whole.sessions)

    def worker() -> StreamRun:
        return assembled(plan, whole.sessions, StreamReport("s"))

    zombie, other = worker(), worker()
    zombie.begin()
    other.run()
    with pytest.raises(Fenced):
        zombie.step()
    for run in (zombie, other):
        run.close()
    whole.sessions.close()
    assert _rows(project) == ROWS


def test_it_is_rewound_and_appends_what_is_read_again(project: Inside) -> None:
    _fill(project, ONE)
    assert _run().error is None
    done = project.flowc("rewind", "s", "--to", "earliest", "--yes")
    assert done.code == 0, done.err
    assert "out:rows.log" in done.out + done.err, "says which target will hold rows twice"
    assert _run().error is None
    assert _rows(project) == sorted([*ROWS, *ROWS], key=lambda row: row["id"])
