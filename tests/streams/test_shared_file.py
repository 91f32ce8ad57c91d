"""What all streams of a project kept in one file goes into a file for each, wherever that is cut off."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from flowc.compiler.streamplan.state import Owner, state_plan
from flowc.errors import FlowcError
from flowc.runtime.connectors import open_database
from flowc.runtime.streams.epoch import Intent, Range
from flowc.runtime.streams.keyed.segments import read
from flowc.runtime.streams.state.contract import Checkpoint, Restored
from flowc.runtime.streams.state.store import DatabaseStore
from tests.older import group, make_groups, make_older
from tests.stores import Store
from tests.streams.test_compaction import Cut, Killed

ODD = "it's {a} 'stream'"
OTHER = "other"
_TABLES = ("checkpoints", "epochs", "state", "facts")


def _intent(number: int) -> Intent:
    return Intent(number, number, (Range.numbered("s", 0, number, number + 1),))


def _store(file: Path, stream: str, shared: Path | None = None, of: str = "") -> DatabaseStore:
    plan = state_plan(Owner("p", stream, of), None)
    return DatabaseStore(stream, plan.sql, open_database("sqlite", {"path": str(file)}), shared_file=shared)


@pytest.fixture(params=["of projects", "older"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The file of the version before, or of one before that."""
    file = tmp_path / "shared.sqlite"
    for stream in (ODD, f"{ODD}.dead-letters", f"{ODD}.judged-letters", OTHER):
        file.touch()
        store = _store(file, stream)
        store.open()
        for number in (1, 2, 3):
            store.intend(_intent(number))
        store.save(Checkpoint(2, {("s", "0"): "2"}, fingerprints={"dedupe": "f"} if "letters" not in stream else {}))
        store.remember({"fact": stream})
        store.close()
    made = Store("sqlite", tmp_path, file="shared")
    make_groups(made, [("p", stream, "dedupe", n, group([(n << 58, 7, 5)])) for stream in (ODD, OTHER) for n in (0, 9)])
    if request.param == "older":
        make_older(made, _TABLES)
    return file


def _is_whole(store: DatabaseStore, stream: str) -> None:
    found = store.open()
    assert (found.last, found.checkpoint.epoch, found.intents) == (3, 2, (_intent(3),))
    assert found.checkpoint.positions == {("s", "0"): "2"}
    keys = [hi for each in found.checkpoint.segments for hi in read(each.data).rows.hi.tolist()]
    assert keys == ([] if "letters" in stream else [0, 9 << 58])
    assert store.facts() == {"fact": stream}


def _held(file: Path, name: str = "checkpoints") -> set[str]:
    with sqlite3.connect(file) as connection:
        moved = "WHERE body NOT LIKE '{\"moved\"%'" if name == "checkpoints" else ""
        return {row[0] for row in connection.execute(f"SELECT stream_name FROM flowc_{name} {moved}")}


def test_a_stream_takes_what_is_its_own_and_leaves_the_rest(shared: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.sqlite"
    own.touch()
    for stream, of in ((ODD, ""), (f"{ODD}.dead-letters", ODD), (f"{ODD}.judged-letters", ODD), (ODD, "")):
        store = _store(own, stream, shared, of)
        _is_whole(store, stream)
        store.close()
    assert [_held(shared, name) for name in ("checkpoints", "epochs", "state", "facts")] == [{OTHER}] * 4
    # What looks before the other stream has begun again still finds it.
    other = tmp_path / "other.sqlite"
    other.touch()
    looking = _store(shared, OTHER)
    assert looking.look().last == 3
    looking.close()
    store = _store(other, OTHER, shared)
    _is_whole(store, OTHER)
    store.close()
    assert _store(shared, ODD).look() == _store(shared, OTHER).look() == Restored()


def test_a_worker_of_the_version_before_is_refused(shared: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.sqlite"
    own.touch()
    _store(own, ODD, shared).open()
    with sqlite3.connect(shared) as connection:
        with pytest.raises(sqlite3.IntegrityError, match="a newer version of flowc keeps the state"):
            connection.execute("UPDATE flowc_checkpoints SET intended = intended WHERE stream_name = ?", (ODD,))
        # A project is renamed all the same.
        connection.execute("UPDATE flowc_checkpoints SET project = 'q' WHERE project = 'p'")


def test_a_move_that_is_cut_off_between_any_two_statements_is_made_by_the_next(
    request: pytest.FixtureRequest, shared: Path, tmp_path: Path
) -> None:
    cut, before, step = 0, tmp_path / "before.sqlite", 7 if "older" in request.node.name else 1
    shutil.copy(shared, before)
    while True:
        folder = tmp_path / str(cut)
        folder.mkdir()
        own, file = folder / "own.sqlite", folder / "shared.sqlite"
        own.touch()
        shutil.copy(before, file)
        store = _store(own, ODD, file)
        session, store.database = store.database, Cut(store.database, cut)  # type: ignore[assignment]
        try:
            store.open()
            break
        except (Killed, FlowcError):
            session.close()
        store = _store(own, ODD, file)
        _is_whole(store, ODD)
        store.close()
        assert _held(file) == {OTHER}
        cut += step
    assert cut > 30
    store.close()


def test_of_two_files_the_one_that_was_committed_first_is_made_anew(shared: Path, tmp_path: Path) -> None:
    """Between the commits of two files, one after the other, a worker of the version before may go on."""
    own, copy = tmp_path / "own.sqlite", tmp_path / "copy.sqlite"
    own.touch()
    shutil.copy(shared, copy)
    store = _store(own, ODD, copy)
    _is_whole(store, ODD)
    store.close()
    _store(own, ODD, shared).open()
    with sqlite3.connect(shared) as connection:
        assert connection.execute("SELECT count(*) FROM flowc_epochs WHERE stream_name = ?", (ODD,)).fetchone() == (0,)
    store = _store(own, ODD)
    _is_whole(store, ODD)


def test_a_file_that_went_on_by_itself_is_not_put_back(shared: Path, tmp_path: Path) -> None:
    """Somebody has copied an old `state.sqlite` back."""
    own, copy = tmp_path / "own.sqlite", tmp_path / "copy.sqlite"
    own.touch()
    shutil.copy(shared, copy)
    store = _store(own, ODD, shared)
    store.open()
    store.intend(_intent(4))
    store.close()
    store = _store(own, ODD, copy)
    assert store.open().last == 4
    assert _held(copy) == {OTHER}
