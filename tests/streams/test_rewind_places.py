"""Places of a rewind that are none, and what it says of files, whose rows nobody has counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import Inside
from tests.streams.filefolder import put

SPEC = """
connections: { drop: { kind: files, uri: drop }, w: { kind: sqlite, path: w.sqlite } }
streams:
  s:
    source: { connection: drop, path: "*.csv", columns: { id: bigint } }
    sql: SELECT id FROM source
    to: { connection: w, table: t, mode: append }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Inside:
    made = Inside(tmp_path)
    made.write("specs/s.yaml", SPEC)
    put(tmp_path / "drop", "a.csv", "id\n1\n2\n")
    assert made.flowc("run", "s", "--once").code == 0
    return made


PLACES = {
    "0:1,0:2": "`0:1,0:2` names partition 0 twice",
    "0:99999999999999999999": "`0:99999999999999999999` is beyond the end of what the source holds",
    "\u0660:\u0661": "`\u0660:\u0661` is no place in a source of stream `s`",
}


@pytest.mark.parametrize("to", PLACES)
def test_a_place_that_is_none_is_told_as_that(folder: Inside, to: str) -> None:
    done = folder.flowc("rewind", "s", "--to", to, "--yes")
    assert (done.code, "error[unreadable-argument]: " + PLACES[to] in done.err) == (2, True), done.err


def test_rows_of_files_are_not_said_to_be_none(folder: Inside) -> None:
    done = folder.flowc("rewind", "s", "--to", "earliest", "--yes")
    assert "\nrows of files will be read again" in done.out
    assert "s: moved; rows of files are read again" in done.out
    assert "about 0" not in done.out
    done = folder.flowc("rewind", "s", "--to", "latest", "--yes")
    assert "s: moved; 0 messages are read again, rows of files are not read" in done.out
