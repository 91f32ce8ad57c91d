"""`flowc rewind` beside workers that go on: what was announced is done, from where the stream stands by then."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

import pytest

from flowc.cli.opened import open_project
from flowc.errors import UsageError
from flowc.render.rewinding import moved_text, rewind_text
from flowc.render.style import Style
from flowc.service.streams import rewinding as service
from flowc.service.streams.rewinding import Rewind, prepare_rewind
from flowc.service.streams.run import Pause, no_pause, run_stream
from tests.commands import Folder
from tests.streams.epochs import Cut, CutAt
from tests.streams.test_dlq import Place
from tests.streams.test_rewind import APPEND, counts, fill, project, run
from tests.topics import Message, fresh, produce

pytestmark = pytest.mark.turns("place", 2)

TWO = f"[{APPEND}, {{ connection: side, table: copy }}]"
LETTERS = "SELECT id, CAST(name AS BIGINT) AS name FROM source"


@contextmanager
def rewinding(folder: Folder, to: str, pause: Pause = no_pause) -> Iterator[Rewind]:
    """A rewind that was announced, and not yet agreed to."""
    with chdir(folder.path):
        whole = open_project([Path("specs")], None, "")
        rewind = prepare_rewind(whole.checked, whole.ir, "s", sessions=whole.sessions, to=to, pause=pause)
        try:
            yield rewind
        finally:
            rewind.close()
            whole.sessions.close()


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A database that a worker can write while a rewind of it waits for an answer."""
    kind = request.param
    return kind, {"url": request.getfixturevalue(kind)} if kind in ("postgres", "mysql") else {
        "path": str(tmp_path / "wh.db")
    }


each_place = pytest.mark.parametrize("place", ["sqlite", "duckdb", "postgres", "mysql"], indirect=True)
one_place = pytest.mark.parametrize("place", ["postgres"], indirect=True)
each_target = pytest.mark.parametrize("to", [APPEND, TWO], ids=["one", "two"])


def copies(tmp_path: Path) -> dict[int, int]:
    return counts(("sqlite", {"path": str(tmp_path / "side.db")}), "copy")


@pytest.mark.covering
@each_place
@each_target
def test_a_move_forward_never_goes_below_where_the_stream_is_by_then(
    tmp_path: Path, kafka: str, place: Place, to: str
) -> None:
    topic = fresh(kafka, 2)
    fill(kafka, topic, 100)
    folder = project(tmp_path, kafka, topic, place, to=to)
    run(folder)
    fill(kafka, topic, 40, first=100)
    with rewinding(folder, "latest") as rewind:
        assert (rewind.again, rewind.skipped) == (0, 40)
        fill(kafka, topic, 20, first=140)
        run(folder)
        rewind.make()
        assert moved_text(rewind) == "s: moved; 0 messages are read again"
    assert run(folder)["messages"] == 0
    assert counts(place) == dict.fromkeys(range(160), 1)
    assert to == APPEND or copies(tmp_path) == dict.fromkeys(range(160), 1)


@one_place
@each_target
def test_a_move_back_says_what_came_meanwhile_and_reads_that_again_too(
    tmp_path: Path, kafka: str, place: Place, to: str
) -> None:
    topic = fresh(kafka, 2)
    fill(kafka, topic, 100)
    folder = project(tmp_path, kafka, topic, place, to=to)
    run(folder)
    fill(kafka, topic, 20, first=100)
    with rewinding(folder, "0:40") as rewind:
        assert "about 10 messages will be read again, and those that a worker reads until" in rewind_text(
            rewind, Style()
        )
        run(folder)
        rewind.make()
        assert moved_text(rewind) == "s: moved; 20 messages are read again"
    assert run(folder)["messages"] == 20
    wanted = {n: 2 if n >= 80 and n % 2 == 0 else 1 for n in range(120)}
    assert counts(place) == wanted
    assert to == APPEND or copies(tmp_path) == wanted


@one_place
@each_target
def test_what_another_rewind_has_moved_meanwhile_stays(tmp_path: Path, kafka: str, place: Place, to: str) -> None:
    topic = fresh(kafka, 2)
    fill(kafka, topic, 100)
    folder = project(tmp_path, kafka, topic, place, to=to)
    run(folder)
    with rewinding(folder, "latest") as rewind:
        assert folder.flowc("rewind", "s", "--to", "0:10", "--yes").code == 0
        with pytest.raises(UsageError, match="partition 0 of `source` was moved meanwhile: it stands at 10") as refused:
            rewind.make()
    assert refused.value.code == "stream-moved"
    assert run(folder)["messages"] == 40


@each_place
def test_dead_letters_go_with_the_move_or_stay_with_it(tmp_path: Path, kafka: str, place: Place) -> None:
    topic = fresh(kafka, 2)
    names = ["x", "2", "none", "3"]
    produce(kafka, topic, [Message(json.dumps({"id": n, "name": name}).encode()) for n, name in enumerate(names)])
    folder = project(tmp_path, kafka, topic, place, more="on_error: dlq", sql=LETTERS)
    run(folder)

    def letters() -> int:
        return sum(int(each["letters"]) for each in folder.flowc("dlq", "list", "--json").json)

    with rewinding(folder, "0:1", CutAt("state")) as rewind:
        assert "1 dead letters of these messages will be removed" in rewind_text(rewind, Style())
        with pytest.raises(Cut):
            rewind.make()
    assert (letters(), run(folder)["messages"]) == (2, 0)
    produce(kafka, topic, [Message(b"worse")])
    with rewinding(folder, "0:1", CutAt("committed")) as rewind:
        run(folder)
        assert letters() == 3
        with pytest.raises(Cut):
            rewind.make()
    assert (letters(), run(folder)["messages"], letters()) == (1, 4, 3)
    assert counts(place) == {1: 2, 3: 2}


@one_place
def test_an_epoch_that_one_of_two_targets_holds_is_not_lost_in_the_other(
    tmp_path: Path, kafka: str, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker wrote on after the rewind was announced, and was cut off between the targets."""
    monkeypatch.setattr(service, "_PATIENCE", 0.2)
    topic = fresh(kafka, 2)
    fill(kafka, topic, 100)
    folder = project(tmp_path, kafka, topic, place, to=TWO)
    run(folder)
    fill(kafka, topic, 40, first=100)
    with rewinding(folder, "latest") as rewind:
        broken(folder)
        with pytest.raises(UsageError, match="not every target of stream `s` holds its last epoch"):
            rewind.make()
    run(folder)
    assert counts(place) == copies(tmp_path) == dict.fromkeys(range(140), 1)
    fill(kafka, topic, 20, first=140)
    with rewinding(folder, "earliest") as rewind:
        broken(folder)
        rewind.make()
        assert rewind.again == 160
    run(folder)
    assert counts(place) == dict.fromkeys(range(160), 2)
    assert copies(tmp_path) == {n: 2 if n < 140 else 1 for n in range(160)}


def broken(folder: Folder) -> None:
    """A run that is cut off when the first of two targets holds an epoch."""
    whole = open_project([Path("specs")], None, "")
    report = run_stream(whole.checked, whole.ir, "s", whole.sessions, CutAt("target 0"))
    whole.sessions.close()
    assert report.error is not None
    assert report.error.code == "cut"
