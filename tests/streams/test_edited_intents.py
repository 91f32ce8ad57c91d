"""Streams that are edited while epochs are intended and not finished: the plan that intended an epoch finishes it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path

import pytest

from flowc.cli.opened import open_project
from flowc.compiler.streamplan.letters import Chosen
from flowc.errors import FlowcError
from flowc.runtime.streams.unfinished import BEYOND
from flowc.service.streams.deadletters import dead_letters
from flowc.service.streams.letterreplay import replay
from flowc.service.streams.run import StreamReport, run_stream
from tests.commands import Folder, Inside

SPEC = """
connections:
  drop: {{ kind: files, uri: in }}
  wh: {{ kind: sqlite, path: wh.db }}
streams:
  s:
    source:
      connection: drop
      path: "*.jsonl"
      columns: {{ id: text, x: bigint, at: timestamptz }}
      event_time: at
    {settings}
    sql: {sql}
    to: {to}
    batch: {{ max_rows: 1 }}
"""
MERGE = "{ connection: wh, table: t, mode: merge, keys: [id] }"
APPEND = "{ connection: wh, table: t }"


class Cut(Exception):
    """Ends a run between two steps, as a signal does."""


def project(folder: Path, sql: str, settings: str = "", to: str = APPEND) -> Folder:
    made = Inside(folder)
    made.write("specs/s.yaml", SPEC.format(sql=sql, settings=settings, to=to))
    return made


def put(folder: Folder, name: str, *rows: tuple[str, object, str]) -> None:
    lines = (json.dumps({"id": id_, "x": x, "at": f"2026-01-01T10:{at}Z"}) for id_, x, at in rows)
    folder.write(f"in/{name}.jsonl", "".join(f"{line}\n" for line in lines))


def killed(folder: Folder, point: str, count: int = 1, *, drain: bool = False) -> StreamReport:
    """A run that ends at a point, or with what is in its report."""
    left = [count]

    def reached(name: str) -> None:
        left[0] -= name == point
        if not left[0]:
            raise Cut

    with chdir(folder.path):
        opened = open_project([Path("specs")], None, "nothing was run")
        try:
            return run_stream(opened.checked, opened.ir, "s", opened.sessions, reached, drain=drain)
        except Cut:
            return StreamReport("s")
        finally:
            opened.sessions.close()


def table(folder: Folder, columns: str = "*", name: str = "t") -> list[tuple[object, ...]]:
    with sqlite3.connect(folder.path / "wh.db") as db:
        return db.execute(f"SELECT {columns} FROM {name} ORDER BY 1, 2").fetchall()


def verdicts(folder: Folder) -> Sequence[tuple[str, str]]:
    plan = folder.flowc("plan", "--json").json
    return [(each["node"], each["decision"]) for state in plan["states"] for each in state["verdicts"]]


TOTAL = "SELECT id, sum(x) AS total FROM source GROUP BY id"


def test_a_total_that_was_edited_behind_a_failed_first_run_is_refused(tmp_path: Path) -> None:
    folder = project(tmp_path, TOTAL, "group_ttl: never", MERGE)
    put(folder, "1", ("a", 1, "00:01"), ("b", 3, "00:02"))
    put(folder, "2", ("b", "no number", "00:03"), ("b", 5, "00:04"), ("c", 5, "00:05"))
    assert folder.flowc("run", "s", "--once").code != 0
    assert ("a", 1) in table(folder, "id, total")  # the next epoch may be written or not when the worker fails
    edited = TOTAL.replace("sum(x)", "sum(x * 10)")
    project(tmp_path, edited, "group_ttl: never\n    on_error: drop", MERGE)
    assert verdicts(folder) == [("running", "refuse")]
    ran = folder.flowc("run", "s", "--once")
    assert (ran.code != 0, "state-changed" in ran.err) == (True, True), ran.err
    project(tmp_path, TOTAL, "group_ttl: never\n    on_error: drop", MERGE)
    assert folder.flowc("run", "s", "--once").code == 0
    assert table(folder, "id, total") == [("a", 1), ("b", 8), ("c", 5)]


def test_a_window_that_is_made_smaller_behind_a_kill_loses_no_minute(tmp_path: Path) -> None:
    sql = "SELECT window_end, id, sum(x) AS total FROM tumble(source, INTERVAL '5 minutes') GROUP BY window_end, id"
    folder = project(tmp_path, sql)
    put(folder, "1", ("a", 1, "00:10"), ("a", 2, "01:10"), ("a", 3, "02:10"))
    killed(folder, "target 0", 3)
    project(tmp_path, sql.replace("5 minutes", "1 minute"))
    assert verdicts(folder) == [("tumble", "replay")]
    ran = folder.flowc("run", "s", "--once", "--drain")
    assert ran.code == 0, ran.err
    assert table(folder, "strftime('%M', window_end), total") == [("01", 1), ("02", 2), ("03", 3)]


def test_a_row_that_was_never_written_is_not_remembered_by_dedupe(tmp_path: Path) -> None:
    sql = "WITH big AS (SELECT id, x FROM source WHERE x > 100) SELECT id, x FROM dedupe(big, id, INTERVAL '1 hour')"
    folder = project(tmp_path, sql)
    put(folder, "1", ("a", 1, "00:01"), ("b", 300, "00:02"))
    put(folder, "2", ("c", "no number", "00:03"))
    assert folder.flowc("run", "s", "--once").code != 0
    project(tmp_path, sql.replace("100", "0"), "on_error: drop")
    put(folder, "3", ("a", 2, "00:04"), ("b", 2, "00:05"))
    ran = folder.flowc("run", "s", "--once")
    assert ran.code == 0, ran.err
    assert table(folder) == [("a", 2), ("b", 300)]


def test_an_epoch_that_no_target_holds_is_read_again_by_the_edited_plan(tmp_path: Path) -> None:
    """The table refuses a row, so the plan that intended it cannot finish it: `on_error` is how users get on."""
    folder = project(tmp_path, "SELECT id, x FROM dedupe(source, id, INTERVAL '1 hour')")
    with sqlite3.connect(tmp_path / "wh.db") as db:
        db.execute("CREATE TABLE t (id text, x integer CHECK (x < 10))")
    put(folder, "1", ("a", 1, "00:01"), ("b", 30, "00:02"), ("c", 3, "00:03"))
    assert folder.flowc("run", "s", "--once").code != 0
    assert table(folder) == [("a", 1)]
    project(tmp_path, "SELECT id, x * 2 AS x FROM dedupe(source, id, INTERVAL '1 hour')", "on_error: drop")
    ran = folder.flowc("run", "s", "--once")
    assert ran.code == 0, ran.err
    assert table(folder) == [("a", 1), ("c", 6)]
    assert table(folder, "epoch, 0", "flowc_positions") == [(BEYOND + 5, 0)]


def test_a_first_epoch_that_was_refused_leaves_nothing_that_an_edit_must_fit(tmp_path: Path) -> None:
    folder = project(tmp_path, TOTAL, "group_ttl: never", MERGE)
    with sqlite3.connect(tmp_path / "wh.db") as db:
        db.execute("CREATE TABLE t (id text PRIMARY KEY, total integer CHECK (total < 100))")
    put(folder, "1", ("a", 1000, "00:01"), ("b", 1, "00:02"))
    assert folder.flowc("run", "s", "--once").code != 0
    project(tmp_path, TOTAL.replace("sum(x)", "min(x / 100)"), "group_ttl: never", MERGE)
    ran = folder.flowc("run", "s", "--once")
    assert ran.code == 0, ran.err
    assert table(folder, "id, total") == [("a", 10), ("b", 0)]


BOTH = "[{ connection: wh, table: t }, { connection: wh, table: u }]"


def test_targets_of_which_one_holds_the_last_epoch_get_the_same_rows(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = project(tmp_path, "SELECT id, x FROM source", to=BOTH)
    put(folder, "1", ("a", 1, "00:01"), ("b", 2, "00:02"))
    killed(folder, "target 0", 2)
    project(tmp_path, "SELECT id, x * 10 AS x FROM source", to=BOTH)
    plan = folder.flowc("plan")
    assert "2 epochs are intended and not finished: the next run finishes that as it was before the edit" in plan.out
    put(folder, "2", ("c", 3, "00:03"))
    ran = folder.flowc("run", "s", "--once")
    assert ran.code == 0, ran.err
    assert "was edited: what it intended before the edit (epochs 1 to 2) is finished first" in caplog.text
    assert table(folder) == table(folder, name="u") == [("a", 1), ("b", 2), ("c", 30)]


def test_the_plan_of_before_finds_no_files_that_the_edit_leaves_out(tmp_path: Path) -> None:
    folder = project(tmp_path, "SELECT id, x FROM source", to=BOTH)
    put(folder, "a1", ("a", 1, "00:01"), ("b", 2, "00:02"))
    killed(folder, "target 0", 2)
    specs = folder.path / "specs/s.yaml"
    specs.write_text(specs.read_text().replace('"*.jsonl"', '"a*.jsonl"'))
    put(folder, "a2", ("c", 3, "00:03"))
    put(folder, "b1", ("no", 9, "00:04"))
    ran = folder.flowc("run", "s", "--once")
    assert ran.code == 0, ran.err
    assert table(folder) == table(folder, name="u") == [("a", 1), ("b", 2), ("c", 3)]


def test_a_stream_stops_where_the_plan_of_before_cannot_be_carried_out(tmp_path: Path) -> None:
    folder = project(tmp_path, "SELECT id, x FROM source", to=BOTH.replace("wh, table: u", "other, table: u"))
    specs = folder.path / "specs/s.yaml"
    other = "connections:\n  other: { kind: sqlite, path: other.db }\n"
    folder.write("specs/other.yaml", other)
    put(folder, "1", ("a", 1, "00:01"), ("b", 2, "00:02"))
    killed(folder, "target 0", 2)
    (folder.path / "specs/other.yaml").unlink()
    before = specs.read_text()
    project(tmp_path, "SELECT id, x FROM source", to=BOTH)
    assert ("s", "refuse") in verdicts(folder)
    ran = folder.flowc("run", "s", "--once")
    assert ran.code != 0
    assert "unfinished-epochs" in ran.err
    assert "connection `other` is gone" in ran.err
    assert "undo the edit" in ran.err
    folder.write("specs/other.yaml", other)
    specs.write_text(before)
    assert folder.flowc("run", "s", "--once").code == 0
    with sqlite3.connect(tmp_path / "other.db") as db:
        assert db.execute("SELECT * FROM u ORDER BY 1").fetchall() == table(folder) == [("a", 1), ("b", 2)]


def replayed(folder: Folder, point: str) -> FlowcError | None:
    """What a replay of dead letters fails with that ends at a point."""

    def reached(name: str) -> None:
        if name == point:
            raise Cut

    with chdir(folder.path):
        opened = open_project([Path("specs")], None, "nothing was run")
        try:
            letters = dead_letters(opened.checked, opened.ir, "s", opened.sessions)
            return replay(letters, opened.checked, opened.ir, Chosen(), pause=reached).error
        except Cut:
            return None
        finally:
            opened.sessions.close()


def test_a_replay_that_was_cut_off_is_not_finished_by_another_query(tmp_path: Path) -> None:
    """The letter fails again by the first query, which one target holds; by the other one it would be a row of one."""
    sql = "SELECT id, CAST(CASE WHEN x {} THEN 'none' ELSE '1' END AS bigint) AS x FROM source"
    strict, loose = sql.format("> 1"), sql.format("> 2")
    folder = project(tmp_path, sql.format("> 0"), "on_error: dlq", to=BOTH)
    put(folder, "1", ("a", 1, "00:01"), ("b", 2, "00:02"))
    assert folder.flowc("run", "s", "--once").code == 0
    project(tmp_path, strict, "on_error: dlq", to=BOTH)
    assert replayed(folder, "target 0") is None
    project(tmp_path, loose, "on_error: dlq", to=BOTH)
    refused = replayed(folder, "")
    assert refused is not None
    assert (refused.code, "flowc dlq replay s" in (refused.help or "")) == ("unfinished-epochs", True)
    for query in (strict, loose):
        project(tmp_path, query, "on_error: dlq", to=BOTH)
        assert replayed(folder, "") is None
    assert table(folder) == table(folder, name="u") == [("a", 1), ("b", 1)]


@pytest.mark.parametrize("lost", [False, True])
def test_plan_says_that_a_target_which_comes_back_does_not_start(tmp_path: Path, lost: bool) -> None:
    """One target keeps the positions itself meanwhile, so the store of before is old; or it is gone by then."""
    sql, both = "SELECT id, x FROM source", f"[{APPEND}, {{ connection: wh, table: u }}]"
    for number, to in enumerate((both, APPEND), 1):
        folder = project(tmp_path, sql, to=to)
        put(folder, str(number), (str(number), number, "00:01"))
        assert folder.flowc("run", "s", "--once").code == 0
    (tmp_path / ".flowc/state/s.sqlite").unlink() if lost else None
    folder = project(tmp_path, sql, to=both)
    assert verdicts(folder) == [("s", "refuse")]
    assert "state-lost" in folder.flowc("run", "s", "--once").err


def test_a_dedupe_that_is_new_judges_letters_of_before(tmp_path: Path) -> None:
    sql = "SELECT id, CAST(CASE WHEN x > {} THEN 'none' ELSE '1' END AS bigint) AS x FROM {}"
    folder = project(tmp_path, sql.format(1, "source"), "on_error: dlq", to=BOTH)
    put(folder, "1", ("a", 2, "00:01"), ("b", 1, "00:02"), ("c", 2, "00:03"), ("c", 3, "00:03"))
    assert folder.flowc("run", "s", "--once").code == 0
    project(tmp_path, sql.format(5, "dedupe(source, id, INTERVAL '1 hour')"), "on_error: dlq", to=BOTH)
    put(folder, "2", ("a", 3, "00:03"))
    assert folder.flowc("run", "s", "--once").code == 0
    done = folder.flowc("dlq", "replay", "s")
    assert "3 replayed into 1 row (2 gave none" in done.out, done.err
    assert table(folder) == table(folder, name="u") == [("a", 1), ("b", 1), ("c", 1)]


def test_a_letter_that_a_dedupe_more_has_not_judged_is_left(tmp_path: Path) -> None:
    sql = (
        "WITH once AS (SELECT id, x FROM dedupe(source, id, INTERVAL '1 hour')), "
        "made AS (SELECT id, x, CAST(CASE WHEN x > {} THEN 'none' ELSE '1' END AS bigint) AS y FROM once) "
        "SELECT id, y AS x FROM {}"
    )
    folder = project(tmp_path, sql.format(7, "made"), "on_error: dlq", to=BOTH)
    put(folder, "1", ("a", 8, "00:01"), ("b", 1, "00:02"))
    assert folder.flowc("run", "s", "--once").code == 0
    project(tmp_path, sql.format(9, "dedupe(made, x, INTERVAL '1 hour') AS more"), "on_error: dlq", to=BOTH)
    put(folder, "2", ("c", 8, "00:03"))
    assert folder.flowc("run", "s", "--once").code == 0
    done = folder.flowc("dlq", "replay", "s")
    assert "1 left (not every `dedupe` has judged them)" in done.out, done.err
    assert table(folder) == table(folder, name="u") == [("b", 1), ("c", 1)]
