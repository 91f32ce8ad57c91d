"""State stores that are put back from an older copy, as after a failover, while targets have gone on."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import chdir, closing
from pathlib import Path

import pytest

from flowc.cli.opened import open_project
from flowc.service.streams.run import run_stream
from tests import topics
from tests.commands import Done, Inside
from tests.streams.epochs import Cut
from tests.streams.filefolder import put
from tests.streams.test_replay_fewer import cut_run

PROJECT = """
connections:
  bus: { kind: kafka, bootstrap_servers: "%(kafka)s" }
  near: { kind: sqlite, path: near.db }
  lake: { kind: delta, uri: lake }
  drop: { kind: files, uri: drop }
streams:
  s:
    source: { connection: bus, topic: %(topic)s, columns: { id: bigint } }
    to:
      - { connection: near, table: rows, mode: append }
      - %(gathers)s
"""
GATHERS = {
    "files": "{ connection: drop, path: rows, format: parquet, roll: { age: 1h } }",
    "delta": "{ connection: lake, table: rows, mode: append }",
}


def _cut_off(folder: Path, after: int) -> None:
    with cut_run(folder, "target 1", after) as run, pytest.raises(Cut):
        run.run()


@pytest.mark.parametrize("kind", GATHERS)
def test_a_target_that_has_published_nothing_yet_is_no_new_one(tmp_path: Path, kafka: str, kind: str) -> None:
    """The other one is ahead of the store: to go on from there would leave this one without the rows up to it."""
    folder, state, topic = Inside(tmp_path), tmp_path / ".flowc" / "state", topics.fresh(kafka)
    folder.write("specs/s.yaml", PROJECT % {"kafka": kafka, "topic": topic, "gathers": GATHERS[kind]})

    def send(id_: int) -> None:
        topics.produce(kafka, topic, [topics.Message(b'{"id": %d}' % id_)])

    send(1)
    _cut_off(tmp_path, 0)
    shutil.copytree(state, tmp_path / "older")
    send(2)
    _cut_off(tmp_path, 1)
    shutil.rmtree(state)
    (tmp_path / "older").rename(state)
    send(3)
    done = folder.flowc("run", "s", "--once")
    assert (done.code, "error[state-lost]" in done.err) == (1, True), done.out + done.err
    topics.drop(kafka, topic)


LETTERS = """
connections:
  bus: { kind: kafka, bootstrap_servers: "%(kafka)s" }
  near: { kind: sqlite, path: near.db }
  lake: { kind: delta, uri: lake }
streams:
  s:
    source: { connection: bus, topic: %(topic)s, columns: { id: bigint } }
    to: { connection: lake, table: rows, mode: append }
    on_error: dlq
    dead_letter: { connection: near, table: letters }
"""


def test_letters_that_are_ahead_of_the_store_stop_the_stream(tmp_path: Path, kafka: str) -> None:
    """The table of rows got none since; the letters of what is read anew would count as written."""
    folder, state, topic = Inside(tmp_path), tmp_path / ".flowc" / "state", topics.fresh(kafka)
    folder.write("specs/s.yaml", LETTERS % {"kafka": kafka, "topic": topic})

    def run(value: bytes) -> Done:
        topics.produce(kafka, topic, [topics.Message(value)])
        return folder.flowc("run", "s", "--once")

    assert run(b'{"id": 1}').code == 0
    shutil.copytree(state, tmp_path / "older")
    assert [run(b'{"id": "%d"x}' % n).code for n in (2, 3)] == [0, 0]
    shutil.rmtree(state)
    (tmp_path / "older").rename(state)
    done = run(b'{"id": "4"x}')
    assert (done.code, "error[state-lost]" in done.err) == (1, True), done.out + done.err
    assert "`near.letters` holds epoch 3" in done.err
    assert folder.flowc("rewind", "s", "--to", "current", "--yes").code == 0
    assert run(b'{"id": "5"x}').code == 0
    with closing(sqlite3.connect(tmp_path / "near.db")) as near:
        read = {row[0] for row in near.execute("SELECT CAST(message AS TEXT) FROM letters")}
    assert read == {f'{{"id": "{n}"x}}' for n in (2, 3, 4, 5)}
    topics.drop(kafka, topic)


WINDOWS = """
connections:
  drop: { kind: files, uri: in }
  near: { kind: sqlite, path: near.db }
  far: { kind: sqlite, path: far.db }
streams:
  s:
    source: { connection: drop, path: "*.jsonl", columns: { id: bigint, at: timestamptz }, event_time: at }
    sql: SELECT window_end, count(*) AS n FROM tumble(source, INTERVAL '1 minute') GROUP BY window_end
    to: [{ connection: near, table: t, mode: append }, { connection: far, table: t, mode: append }]
"""


def test_a_table_at_the_position_of_an_older_store_is_not_taken_for_a_fenced_one(tmp_path: Path) -> None:
    """Epochs of time alone, and a rewind to where the stream stands, leave the position as it is."""
    folder, state = Inside(tmp_path), tmp_path / ".flowc" / "state"
    folder.write("specs/s.yaml", WINDOWS)
    put(tmp_path / "in", "a.jsonl", '{"id": 1, "at": "2026-01-01T00:00:01Z"}\n')
    assert folder.flowc("run", "s", "--once").code == 0

    def copy(point: str) -> None:
        if point == "intended":
            shutil.copytree(state, tmp_path / "older")

    drain(tmp_path, copy)
    assert folder.flowc("rewind", "s", "--to", "current", "--yes").code == 0
    shutil.rmtree(state)
    (tmp_path / "older").rename(state)
    done = folder.flowc("run", "s", "--once", "--drain")
    with closing(sqlite3.connect(tmp_path / "near.db")) as database:
        rows = database.execute("SELECT n FROM t").fetchall()
    assert (done.code, "error[state-lost]" in done.err, rows) == (1, True, [(1,)]), done.out + done.err


def drain(folder: Path, pause: Callable[[str], None]) -> None:
    with chdir(folder):
        opened = open_project([Path("specs")], None, "nothing was run")
    with closing(opened.sessions):
        assert run_stream(opened.checked, opened.ir, "s", opened.sessions, pause, drain=True).error is None
