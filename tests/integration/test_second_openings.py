"""What a process does beside the databases that it has open takes none of its locks from it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import duckdb
import pytest

from tests.commands import Inside
from tests.filelocks import locks, needs_list
from tests.streams.filefolder import put
from tests.waiting import until
from tests.web.browser import ADMIN, site

pytestmark = needs_list

PROJECT = """
project: shop
connections:
  drop: { kind: files, uri: drop }
  wh: { kind: sqlite, path: wh.sqlite }
  lake: { kind: delta, uri: lake }
  duck: { kind: duckdb, path: duck.duckdb }
  log: { kind: sqlite, path: log.sqlite }
run_log: { connection: RUN_LOG, create_tables: true }
tables:
  copies: { connection: wh, columns: { id: bigint primary key, name: text } }
  pond: { connection: lake, columns: { id: bigint, name: text } }
  nest: { connection: duck, columns: { id: bigint, name: text } }
pipelines:
  load: { from: wh, sql: "SELECT id, name FROM events", to: copies, mode: merge, schedule: "0 * * * *" }
  deep: { from: wh, sql: "SELECT id, name FROM events", to: pond, mode: truncate }
  wide: { from: wh, sql: "SELECT id, name FROM events", to: nest, mode: truncate }
streams:
  events:
    source: { connection: drop, path: "*.jsonl", format: json, columns: { id: bigint, name: text } }
    dedupe: { keys: [id], within: 10m }
    on_error: dlq
    to: { connection: wh, table: events, mode: append }
"""
STATE, RUNS = ".flowc/state/events.sqlite", ".flowc/runs.sqlite"
KEPT = {"wh.sqlite", "duck.duckdb", "lake/_flowc/flowc.sqlite"}
COMMANDS = (
    ("lint",), ("compile",), ("graph",), ("plan",), ("apply", "--yes"), ("drift",), ("run", "--once"), ("run-due",),
    ("run", "load", "--once"), ("run", "events", "--once"), ("schedule", "list"), ("runs", "list"), ("logs",),
    ("dlq", "list", "events"), ("dlq", "replay", "events"), ("rewind", "events", "--to", "earliest", "--yes"),
    ("status",), ("status", "events", "--json"), ("preview", "load"), ("validate",), ("test",),
    ("connections", "check"), ("doctor",), ("import", "wh"),
)  # fmt: skip
PAGES = ("/", "/runs", "/pipelines/load", "/streams/events", "/plan", "/drift", "/lineage")


@pytest.fixture(params=["own log", "named log"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Inside:
    """A project all of whose databases are there, with its run log in its own file or in a database that it names."""
    made = Inside(tmp_path)
    text = PROJECT.replace("run_log: { connection: RUN_LOG, create_tables: true }\n", "")
    if request.param == "named log":
        text = PROJECT.replace("RUN_LOG", "log")
    made.write("specs/s.yaml", text)
    put(tmp_path / "drop", "a.jsonl", '{"id": 1, "name": "x"}\nnone\n{"id": 2, "name": "y"}\n')
    assert made.flowc("run", "events", "--once").code == 0
    assert made.flowc("apply", "--yes").code == 0
    assert made.flowc("run", "--once").code == 0
    return made


@pytest.fixture
def files(folder: Inside) -> Iterator[list[Path]]:
    """The files of its databases, which this process has open, as a worker has."""
    found = [path for ending in ("sqlite", "duckdb") for path in sorted(folder.path.rglob(f"*.{ending}"))]
    runs = "log.sqlite" if "run_log" in (folder.path / "specs/s.yaml").read_text() else RUNS
    assert {str(path.relative_to(folder.path)) for path in found} == {*KEPT, STATE, runs}
    with ExitStack() as stack:
        for path in found:
            if path.suffix == ".duckdb":
                stack.enter_context(closing(duckdb.connect(str(path))))
                continue
            session = stack.enter_context(closing(sqlite3.connect(path, isolation_level=None)))
            session.execute("PRAGMA journal_mode = WAL")
            session.execute("SELECT count(*) FROM sqlite_master").fetchall()
        yield found


def test_no_command_drops_a_lock(folder: Inside, files: list[Path]) -> None:
    before = locks(*files)
    assert {row[0].removesuffix("-shm") for row in before} == {path.name for path in files}
    for number, words in enumerate(COMMANDS):
        put(folder.path / "drop", f"{number}.jsonl", f'{{"id": {10 + number}, "name": "z"}}\n', age=number + 1)
        done = folder.flowc(*words)
        assert done.code == (1 if words[:2] == ("dlq", "replay") else 0), (words, done.out, done.err)
        assert set(before) <= set(locks(*files)), words
    spec = (folder.path / "specs/s.yaml").read_text()
    folder.write("specs/s.yaml", spec.replace("project: shop", "project: store"))
    done = folder.flowc("project", "rename", "shop", "store", "--yes")
    assert done.code == 0, done.err
    assert set(before) <= set(locks(*files))


def test_no_page_drops_a_lock(folder: Inside, files: list[Path]) -> None:
    before = locks(*files)
    with site(folder) as browser:
        browser.sign_in(ADMIN)
        for page in PAGES:
            assert browser.get(page).status == 200, page
            until(lambda: not any(each.name == "flowc-web-look" for each in threading.enumerate()))
            assert browser.get(page).status == 200, page
            assert set(before) <= set(locks(*files)), page
