"""A worker of the plan before an edit that wakes up behind its intent, when the edited plan has given its epochs up."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable
from contextlib import chdir, closing, suppress
from pathlib import Path

import deltalake
import pytest

from flowc.cli.opened import open_project
from flowc.runtime.contracts.target import Publishing, fence_all
from flowc.runtime.systems.delta.target import DeltaWriter
from flowc.service.streams.run import StreamReport, assembled, plan_of, run_stream
from tests.commands import Folder, Inside
from tests.streams.test_edited_intents import Cut, put, verdicts

SPEC = """
connections:
  drop: {{ kind: files, uri: in }}
  wh: {{ kind: sqlite, path: wh.db }}
  out: {{ kind: files, uri: out }}
  lake: {{ kind: delta, uri: lake }}
functions:
  grown: {{ python: "grow{by}:grown", args: [bigint], returns: bigint }}
streams:
  s:
    source: {{ connection: drop, path: "*.jsonl", columns: {{ id: text, x: bigint, at: timestamptz }}, event_time: at }}
    sql: SELECT id, grown(x) AS x FROM dedupe(source, id, INTERVAL '1 hour')
    to: {to}
    batch: {{ max_rows: 1 }}
"""
CODE = "def grown(x):\n    return x * {by}\n"
TARGETS = {
    "table": "{ connection: wh, table: t }",
    "files": "{ connection: out, path: t, format: jsonl }",
    "delta": "{ connection: lake, table: t, mode: append }",
    "tables": "[{ connection: wh, table: t }, { connection: lake, table: t, mode: append }]",
}


def edited(folder: Path, to: str, by: int) -> Inside:
    made = Inside(folder)
    (folder / "lake").mkdir(exist_ok=True)
    made.write("specs/s.yaml", SPEC.format(to=TARGETS[to], by=by))
    (folder / "grow10.py").unlink(missing_ok=True)
    made.write(f"grow{by}.py", CODE.format(by=by))
    return made


def run(folder: Folder, pause: Callable[[str], None]) -> StreamReport:
    with chdir(folder.path):
        opened = open_project([Path("specs")], None, "nothing was run")
    try:
        return run_stream(opened.checked, opened.ir, "s", opened.sessions, pause)
    finally:
        opened.sessions.close()


class Paused:
    """A worker in a thread of its own that waits behind its first intent."""

    def __init__(self, folder: Folder) -> None:
        self.reached, self.wake, self.report = threading.Event(), threading.Event(), StreamReport("s")
        self.thread = threading.Thread(target=self._work, args=(folder,))
        self.thread.start()
        assert self.reached.wait(30)

    def _work(self, folder: Folder) -> None:
        self.report = run(folder, self._pause)

    def _pause(self, point: str) -> None:
        if point == "intended" and not self.reached.is_set():
            self.reached.set()
            assert self.wake.wait(30)

    def end(self) -> None:
        self.wake.set()
        self.thread.join(30)


def held(folder: Path, to: str) -> list[tuple[object, ...]]:
    """The rows of the target."""
    if to == "table":
        with sqlite3.connect(folder / "wh.db") as db:
            return sorted(db.execute("SELECT id, x FROM t").fetchall())
    if to == "files":
        lines = [line for file in (folder / "out" / "t").glob("*.jsonl") for line in file.read_text().splitlines()]
        return sorted((row["id"], row["x"]) for row in map(json.loads, lines))
    return sorted((r["id"], r["x"]) for r in deltalake.DeltaTable(folder / "lake" / "t").to_pyarrow_table().to_pylist())


@pytest.mark.covering
@pytest.mark.parametrize("to", TARGETS)
@pytest.mark.parametrize("point", ["intended", "target 0", "never"])
def test_nothing_of_a_plan_that_was_edited_comes_behind_what_was_given_up(tmp_path: Path, to: str, point: str) -> None:
    folder = edited(tmp_path, to, 10)
    put(folder, "1", ("a", 1, "00:01"))
    zombie = Paused(folder)
    edited(tmp_path, to, 100)

    def wake(name: str) -> None:
        if name == point:
            zombie.end()

    try:
        report = run(folder, wake)
    finally:
        zombie.end()
    again = run(folder, lambda _: None)
    assert (report.error, again.error, held(tmp_path, to)) == (None, None, [("a", 100)])
    assert to != "tables" or held(tmp_path, "table") == [("a", 100)]
    assert zombie.report.error is not None


@pytest.mark.covering
@pytest.mark.parametrize("to", TARGETS)
@pytest.mark.parametrize("point", ["standing", "fenced"])
def test_a_worker_wakes_up_while_its_epoch_is_given_up(tmp_path: Path, to: str, point: str) -> None:
    """A table takes the epoch until it is fenced: then nothing is given up, and only the former plan may go on."""
    folder = edited(tmp_path, to, 10)
    put(folder, "1", ("a", 1, "00:01"))
    zombie = Paused(folder)
    edited(tmp_path, to, 100)

    def wake(name: str) -> None:
        if name == point:
            zombie.end()

    try:
        report = run(folder, wake)
    finally:
        zombie.end()
    again = run(folder, lambda _: None)
    if point == "fenced" or to in ("files", "delta"):
        assert (report.error, again.error, held(tmp_path, to)) == (None, None, [("a", 100)])
        return
    stopped = "unfinished-epochs" if to == "tables" else None  # the only table has all that was intended
    assert (codes(report, again), held(tmp_path, "table")) == (["stream-fenced", stopped], [("a", 10)])
    edited(tmp_path, to, 10)
    assert run(folder, lambda _: None).error is None
    assert held(tmp_path, to) == [("a", 10)]


@pytest.mark.parametrize("to", ["table", "tables"])
@pytest.mark.parametrize("rewound", [False, True])
def test_giving_up_is_cut_off_between_the_tables_and_the_store(tmp_path: Path, to: str, rewound: bool) -> None:
    folder = edited(tmp_path, to, 10)
    put(folder, "1", ("a", 1, "00:01"))
    zombie = Paused(folder)
    edited(tmp_path, to, 100)

    def cut(name: str) -> None:
        if name == "fenced":
            raise Cut

    try:
        for _ in range(2):
            with suppress(Cut):
                run(folder, cut)
        assert "refuse" not in [decision for _, decision in verdicts(folder)]
        if rewound:
            moved = folder.flowc("rewind", "s", "--to", "earliest", "--yes")
            assert moved.code == 0, moved.err
    finally:
        zombie.end()
    assert (run(folder, lambda _: None).error, held(tmp_path, to)) == (None, [("a", 100)])
    assert to != "tables" or held(tmp_path, "table") == [("a", 100)]
    assert zombie.report.error is not None


@pytest.mark.parametrize("to", TARGETS)
@pytest.mark.parametrize("point", ["standing", "fenced"])
def test_an_edit_is_undone_where_giving_up_was_cut_off(tmp_path: Path, to: str, point: str) -> None:
    folder = edited(tmp_path, to, 10)
    put(folder, "1", ("a", 1, "00:01"))
    assert run(folder, lambda _: None).error is None
    put(folder, "2", ("b", 1, "00:02"))
    zombie = Paused(folder)
    edited(tmp_path, to, 100)

    def cut(name: str) -> None:
        if name == point:
            raise Cut

    with suppress(Cut):
        run(folder, cut)
    edited(tmp_path, to, 10)
    refused = [decision for _, decision in verdicts(folder) if decision == "refuse"]
    report = run(folder, lambda _: None)
    zombie.end()
    assert (refused, report.error, held(tmp_path, to)) == ([], None, [("a", 10), ("b", 10)])
    assert to != "tables" or held(tmp_path, "table") == [("a", 10), ("b", 10)]
    assert zombie.report.error is not None


def codes(*reports: StreamReport) -> list[str | None]:
    return [report.error and report.error.code for report in reports]


LETTERS = """
connections:
  drop: { kind: files, uri: in }
  out: { kind: files, uri: out }
  lake: { kind: delta, uri: lake }
streams:
  s:
    source: { connection: drop, path: "*.jsonl", columns: { id: bigint } }
    sql: SELECT id FROM source
    to: { connection: out, path: t, format: jsonl }
    on_error: dlq
    dead_letter: { table: letters, connection: lake }
"""


def test_letters_in_a_lake_of_their_own_are_fenced_and_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Inside(tmp_path)
    folder.write("specs/s.yaml", LETTERS)
    with chdir(tmp_path):
        opened = open_project([Path("specs")], None, "nothing was run")
    run = assembled(plan_of(opened.checked, opened.ir, "s", opened.sessions), opened.sessions, StreamReport("s"))
    asked: list[str] = []
    for name in ("fence", "check"):
        monkeypatch.setattr(DeltaWriter, name, lambda _, name=name: asked.append(name))
    with closing(run), closing(opened.sessions):
        fence_all(run.writers)
        for writer in run.writers:
            if isinstance(writer, Publishing):
                writer.check()
    assert asked == ["fence", "check"]
