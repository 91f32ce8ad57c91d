"""A rewind that is cut off between the store and a table is finished when it is made again, whatever place it names."""

from __future__ import annotations

from contextlib import chdir, suppress
from pathlib import Path

import pytest

from flowc.cli.opened import open_project
from flowc.service.streams import rewinding
from flowc.service.streams.rewinding import prepare_rewind
from tests.commands import Folder
from tests.streams.test_edited_intents import Cut, killed, put
from tests.streams.test_zombies_of_edits import edited, held, run


def cut_off(folder: Folder, to: str, point: str) -> None:
    def pause(name: str) -> None:
        if name == point:
            raise Cut

    with chdir(folder.path):
        opened = open_project([Path("specs")], None, "nothing was moved")
        try:
            prepared = prepare_rewind(opened.checked, opened.ir, "s", sessions=opened.sessions, to=to, pause=pause)
            with suppress(Cut):
                prepared.make()
            prepared.close()
        finally:
            opened.sessions.close()


@pytest.mark.covering
@pytest.mark.parametrize("point", ["shut", "moved in the store", "positions", "committed"])
@pytest.mark.parametrize("to", ["held", "current", "earliest"])
def test_a_rewind_is_made_again(tmp_path: Path, to: str, point: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table holds an epoch that the Delta table lacks: both get its row from the position that the store has."""
    monkeypatch.setattr(rewinding, "_PATIENCE", 0.0)
    folder = edited(tmp_path, "tables", 10)
    put(folder, "1", ("a", 1, "00:01"))
    killed(folder, "target 0")
    assert held(tmp_path, "table") == [("a", 10)]
    cut_off(folder, to, point)
    assert folder.flowc("rewind", "s", "--to", to, "--yes").code == 0
    put(folder, "2", ("b", 2, "00:02"))
    assert run(folder, lambda _: None).error is None
    assert held(tmp_path, "tables") == [("a", 10), ("b", 20)]
    assert held(tmp_path, "table") == [("a", 10), ("a", 10), ("b", 20)]
