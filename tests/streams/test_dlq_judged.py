"""Dead letters that failed before `dedupe` saw them: at their replay it judges them, with the state of the stream."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from flowc.cli.opened import open_project
from flowc.runtime.contracts.letternotes import JUDGED, SEEN_BY_SOME, noted
from flowc.runtime.systems import open_database
from flowc.service.streams.run import run_stream
from tests.commands import Done, Folder
from tests.extended import with_extended
from tests.streams.test_dlq import Place, counted, fill, run
from tests.streams.test_dlq_dedupe import PLACES, check_beside, check_killed_replay, made
from tests.streams.test_dlq_killed import ids
from tests.topics import Message, fresh, produce

pytestmark = [pytest.mark.usefixtures("kept_files"), pytest.mark.turns("wh", 2)]

BAD = tuple(range(0, 60, 3))
TWINS = tuple(n for n in BAD if n % 2 == 0)
"""Those of the bad ones that come once more, and are good then; the others come twice, and are bad both times."""
IN_SQL = """
connections:
  bus: {{ kind: kafka, bootstrap_servers: "{kafka}" }}
  wh: {{ kind: sqlite, path: wh.db }}
streams:
  clean:
    source: {{ connection: bus, topic: {topic}, columns: {{ id: bigint, name: text }} }}
    sql: |
      WITH numbered AS (SELECT id, {before} AS n FROM source)
      SELECT id, {behind} AS n FROM dedupe(numbered, id, INTERVAL '1 day')
    to: {{ connection: wh, table: clean }}
    on_error: dlq
