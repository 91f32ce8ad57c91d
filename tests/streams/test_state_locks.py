"""Workers that are killed beside commands that look at their state: the state stays, and is shown as it is."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.commands import Folder
from tests.daemons import Running, daemon
from tests.extended import with_extended
from tests.filelocks import locks, needs_list
from tests.streams.filefolder import put
from tests.waiting import until

PROJECT = """
project: shop
connections:
  drop: { kind: files, uri: drop }
  wh: { kind: sqlite, path: wh.sqlite }
streams:
  events:
    source: { connection: drop, path: "*.jsonl", format: json, columns: { id: bigint } }
    dedupe: { keys: [id], within: 10m }
    batch: { max_rows: 5 }
    restart: { min_backoff: 50ms, max_backoff: 300ms }
    to: { connection: wh, table: events, mode: append }
"""
STATE = ".flowc/state/events.sqlite"
ROWS = 20
"""Rows of a file: several epochs."""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path)
    made.write("specs/s.yaml", PROJECT)
    give(made, 0)
    return made


def give(folder: Folder, number: int) -> None:
    """One more file."""
    rows = range(number * ROWS, (number + 1) * ROWS)
    put(folder.path / "drop", f"{number:04}.jsonl", "".join(f'{{"id": {n}}}\n' for n in rows), age=number)


def written(folder: Folder) -> list[int]:
    if not (folder.path / "wh.sqlite").exists():
        return []
    with closing(sqlite3.connect(folder.path / "wh.sqlite", timeout=30)) as wh:
        there = wh.execute("SELECT 1 FROM sqlite_master WHERE name = 'events'").fetchone()
        return [row[0] for row in wh.execute("SELECT id FROM events ORDER BY id")] if there else []


def wanted(files: int) -> list[int]:
    return list(range(files * ROWS))


def caught_up(folder: Folder, running: Running, files: int) -> None:
    running.until(lambda: written(folder) == wanted(files))


def worker_of(running: Running) -> int:
    return int(running.worker("events")["pid"])


def status(folder: Folder) -> dict[str, object]:
    done = folder.flowc("status", "events", "--json")
    assert done.code == 0, done.out + done.err
    (found,) = done.json
    assert found["error"] is None
    return dict(found)


def by_flowc(folder: Folder) -> None:
    status(folder)


def by_plan(folder: Folder) -> None:
    assert folder.flowc("plan").code in (0, 1)


def by_sqlite(folder: Folder) -> None:
    """As a shell that someone opens, and leaves."""
    with closing(sqlite3.connect(folder.path / STATE)) as other:
        other.execute("SELECT count(*) FROM sqlite_master").fetchall()


@needs_list
@pytest.mark.parametrize("looked", with_extended([by_flowc], [by_plan, by_sqlite]))
def test_state_is_there_after_a_look_and_a_kill(looked: Callable[[Folder], None], folder: Folder) -> None:
    with daemon(folder) as running:
        caught_up(folder, running, 1)
        worker = worker_of(running)
        held = locks(folder.path / STATE, process=worker)
        for number in (1, 2):
            give(folder, number)
            caught_up(folder, running, number + 1)
            looked(folder)
        assert locks(folder.path / STATE, process=worker) == held
        assert {row[0] for row in held} == {"events.sqlite", "events.sqlite-shm"}
        give(folder, 3)
        caught_up(folder, running, 4)
        os.kill(running.process.pid, signal.SIGKILL)
        os.kill(worker, signal.SIGKILL)
    assert _place(status(folder)) >= 3
    give(folder, 4)
    done = folder.flowc("run", "events", "--once")
    assert done.code == 0, done.out + done.err
    assert written(folder) == wanted(5)


def test_status_shows_where_a_worker_is_now(folder: Folder) -> None:
    with daemon(folder) as running:
        epochs, places = [], []
        for number in range(4):
            give(folder, number)
            caught_up(folder, running, number + 1)
            until(lambda at=number: _place(status(folder)) == at + 1)
            found = status(folder)
            epochs.append(found["epoch"])
            places.append(_place(found))
        assert epochs == sorted(set(epochs))
        assert places == [1, 2, 3, 4]


def _place(found: dict[str, object]) -> int:
    """The file that is read next."""
    (partition,) = found["partitions"]  # type: ignore[misc]
    return int(partition["next"]) >> 40


def test_a_run_and_a_rewind_beside_a_daemon(folder: Folder) -> None:
    with daemon(folder) as running:
        caught_up(folder, running, 1)
        for number in (1, 2):
            give(folder, number)
            done = folder.flowc("run", "events", "--once")
            assert "state-lost" not in done.out + done.err
            caught_up(folder, running, number + 1)
        moved = folder.flowc("rewind", "events", "--to", "latest", "--yes")
        assert moved.code == 0, moved.out + moved.err
        give(folder, 3)
        caught_up(folder, running, 4)
        assert "state-lost" not in running.log()


def sleeps(folder: Folder, worker: int) -> bool:
    """Stops a worker; one that is inside a transaction, for which all others would wait, goes on."""
    os.kill(worker, signal.SIGSTOP)
    held = locks(folder.path / STATE, folder.path / "wh.sqlite", process=worker)
    if all(row[0].startswith("events.sqlite") and row[1] == "READ" for row in held):
        return True
    os.kill(worker, signal.SIGCONT)
    return False


@needs_list
def test_a_new_daemon_beside_a_worker_that_sleeps(folder: Folder) -> None:
    with daemon(folder) as running:
        caught_up(folder, running, 1)
        give(folder, 1)
        caught_up(folder, running, 2)
        sleeping = worker_of(running)
        until(lambda: sleeps(folder, sleeping))
        os.kill(running.process.pid, signal.SIGKILL)
    with daemon(folder) as running:
        give(folder, 2)
        caught_up(folder, running, 3)
        os.kill(sleeping, signal.SIGCONT)
        give(folder, 3)
        caught_up(folder, running, 4)
        assert "state-lost" not in running.log()
