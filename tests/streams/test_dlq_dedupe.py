"""Dead letters of streams with `dedupe`: what it has let through is replayed once, and it is not asked again."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.commands import Folder
from tests.extended import with_extended
from tests.streams.test_dlq import MENDED, STRICT, TO, Place, counted, fill, project, run
from tests.streams.test_dlq_killed import APART, COPY, ids, is_replayed, killed
from tests.topics import fresh
from tests.waiting import PATIENCE, until
from tests.warmflowc import Command

pytestmark = [pytest.mark.usefixtures("kept_files"), pytest.mark.turns("wh", 2)]

DEDUPE = "dedupe: { keys: [id], within: 30d }\n    watermark: { lateness: 30d }"
SHARED = f"{DEDUPE}\n    state: {{ connection: wh }}"
BAD = tuple(range(0, 60, 3))
PLACES = {
    "state in a file": (TO, DEDUPE),
    "state in the target's transactions": (TO, SHARED),
    "several targets": (COPY, DEDUPE),
    "letters in another database": (TO, f"{DEDUPE}\n    {APART}"),
}


def made(folder: Path, kafka: str, topic: str, wh: Place, place: str, number: str = STRICT) -> Folder:
    """The project, with letters that are replayed in several batches."""
    to, more = PLACES[place]
    found = project(folder, kafka, topic, wh, number, to=to, more=more)
    spec = folder / "specs/s.yaml"
    spec.write_text(spec.read_text().replace("max_rows: 500", "max_rows: 15"))
    return found


def broken(folder: Path, kafka: str, wh: Place, place: str) -> tuple[str, Folder]:
    """A topic whose every message comes twice and some are bad, run; the topic, and the project mended."""
    topic = fresh(kafka)
    fill(kafka, topic, 60, BAD)
    fill(kafka, topic, 60, BAD)
    folder_ = made(folder, kafka, topic, wh, place)
    run(folder_)
    assert counted(folder_) == (len(BAD), 0)
    return topic, made(folder, kafka, topic, wh, place, MENDED)


def check_killed_replay(folder: Folder, kafka: str, topic: str, wh: Place, point: str) -> None:
    """Kills a replay; the next one, behind more messages and a run, finishes it."""
    assert killed(folder, point) == -signal.SIGKILL
    fill(kafka, topic, 60, ())
    run(folder)
    done = folder.flowc("dlq", "replay", "clean", "--json")
    assert done.json["status"] == "ok", done.json
    assert counted(folder) == (0, 0)
    assert ids(wh) == list(range(60))


def check_beside(worker: Command, replay: Command, folder: Folder, wh: Place, count: int) -> None:
    """A worker and a replay at once: each of so many ids is there once, and no letter is left."""
    replay.communicate(timeout=PATIENCE)
    until(lambda: is_replayed(folder))
    until(lambda: len(ids(wh)) >= count)
    worker.send_signal(signal.SIGTERM)
    _, said = worker.communicate(timeout=PATIENCE)
    assert worker.returncode == 0, said
    assert counted(folder) == (0, 0)
    assert ids(wh) == list(range(count))


@pytest.mark.parametrize("place", PLACES)
def test_messages_that_it_let_through_come_once(tmp_path: Path, kafka: str, postgres: str, place: str) -> None:
    wh = ("postgres", {"url": postgres})
    topic, folder = broken(tmp_path, kafka, wh, place)
    done = folder.flowc("dlq", "replay", "clean", "--json")
    assert (done.json["replayed"], done.json["failed"], done.code) == (len(BAD), 0, 0), done.json
    assert counted(folder) == (0, 0)
    fill(kafka, topic, 70, ())
    run(folder)
    assert ids(wh) == list(range(70))
    if place == "several targets":
        assert ids(("sqlite", {"path": str(tmp_path / "side.db")}), "copy") == list(range(70))


def test_every_database(tmp_path: Path, kafka: str, wh: Place) -> None:
    _, folder = broken(tmp_path, kafka, wh, "state in the target's transactions")
    assert folder.flowc("dlq", "replay", "clean", "--json").json["replayed"] == len(BAD)
    run(folder)
    assert ids(wh) == list(range(60))


def test_letters_in_a_topic_are_refused(tmp_path: Path, kafka: str) -> None:
    """A topic cannot be replayed in part, and of some letters `dedupe` has to be asked, of others not."""
    wh = ("sqlite", {"path": str(tmp_path / "wh.db")})
    folder = made(tmp_path, kafka, fresh(kafka), wh, "state in a file")
    spec = tmp_path / "specs/s.yaml"
    spec.write_text(spec.read_text().replace(DEDUPE, f"{DEDUPE}\n    dead_letter: {{ connection: bus, topic: dead }}"))
    assert "not-runnable-yet" in folder.flowc("dlq", "replay", "clean").err


def test_letters_that_fail_again_stay(tmp_path: Path, kafka: str) -> None:
    wh = ("sqlite", {"path": str(tmp_path / "wh.db")})
    topic, folder = broken(tmp_path, kafka, wh, "state in a file")
    strict = made(tmp_path, kafka, topic, wh, "state in a file")
    assert strict.flowc("dlq", "replay", "clean", "--json").json["failed"] == len(BAD)
    folder = made(tmp_path, kafka, topic, wh, "state in a file", MENDED)
    assert folder.flowc("dlq", "replay", "clean", "--json").json["replayed"] == len(BAD)
    assert ids(wh) == list(range(60))


@pytest.mark.parametrize(
    ("place", "point"),
    with_extended([
        ("state in a file", "rows"), ("state in the target's transactions", "committed"),
        ("several targets", "target 0"), ("letters in another database", "target 0"),
    ], [
        ("state in the target's transactions", "rows"), ("several targets", "intended"),
        ("several targets", "checkpoint"),
    ]),
)  # fmt: skip
def test_a_replay_that_is_killed_is_finished_by_the_next(
    tmp_path: Path, kafka: str, postgres: str, place: str, point: str
) -> None:
    wh = ("postgres", {"url": postgres})
    topic, folder = broken(tmp_path, kafka, wh, place)
    check_killed_replay(folder, kafka, topic, wh, point)


def test_a_replay_beside_a_running_worker(tmp_path: Path, kafka: str, postgres: str) -> None:
    wh = ("postgres", {"url": postgres})
    topic, folder = broken(tmp_path, kafka, wh, "state in the target's transactions")
    worker = folder.start("run", "clean", "--log-format", "json")
    replay = folder.start("dlq", "replay", "clean", "--json")
    fill(kafka, topic, 2000, ())
    check_beside(worker, replay, folder, wh, 2000)


@pytest.mark.parametrize("place", PLACES)
def test_a_rewind_forgets_what_letters_that_stay_were_judged_by(
    tmp_path: Path, kafka: str, postgres: str, place: str
) -> None:
    """The repeats are read again and come through; `dedupe` then judges the letters of the first messages."""
    wh = ("postgres", {"url": postgres})
    _, folder = broken(tmp_path, kafka, wh, place)
    moved = folder.flowc("rewind", "clean", "--to", "0:60", "--yes")
    assert moved.code == 0, moved.err
    run(folder)
    done = folder.flowc("dlq", "replay", "clean", "--json")
    assert done.code == 0, done.json
    assert counted(folder) == (0, 0)
    assert [id for id in ids(wh) if id in BAD] == list(BAD)
