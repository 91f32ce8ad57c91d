"""Places of a rewind that are none, and what it says of files, whose rows nobody has counted."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flowc.controls import shortened
from flowc.errors import LONGEST
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
    "0:" + "9" * 5000: shortened(f"`0:{'9' * 5000}` is no place in a source of stream `s`", LONGEST),
    "\u0660:\u0661": "`\u0660:\u0661` is no place in a source of stream `s`",
}


@pytest.mark.parametrize("to", PLACES, ids=lambda to: to[:30])
def test_a_place_that_is_none_is_told_as_that(folder: Inside, to: str) -> None:
    done = folder.flowc("rewind", "s", "--to", to, "--yes")
    assert (done.code, "error[unreadable-argument]: " + PLACES[to] in done.err) == (2, True), done.err


def test_it_is_said_how_much_of_files_is_read_again(folder: Inside) -> None:
    put(folder.path / "drop", "b.csv", "id\n" + "3\n" * 1000, 1)
    assert folder.flowc("run", "s", "--once").code == 0
    done = folder.flowc("rewind", "s", "--to", "earliest", "--yes")
    assert "\nrows of 2 files (2.0 KiB) will be read again" in done.out
    assert "s: moved; rows of 2 files (2.0 KiB) are read again" in done.out
    assert "about 0" not in done.out
    done = folder.flowc("rewind", "s", "--to", "latest", "--yes")
    assert "s: moved; 0 messages are read again, rows of 2 files (2.0 KiB) are not read" in done.out
    done = folder.flowc("rewind", "s", "--to", f"0:{1 << 40}", "--yes")
    assert "s: moved; rows of 1 file (2.0 KiB) are read again" in done.out


def test_parquet_tells_its_rows(folder: Inside) -> None:
    spec = SPEC.replace("*.csv", "*.parquet").replace(", columns: { id: bigint }", ", format: parquet")
    folder.write("specs/s.yaml", spec.replace("  s:", "  p:"))
    for number, rows in enumerate((7, 5)):
        path = folder.path / "drop" / f"{number}.parquet"
        pq.write_table(pa.table({"id": range(rows)}), path)
        os.utime(path, (1_000_000_000 + number,) * 2)
    assert folder.flowc("run", "p", "--once").code == 0
    done = folder.flowc("rewind", "p", "--to", "0:3", "--yes")
    assert "p: moved; 9 rows of 2 files (" in done.out


def test_a_rewind_over_a_file_that_is_gone_is_refused_and_names_the_place_behind_it(folder: Inside) -> None:
    put(folder.path / "drop", "b.csv", "id\n3\n", 1)
    assert folder.flowc("run", "s", "--once").code == 0
    (folder.path / "drop" / "a.csv").unlink()
    refused = folder.flowc("rewind", "s", "--to", "earliest", "--yes")
    assert (refused.code, "error[file-not-found]" in refused.err) == (2, True), refused.err
    place = f"0:{1 << 40}"
    assert f"`flowc rewind s --to {place}`" in refused.err
    assert folder.flowc("run", "s", "--once").code == 0
    assert folder.flowc("rewind", "s", "--to", place, "--yes").code == 0
    assert folder.flowc("run", "s", "--once").code == 0


@pytest.mark.parametrize("to", ["{ connection: w, table: t, mode: append }", "{ connection: lake, table: t }"])
def test_a_plan_tells_that_the_state_of_a_stream_of_files_is_gone(folder: Inside, to: str) -> None:
    spec = SPEC.replace("{ connection: w, table: t, mode: append }", to).replace(
        "w: {", "lake: { kind: delta, uri: lake }, w: {"
    )
    folder.write("specs/s.yaml", spec)
    assert folder.flowc("run", "s", "--once").code == 0
    shutil.rmtree(folder.path / ".flowc" / "state")
    planned = folder.flowc("plan").out
    failed = folder.flowc("run", "s", "--once")
    assert (failed.code, "error[state-lost]" in failed.err) == (1, True), failed.err
    assert "flowc rewind s --to" in failed.err
    assert "REFUSE" in planned, planned
    assert "flowc rewind s --to" in planned, planned


def test_places_in_files_are_shown_by_file_and_line(folder: Inside) -> None:
    put(folder.path / "drop", "b.csv", "id\n3\n4\n", 1)
    assert folder.flowc("run", "s", "--once").code == 0
    for to, before, after in (
        ("earliest", "behind b.csv", "a.csv"), (f"0:{(1 << 40) + 2}", "a.csv", "b.csv, line 3"),
        ("latest", "b.csv, line 3", "behind b.csv"),
    ):  # fmt: skip
        done = folder.flowc("rewind", "s", "--to", to, "--yes")
        (row,) = [line.split("  ") for line in done.out.splitlines() if line.startswith("source ") and ".csv" in line]
        cells = [cell.strip() for cell in row if cell.strip()]
        assert cells[2:4] == [before, after], done.out
