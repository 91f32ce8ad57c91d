"""A run that is killed at any moment, and two runs at once: every row arrives exactly once."""

from __future__ import annotations

import os
import random
import time

import pytest

from flowc.runtime.systems import open_database
from tests import lakes, warm
from tests.commands import Folder, at_once
from tests.sessions import await_no_other
from tests.stores import SERVERS

pytestmark = [pytest.mark.long, pytest.mark.turns("folder", 2)]
KILLS = int(os.environ.get("FLOWC_KILLS", "2"))
"""Kills per engine; a campaign sets more."""
ROWS = 4_000
TOLD = tuple(f"error[{code}]" for code in ("load-overtaken", "connection-failed", "write-conflict", "later-version"))
"""How the one of two runs that does not wait says why it stopped."""

SPECS = """
connections:
  inbox: {{ kind: files, uri: data, format: csv }}
  store: {{ kind: {kind}, {options} }}
tables:
  grown: {{ connection: store, columns: {{ id: bigint primary key, v: text }} }}
  piled: {{ connection: store, columns: {{ id: bigint, v: text }} }}
  merged: {{ connection: store, columns: {{ id: bigint primary key, v: text }} }}
pipelines:
  grown: {{ from: {{ connection: inbox, path: rows.csv }}, to: grown, mode: append, incremental: {{ column: id }} }}
  piled: {{ from: {{ connection: inbox, path: rows.csv }}, to: piled, mode: append, incremental: {{ column: id }} }}
  merged: {{ from: {{ connection: inbox, path: rows.csv }}, to: merged, mode: merge, deletes: hard }}
  history:
    from: {{ connection: inbox, path: rows.csv }}
    to: {{ connection: store, table: history }}
    mode: scd2
    keys: [id]
"""
TABLES = ("grown", "piled", "merged", "history")


@pytest.fixture(params=["sqlite", "duckdb", "postgres", "mysql", "delta"])
def folder(request, tmp_path) -> Folder:
    made = Folder(tmp_path)
    made.kind = request.param
    if made.kind in SERVERS:
        made.options = {"url": request.getfixturevalue(made.kind)}
    else:
        made.options = {"uri" if made.kind == "delta" else "path": str(tmp_path / "store.db")}
    [(name, value)] = made.options.items()
    made.write("specs/project.yaml", SPECS.format(kind=made.kind, options=f"{name}: '{value}'"))
    return made


def rows(folder: Folder, table: str, *, current: str = "") -> list[tuple]:
    if folder.kind == "delta":
        return lakes.rows(folder.path / "store.db" / table, f"SELECT id, v FROM t {current} ORDER BY id, v")
    database = open_database(folder.kind, folder.options)
    try:
        found = database.query(f"SELECT id, v FROM {table} {current} ORDER BY id, v")
    finally:
        database.close()
    return [tuple(row.values()) for row in found.to_pylist()]


def write(folder: Folder, end: int, version: str) -> list[tuple]:
    """Rows 1 to `end`; the first hundred say which version they are of."""
    made = [(n, version if n <= 100 else "same") for n in range(1, end + 1)]
    folder.write("data/rows.csv", "id,v\n" + "".join(f"{n},{v}\n" for n, v in made))
    return made


def test_a_killed_run_that_runs_again_has_loaded_everything_once(folder):
    chance = random.Random(17)
    write(folder, 1000, "v0")
    warm.server()  # whose start is no part of what a run takes
    began = time.monotonic()
    assert folder.flowc("run", "--once").code == 0
    usual = time.monotonic() - began
    for number in range(1, KILLS + 1):
        wanted = write(folder, 1000 + number * ROWS, f"v{number}")
        running = folder.begin("run", "--once")
        time.sleep(usual * chance.uniform(0.2, 1.5))
        running.kill()
        running.wait()
        await_no_other(folder.kind, folder.options)
        done = folder.flowc("run", "--once")
        assert done.code == 0, done.err
        assert rows(folder, "merged") == wanted
        assert rows(folder, "history", current="WHERE is_current") == wanted
        for table in ("grown", "piled"):
            assert [n for n, _ in rows(folder, table)] == [n for n, _ in wanted]
    assert len(rows(folder, "history")) == 1000 + KILLS * ROWS + KILLS * 100


def test_two_runs_at_once_wait_or_say_so_and_load_nothing_twice(folder):
    write(folder, 1000, "v0")
    assert folder.flowc("run", "--once").code == 0
    wanted = write(folder, ROWS, "v1")
    for done in at_once(folder, "run", "--once"):
        assert done.code == 0 or any(word in done.err for word in TOLD), done.err
    assert folder.flowc("run", "--once").code == 0
    assert rows(folder, "merged") == wanted
    assert rows(folder, "history", current="WHERE is_current") == wanted
    assert len(rows(folder, "history")) == ROWS + 100
    for table in ("grown", "piled"):
        assert [n for n, _ in rows(folder, table)] == [n for n, _ in wanted]
