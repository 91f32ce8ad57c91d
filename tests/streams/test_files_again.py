"""Streams of files: where they are, their dead letters, and reading them again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.commands import Folder, Inside
from tests.streams.filefolder import put
from tests.streams.test_dlq import rows

PROJECT = """
connections:
  drop: {{ kind: files, uri: "./drop" }}
  wh: {{ kind: sqlite, path: wh.db }}
streams:
  clean:
    source: {{ connection: drop, path: "*.{form}", format: {form}{columns} }}
    sql: SELECT id, {number} AS n, _topic AS file FROM source
    to: {{ connection: wh, table: clean }}
    on_error: dlq
"""
STRICT, MENDED = "CAST(name AS BIGINT)", "CASE WHEN name LIKE 'x%' THEN -1 ELSE CAST(name AS BIGINT) END"
COLUMNS = ", columns: { id: bigint, name: text }"


def _project(folder: Path, form: str, number: str = STRICT, columns: str = COLUMNS) -> Folder:
    made = Inside(folder)
    (folder / "drop").mkdir(exist_ok=True)
    made.write("specs/s.yaml", PROJECT.format(form=form, number=number, columns=columns))
    return made


def _run(made: Folder) -> int:
    (report,) = made.flowc("run", "clean", "--once", "--json").json
    assert report["status"] == "ok", report["error"]
    return int(report["messages"])


def _ids(folder: Path) -> list[Any]:
    found = rows(("sqlite", {"path": str(folder / "wh.db")}), "SELECT id FROM clean ORDER BY id")
    return [row["id"] for row in found]


@pytest.mark.parametrize("columns", [COLUMNS, ""], ids=["declared", "found"])
def test_letters_of_lines_are_replayed(tmp_path: Path, columns: str) -> None:
    made = _project(tmp_path, "jsonl", columns=columns)
    put(tmp_path / "drop", "a.jsonl", '{"id": 1, "name": "1"}\n{"id": 2, "name": "x"}\n{"id": 3, "name": "3"}\n')
    _run(made)
    (letter,) = made.flowc("dlq", "show", "clean", "--json").json
    assert letter["topic"].endswith("a.jsonl")
    made = _project(tmp_path, "jsonl", MENDED, columns)
    assert made.flowc("dlq", "replay", "clean", "--json").json["replayed"] == 1
    assert _ids(tmp_path) == [1, 2, 3]


def test_letters_of_csv_are_rows_of_their_files(tmp_path: Path) -> None:
    made = _project(tmp_path, "csv")
    put(tmp_path / "drop", "a.csv", "id,name\n1,1\n2,x\n")
    put(tmp_path / "drop", "b.csv", "name,other,id\n3,?,3\nx,?,4\n")
    _run(made)
    made = _project(tmp_path, "csv", MENDED)
    assert made.flowc("dlq", "replay", "clean", "--json").json["replayed"] == 2
    assert _ids(tmp_path) == [1, 2, 3, 4]


def test_rows_of_parquet_are_not_replayed(tmp_path: Path) -> None:
    made = _project(tmp_path, "csv")
    put(tmp_path / "drop", "a.csv", "id,name\n1,1\n2,x\n")
    _run(made)
    assert "flowc rewind clean" in _project(tmp_path, "parquet", MENDED).flowc("dlq", "replay", "clean").err


def test_files_are_read_again_from_a_time_on(tmp_path: Path) -> None:
    made = _project(tmp_path, "csv", MENDED)
    for number, name in enumerate("abc"):
        put(tmp_path / "drop", f"{name}.csv", f"id,name\n{number}1,1\n{number}2,x\n")
        os.utime(tmp_path / "drop" / f"{name}.csv", (1_700_000_000 + 3600 * number,) * 2)
    assert _run(made) == 6
    (status,) = made.flowc("status", "--json").json
    assert (status["lag"], len(status["partitions"]), status["error"]) == (None, 1, None)
    said = made.flowc("rewind", "clean", "--to", "2023-11-14T23:00:00Z", "--yes")
    assert said.code == 0, said.err
    assert _run(made) == 4
    assert _ids(tmp_path) == [1, 2, 11, 11, 12, 12, 21, 21, 22, 22]
    assert made.flowc("rewind", "clean", "--to", "earliest", "--yes").code == 0
    assert _run(made) == 6
