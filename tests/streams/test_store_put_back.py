"""State stores that are put back from an older copy, as after a failover, while targets have gone on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests import topics
from tests.commands import Inside
from tests.streams.epochs import Cut
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
