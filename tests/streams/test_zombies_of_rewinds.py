"""A worker that wakes up behind its intent, when a rewind has moved the stream meanwhile."""

from __future__ import annotations

from contextlib import chdir
from pathlib import Path

import pytest

from flowc.cli.opened import open_project
from flowc.service.streams import rewinding
from flowc.service.streams.rewinding import prepare_rewind
from tests.commands import Folder
from tests.streams.test_edited_intents import put
from tests.streams.test_zombies_of_edits import TARGETS, Paused, edited, held, run


def rewind(folder: Folder, to: str, wake: str, zombie: Paused) -> None:
    def pause(point: str) -> None:
        if point == wake:
            zombie.end()

    with chdir(folder.path):
        opened = open_project([Path("specs")], None, "nothing was moved")
        try:
            prepared = prepare_rewind(opened.checked, opened.ir, "s", sessions=opened.sessions, to=to, pause=pause)
            try:
                prepared.make()
            finally:
                prepared.close()
        finally:
            opened.sessions.close()


@pytest.mark.parametrize("to", TARGETS)
@pytest.mark.parametrize("place", ["earliest", "0:0"])
def test_nothing_that_was_intended_before_a_rewind_comes_behind_it(
    tmp_path: Path, to: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The messages of that epoch are read again, so each of its rows comes once."""
    monkeypatch.setattr(rewinding, "_PATIENCE", 0.0)
    folder = edited(tmp_path, to, 10)
    put(folder, "1", ("a", 1, "00:01"))
    zombie = Paused(folder)
    try:
        rewind(folder, place, "never", zombie)
    finally:
        zombie.end()
    again = run(folder, lambda _: None)
    assert (again.error, held(tmp_path, to)) == (None, [("a", 10)])
    assert to != "tables" or held(tmp_path, "table") == [("a", 10)]
    assert zombie.report.error is not None


def test_a_rewind_says_that_a_worker_has_written_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A table takes an epoch until its own positions move, and the store moves first."""
    monkeypatch.setattr(rewinding, "_PATIENCE", 0.0)
    folder = edited(tmp_path, "table", 10)
    put(folder, "1", ("a", 1, "00:01"))
    zombie = Paused(folder)
    try:
        rewind(folder, "earliest", "moved in the store", zombie)
    finally:
        zombie.end()
    assert "a worker wrote epoch 1 into `wh.t` while it was moved" in caplog.text
    assert run(folder, lambda _: None).error is None
    assert held(tmp_path, "table") == [("a", 10), ("a", 10)]


@pytest.mark.parametrize("to", ["files", "delta"])
def test_a_worker_that_wakes_up_while_the_stream_is_moved(
    tmp_path: Path, to: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rewinding, "_PATIENCE", 0.0)
    folder = edited(tmp_path, to, 10)
    put(folder, "1", ("a", 1, "00:01"))
    zombie = Paused(folder)
    try:
        rewind(folder, "earliest", "moved in the store", zombie)
    finally:
        zombie.end()
    assert run(folder, lambda _: None).error is None
    assert held(tmp_path, to) == [("a", 10)]
