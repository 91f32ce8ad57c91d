"""Rows that files and topics cannot spell are bad rows, and the others are written."""

from __future__ import annotations

import json
from pathlib import Path

import deltalake
import pytest

from tests import topics
from tests.commands import Inside
from tests.streams.filefolder import put

PROJECT = """
connections:
  inbox: {{ kind: files, uri: inbox, format: jsonl }}
  out: {{ kind: files, uri: out }}
  bus: {{ kind: kafka, bootstrap_servers: "{kafka}" }}
  lake: {{ kind: delta, uri: lake }}
  near: {{ kind: sqlite, path: near.db }}
streams:
  rows:
    source: {{ connection: inbox, path: "*.jsonl", columns: {{ id: bigint, name: text }} }}
    sql: {sql}
    to: {to}
    on_error: dlq
    dead_letter: {{ connection: near, table: failed }}
"""
NUMBERS = """
      SELECT id, CASE WHEN id = 1 THEN CAST('NaN' AS double precision) ELSE 0.5 END AS one,
             ARRAY[CASE WHEN id = 2 THEN CAST('Infinity' AS double precision) ELSE 0.5 END] AS several
      FROM source
"""


def _folder(path: Path, to: str, sql: str = "SELECT id, name FROM source", kafka: str = "x") -> Inside:
    folder = Inside(path)
    folder.write("specs/s.yaml", PROJECT.format(to=to, sql=sql, kafka=kafka))
    return folder


def _run(folder: Inside, *names: str) -> list[str]:
    """What is said of the rows that are left out."""
    lines = (json.dumps({"id": number, "name": name}) for number, name in enumerate(names, 1))
    put(folder.path, "inbox/a.jsonl", "".join(f"{line}\n" for line in lines))
    done = folder.flowc("run", "rows", "--once", "--json")
    assert done.json[0]["status"] == "ok", done.out
    shown = folder.flowc("dlq", "show", "rows", "--json").json
    assert {letter["code"] for letter in shown} <= {"value-does-not-fit"}
    return [letter["error"] for letter in shown]


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_numbers_that_json_has_not(tmp_path: Path, form: str) -> None:
    folder = _folder(tmp_path, f"{{ connection: out, path: rows, format: {form} }}", f"|{NUMBERS}")
    said = _run(folder, "a", "b", "c")
    text = "".join(file.read_text() for file in (tmp_path / "out" / "rows").glob("*.*"))
    whole, lists = "column `one`: `nan` is no number in JSON", "column `several`: `inf` is no number in JSON"
    if form == "jsonl":
        assert (said, text) == ([whole, lists], '{"id":3,"one":0.5,"several":[0.5]}\n')
    else:  # only its lists are JSON
        assert (said, text) == ([lists], "id,one,several\n1,nan,[0.5]\n3,0.5,[0.5]\n")


def test_numbers_that_json_has_not_in_a_topic(tmp_path: Path, kafka: str) -> None:
    out = topics.fresh(kafka)
    assert len(_run(_folder(tmp_path, f"{{ connection: bus, topic: {out} }}", f"|{NUMBERS}", kafka), *"abc")) == 2
    assert [json.loads(message.value() or b"")["id"] for message in topics.committed(kafka, out)] == [3]
    topics.drop(kafka, out)


def test_texts_that_cannot_name_a_folder_of_a_delta_table(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "{ connection: lake, table: rows, partition_by: [name] }")
    assert len(_run(folder, "", "a", "")) == 2
    assert deltalake.DeltaTable(str(tmp_path / "lake" / "rows")).to_pyarrow_table()["name"].to_pylist() == ["a"]


def test_texts_that_cannot_name_a_folder(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "{ connection: out, path: rows, format: csv, partition_by: [name] }")
    said = _run(folder, "", "a/b", "\0", "x" * 300, "é" * 60, "__HIVE_DEFAULT_PARTITION__")
    assert [words.partition(": ")[2][:23] for words in said] == [
        "an empty text in the na", "a NUL character cannot ", "the name of a folder ha", "the name of a folder ha",
        "an empty text in the na",
    ]  # fmt: skip
    assert [file.parent.name for file in (tmp_path / "out" / "rows").glob("name=*/*.csv")] == ["name=a%2Fb"]


@pytest.mark.parametrize(
    "write",
    ["delimiter: '\"'", "quote: ','", "null_value: 'a,b'", "delimiter: ';', escape: ';'", 'delimiter: "\\n"'],
)
def test_csv_that_nobody_could_read_is_refused(tmp_path: Path, write: str) -> None:
    folder = _folder(tmp_path, f"{{ connection: out, path: rows, format: csv, write: {{ {write} }} }}")
    error = folder.flowc("run", "rows", "--once", "--json").json[0]["error"]
    assert (error["code"], "nobody could read" in error["message"]) == ("unusable-option", True), error


@pytest.mark.parametrize(("form", "line"), [("jsonl", '{"id":1,"took":"1 day"}\n'), ("csv", "id,took\n1,1 day\n")])
def test_intervals_are_text(tmp_path: Path, form: str, line: str) -> None:
    to = f"{{ connection: out, path: rows, format: {form} }}"
    folder = _folder(tmp_path, to, "SELECT id, INTERVAL '1 day' AS took FROM source")
    assert _run(folder, "a") == []
    assert [file.read_text() for file in (tmp_path / "out" / "rows").glob("*.*")] == [line]
