"""Dead letters in topics: they stay there, and come through once all the same."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.extended import with_extended
from tests.streams.test_dlq import MENDED, TO, counted, fill, project, run
from tests.streams.test_dlq_killed import ids, killed
from tests.topics import Message, fresh, produce

TARGETS = {
    "a table": TO,
    "a topic": "{ connection: bus, topic: TARGET }",
    "two": f"[{TO}, {{ connection: lake, table: out }}]",
}


@pytest.mark.parametrize("to", TARGETS.values(), ids=TARGETS)
def test_letters_come_through_once(tmp_path: Path, kafka: str, to: str) -> None:
    wh, topic, dead = ("sqlite", {"path": str(tmp_path / "wh.db")}), fresh(kafka), f"{fresh(kafka)}-dead"
    to, more = to.replace("TARGET", fresh(kafka)), f"dead_letter: {{ topic: {dead}, max_attempts: 2 }}"
    fill(kafka, topic, 50, (4, 9))
    folder = project(tmp_path, kafka, topic, wh, to=to, more=more)
    assert folder.flowc("dlq", "list", "--json").json[0]["letters"] == 0
    produce(kafka, topic, [Message(b"\xff", key=b"k")])
    run(folder)
    assert counted(folder) == (3, 0)
    letters = {letter["offset"]: letter for letter in folder.flowc("dlq", "show", "clean", "--json").json}
    assert sorted(letters) == [4, 9, 50]
    assert (letters[50]["key"], letters[50]["message_hex"], letters[4]["key_hex"]) == ("k", "ff", "6bff")
    assert letters[4]["headers"] == [{"key": "h", "value": "01"}]
    assert folder.flowc("dlq", "replay", "clean", "--json").json["failed"] == 3
    assert counted(folder) == (3, 0)
    folder = project(tmp_path, kafka, topic, wh, MENDED, to=to, more=more)
    done = folder.flowc("dlq", "replay", "clean", "--json").json
    assert (done["replayed"], done["failed"]) == (2, 1), done
    assert counted(folder) == (1, 1)
    assert folder.flowc("dlq", "replay", "clean", "--json").json["replayed"] == 0
    if "table: clean" in to:
        assert ids(wh) == list(range(50))
    assert "not-runnable-yet" in folder.flowc("dlq", "purge", "clean", "--yes").err
    assert "not-runnable-yet" in folder.flowc("dlq", "replay", "clean", "--parked").err


@pytest.mark.parametrize("point", with_extended(["intended", "offsets", "target 1"], ["rows", "target 0"]))
def test_a_replay_that_is_killed_is_finished_by_the_next(tmp_path: Path, kafka: str, point: str) -> None:
    wh, topic, dead = ("sqlite", {"path": str(tmp_path / "wh.db")}), fresh(kafka), f"{fresh(kafka)}-dead"
    bad = tuple(range(0, 120, 3))
    fill(kafka, topic, 120, bad)
    produce(kafka, topic, [Message(b"none")])
    more = f"dead_letter: {{ topic: {dead} }}"
    run(project(tmp_path, kafka, topic, wh, more=more))
    folder = project(tmp_path, kafka, topic, wh, MENDED, more=more)
    assert killed(folder, point) == -signal.SIGKILL
    done = folder.flowc("dlq", "replay", "clean", "--json").json
    assert done["error"] is None, done
    assert counted(folder) == (1, 0)
    assert ids(wh) == list(range(120))
