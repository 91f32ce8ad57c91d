"""Streams that are edited while epochs are intended and not finished: the plan that intended an epoch finishes it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path

from flowc.cli.opened import open_project
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
    assert table(folder, "id, total") == [("a", 1), ("b", 3)]
    edited = TOTAL.replace("sum(x)", "sum(x * 10)")
    project(tmp_path, edited, "group_ttl: never\n    on_error: drop", MERGE)
    assert verdicts(folder) == [("running", "refuse")]
    ran = folder.flowc("run", "s", "--once")
    assert (ran.code != 0, "state-changed" in ran.err) == (True, True), ran.err
    project(tmp_path, TOTAL, "group_ttl: never\n    on_error: drop", MERGE)
    assert folder.flowc("run", "s", "--once").code == 0
    assert table(folder, "id, total") == [("a", 1), ("b", 8), ("c", 5)]