"""


def _broken(kafka: str, topic: str, numbers: Iterable[int]) -> None:
    """Messages whose `name` is no text, so that they are not decoded."""
    produce(kafka, topic, [Message(json.dumps({"id": n, "name": n + 0.5}).encode()) for n in numbers])


def _mended(folder: Folder) -> Folder:
    """The project, whose `name` may be anything."""
    spec = folder.path / "specs/s.yaml"
    spec.write_text(spec.read_text().replace("name: text", "name: json"))
    return folder


def _with_letters(tmp_path: Path, kafka: str, wh: Place, place: str) -> tuple[str, Folder]:
    """A topic with ids up to 60, of which some were not decoded, run; the topic, and the project mended."""
    topic = fresh(kafka)
    _broken(kafka, topic, BAD)
    good = [Message(json.dumps({"id": n, "name": str(n)}).encode()) for n in range(60) if n not in BAD or n in TWINS]
    produce(kafka, topic, good)
    _broken(kafka, topic, [n for n in BAD if n not in TWINS])
    folder = made(tmp_path, kafka, topic, wh, place, "id")
    run(folder)
    assert counted(folder) == (len(BAD) + len(BAD) - len(TWINS), 0)
    return topic, _mended(folder)


@pytest.mark.parametrize("place", PLACES)
def test_each_key_comes_once(tmp_path: Path, kafka: str, postgres: str, place: str) -> None:
    wh = ("postgres", {"url": postgres})
    topic, folder = _with_letters(tmp_path, kafka, wh, place)
    done = folder.flowc("dlq", "replay", "clean", "--json")
    assert done.json["status"] == "ok", done.json
    found = {name: done.json[name] for name in ("replayed", "rows", "repeats", "failed", "unjudged")}
    alone = len(BAD) - len(TWINS)
    assert found == {"replayed": 30, "rows": alone, "repeats": 30 - alone, "failed": 0, "unjudged": 0}
    assert counted(folder) == (0, 0)
    assert ids(wh) == list(range(60))
    fill(kafka, topic, 70, ())
    run(folder)
    assert ids(wh) == list(range(70))
    if place == "several targets":
        assert ids(("sqlite", {"path": str(tmp_path / "side.db")}), "copy") == list(range(70))


def test_every_database(tmp_path: Path, kafka: str, wh: Place) -> None:
    _, folder = _with_letters(tmp_path, kafka, wh, "state in the target's transactions")
    assert folder.flowc("dlq", "replay", "clean", "--json").json["replayed"] == 30
    run(folder)
    assert ids(wh) == list(range(60))


def test_what_fails_again_stays_unseen_and_what_passed_is_not_asked_again(tmp_path: Path, kafka: str) -> None:
    wh = ("sqlite", {"path": str(tmp_path / "wh.db")})
    topic = fresh(kafka)
    _broken(kafka, topic, (1, 2))
    produce(kafka, topic, [Message(b"\xff\xfe")])
    folder = made(tmp_path, kafka, topic, wh, "state in a file", "id")
    run(folder)
    assert folder.flowc("dlq", "replay", "clean", "--json").json["failed"] == 3
    strict = "CASE WHEN id = 1 THEN CAST('x' || id AS BIGINT) ELSE id END"
    spec = tmp_path / "specs/s.yaml"
    spec.write_text(spec.read_text().replace("id AS n", f"{strict} AS n").replace("name: text", "name: json"))
    done = folder.flowc("dlq", "replay", "clean", "--json").json
    assert (done["replayed"], done["rows"], done["failed"]) == (1, 1, 2), done
    fill(kafka, topic, 4, ())
    run(folder)
    assert ids(wh) == [0, 2, 3], "1 was seen, and failed behind that"
    spec.write_text(spec.read_text().replace(strict, "id"))
    assert folder.flowc("dlq", "replay", "clean", "--code", "row-fails").code == 0
    assert ids(wh) == [0, 1, 2, 3]
    words = "clean: 0 replayed into 0 rows, 1 failed again\n"
    assert folder.flowc("dlq", "replay", "clean", "--code", "undecodable-message").out == words


def test_repeats_among_letters_are_told_of_those_that_came_through(tmp_path: Path, kafka: str) -> None:
    wh = ("sqlite", {"path": str(tmp_path / "wh.db")})
    topic = fresh(kafka)
    _broken(kafka, topic, (1, 1))
    produce(kafka, topic, [Message(b"\xff\xfe")])
    folder = made(tmp_path, kafka, topic, wh, "state in a file", "id")
    run(folder)
    done = _mended(folder).flowc("dlq", "replay", "clean")
    words = "2 replayed into 1 row (1 gave none, as `dedupe` dropped what it repeats), 1 failed again"
    assert done.out == f"clean: {words}\n"


def test_letters_of_sql_before_a_dedupe_are_judged_and_those_of_sql_behind_it_are_not(
    tmp_path: Path, kafka: str
) -> None:
    wh, topic = ("sqlite", {"path": str(tmp_path / "wh.db")}), fresh(kafka)
    folder, spec = Folder(tmp_path), tmp_path / "specs/s.yaml"
    before, behind = "CAST(name AS bigint)", "10 / (id - 2)"
    text = IN_SQL.format(kafka=kafka, topic=topic, before=before, behind=behind)
    folder.write("specs/s.yaml", text)
    pairs = [(1, "x"), (2, "2"), (3, "3"), (1, "1"), (4, "y"), (4, "z")]
    produce(kafka, topic, [Message(json.dumps({"id": id_, "name": name}).encode()) for id_, name in pairs])
    run(folder)
    assert (counted(folder), ids(wh)) == ((4, 0), [1, 3])
    spec.write_text(text.replace(before, "1").replace(behind, "1"))
    done = folder.flowc("dlq", "replay", "clean", "--json").json
    # 1 repeats what came through since, 2 had been let through, and of the two of 4 one is the first.
    found = {name: done[name] for name in ("replayed", "rows", "repeats", "failed", "unjudged")}
    assert found == {"replayed": 4, "rows": 2, "repeats": 2, "failed": 0, "unjudged": 0}
    assert ids(wh) == [1, 2, 3, 4]
    fill(kafka, topic, 6, ())
    run(folder)
    assert ids(wh) == [0, 1, 2, 3, 4, 5]


def test_letters_that_some_of_several_dedupes_have_judged_are_left(tmp_path: Path, kafka: str) -> None:
    wh = ("sqlite", {"path": str(tmp_path / "wh.db")})
    topic = fresh(kafka)
    _broken(kafka, topic, (1,))
    fill(kafka, topic, 3, ())
    folder = made(tmp_path, kafka, topic, wh, "state in a file", "id")
    run(folder)
    database = open_database(*wh)
    database.open()
    database.execute(f"UPDATE flowc_dead_letters SET headers = '{noted(None, {JUDGED: SEEN_BY_SOME})}'")
    database.close()
    done = _mended(folder).flowc("dlq", "replay", "clean")
    assert done.out == "clean: 0 replayed into 0 rows, 0 failed again, 1 left (not every `dedupe` has judged them)\n"
    assert ids(wh) == [0, 1, 2]


@pytest.mark.parametrize(
    ("place", "point"),
    with_extended([
        ("state in a file", "judged"), ("state in the target's transactions", "committed"),
        ("letters in another database", "target 0"),
    ], [("state in the target's transactions", "judged"), ("several targets", "target 0")]),
)  # fmt: skip
def test_a_replay_that_is_killed_is_finished_by_the_next(
    tmp_path: Path, kafka: str, postgres: str, place: str, point: str
) -> None:
    wh = ("postgres", {"url": postgres})
    topic, folder = _with_letters(tmp_path, kafka, wh, place)
    check_killed_replay(folder, kafka, topic, wh, point)


@pytest.mark.parametrize("place", with_extended(["state in the target's transactions"], ["state in a file"]))
def test_a_replay_beside_a_busy_worker(tmp_path: Path, kafka: str, postgres: str, place: str) -> None:
    wh = ("postgres", {"url": postgres})
    topic, folder = _with_letters(tmp_path, kafka, wh, place)
    worker = folder.start("run", "clean", "--log-format", "json")
    fill(kafka, topic, 1000, ())
    replay = folder.start("dlq", "replay", "clean", "--json")
    fill(kafka, topic, 1500, ())
    check_beside(worker, replay, folder, wh, 1500)


@pytest.mark.parametrize(
    ("place", "point"), [("state in a file", "checkpoint"), ("state in the target's transactions", "committed")]
)
def test_a_worker_that_catches_up_goes_on_behind_a_replay(
    tmp_path: Path, kafka: str, postgres: str, place: str, point: str
) -> None:
    wh = ("postgres", {"url": postgres})
    topic, folder = _with_letters(tmp_path, kafka, wh, place)
    fill(kafka, topic, 200, ())
    replays = list[Done]()

    def replay(at: str) -> None:
        if at == point and not replays:
            replays.append(folder.flowc("dlq", "replay", "clean", "--json"))

    whole = open_project([tmp_path / "specs"], None, "")
    report = run_stream(whole.checked, whole.ir, "clean", whole.sessions, replay)
    whole.sessions.close()
    assert replays[0].json["replayed"] == 30, replays[0]
    assert report.error is None, report.error
    assert counted(folder) == (0, 0)
    assert ids(wh) == list(range(200))
