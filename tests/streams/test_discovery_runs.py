"""Streams whose sources declare no columns: found once, kept for ever."""

from __future__ import annotations

import gzip
import json
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.commands import Folder, Inside
from tests.streams.filefolder import put
from tests.streams.test_files_source_runs import _report, _rows
from tests.topics import Message, fresh, produce

PROJECT = """
connections:
  drop: { kind: files, uri: "./drop" }
  bus: { kind: kafka, bootstrap_servers: "BUS" }
  wh: { kind: sqlite, path: wh.db }
streams:
  clean:
    source: SOURCE
    SQL
    to: { connection: wh, table: clean, mode: append }
    on_error: drop
"""


def _project(folder: Path, source: str, sql: str = "start: earliest", bus: str = "localhost:1") -> Folder:
    made = Inside(folder)
    made.write("specs/s.yaml", PROJECT.replace("SOURCE", source).replace("SQL", sql).replace("BUS", bus))
    return made


def _send(kafka: str, topic: str, *messages: object) -> None:
    produce(kafka, topic, [Message(m if isinstance(m, bytes) else json.dumps(m).encode()) for m in messages])


@pytest.fixture
def topic(kafka: str) -> str:
    """A topic of one partition."""
    return fresh(kafka)


@pytest.mark.parametrize("sql", ["start: earliest", "sql: SELECT id, name, x FROM source"])
def test_columns_of_a_topic_are_found_once_and_kept(tmp_path: Path, kafka: str, topic: str, sql: str) -> None:
    _send(kafka, topic, {"id": 1, "name": "a"}, {"id": 2, "x": 1.5})
    made = _project(tmp_path, f"{{ connection: bus, topic: {topic}, format: json }}", sql, kafka)
    assert _report(made)["rows"] == 2
    _send(kafka, topic, {"id": 3, "later": True}, {"id": "no number"})
    report = _report(made)
    assert (report["rows"], report["bad_rows"]) == (1, 1)
    assert _rows(tmp_path, "SELECT id, name, x FROM clean ORDER BY id") == [
        (1, "a", None),
        (2, None, 1.5),
        (3, None, None),
    ]


def test_nothing_to_find_columns_in_is_said(tmp_path: Path) -> None:
    (tmp_path / "drop").mkdir()
    failed = _project(tmp_path, '{ connection: drop, path: "*.csv", format: csv }').flowc("run", "clean", "--once")
    assert failed.code == 1
    assert "nothing yet in source `source`" in failed.err


@pytest.mark.parametrize(("name", "data", "rows"), [
    ("a.csv", b"id,name\n1,x\n2\n3,z\n", [(1, "x"), (3, "z")]), ("a.jsonl", b'{"id":1,"id":2}\n{"id":7}\n', [(7,)]),
    ("a.jsonl.gz", b'{broken\n{"id":7}\n', [(7,)]),
])  # fmt: skip
def test_columns_are_found_beside_bad_rows(tmp_path: Path, name: str, data: bytes, rows: list[object]) -> None:
    """A row that the stream will set aside is no reason for it not to start."""
    put(tmp_path / "drop", name, data)
    made = _project(tmp_path, f"{{ connection: drop, path: '*', format: {name.split('.')[1]} }}")
    assert _report(made)["bad_rows"] == 1
    assert _rows(tmp_path, "SELECT * FROM clean ORDER BY id") == rows


def _parquet(columns: int) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({f"c{n}": [1] for n in range(columns)}), sink)
    return bytes(sink.getvalue().to_pybytes())


@pytest.mark.parametrize(("form", "data", "words"), [
    ("csv", b"a,a\n1,2\n", "twice"),
    ("csv", ",".join(map(str, range(51))).encode() + b"\n", "`max_columns` is 50"),
    ("parquet", _parquet(51), "`max_columns` is 50"), ("parquet", _parquet(2)[:-9], "magic bytes not found"),
    ("jsonl", json.dumps(dict.fromkeys(map(str, range(51)), 1)).encode() + b"\n", "`max_columns` is 50"),
    ("json", b'[{"a": 1}', "the array does not end"),
    ("jsonl", gzip.compress(b'{"a":1}\n', mtime=0), "looks like gzip"),
    ("jsonl", b'{"a":1}\n{"a":[1]}\n', "its field `a` holds a list"), ("jsonl", b"{bad\n", "line 1: it is no JSON"),
])  # fmt: skip
def test_a_file_that_gives_no_columns_says_why(tmp_path: Path, form: str, data: bytes, words: str) -> None:
    put(tmp_path / "drop", f"a.{form}", data)
    put(tmp_path / "drop", f"b.{form}", b"" if form != "parquet" else _parquet(60), 1)
    made = _project(tmp_path, f"{{ connection: drop, path: '*', format: {form}, read: {{ max_columns: 50 }} }}")
    failed = made.flowc("run", "clean", "--once")
    assert failed.code == 1
    assert "error[unreadable-file]" in failed.err
    assert f"a.{form}`" in failed.err
    assert words in failed.err
    put(tmp_path / "drop", f"c.{form}", {"csv": b"id\n1\n", "parquet": _parquet(1)}.get(form, b'{"id": 1}\n'), 2)
    assert _report(made)["rows"]


@pytest.mark.parametrize(("form", "data"), [("csv", b"\n"), ("jsonl", b""), ("jsonl", b"\n \n")])
@pytest.mark.parametrize("policy", ["drop", "fail"])
def test_files_without_rows_give_no_columns(tmp_path: Path, form: str, data: bytes, policy: str) -> None:
    put(tmp_path / "drop", f"a.{form}", data)
    made = _project(tmp_path, f"{{ connection: drop, path: '*', format: {form} }}")
    made.write("specs/s.yaml", (tmp_path / "specs/s.yaml").read_text().replace("on_error: drop", f"on_error: {policy}"))
    assert "nothing yet in source" in made.flowc("run", "clean", "--once").err


def test_columns_of_files_are_inferred_as_loads_do_and_kept(tmp_path: Path) -> None:
    put(tmp_path / "drop", "a.csv", "id,day,price\n1,2024-05-01,1.5\n")
    made = _project(
        tmp_path, '{ connection: drop, path: "*.csv", format: csv }', "sql: SELECT *, _topic AS f FROM source"
    )
    assert _report(made)["rows"] == 1
    put(tmp_path / "drop", "b.csv", "id,price,more\n2,2.5,x\nthree,1,x\n", 5)
    report = _report(made)
    assert (report["rows"], report["bad_rows"]) == (1, 1)
    rows = _rows(tmp_path, "SELECT id, day, price, f FROM clean ORDER BY id")
    assert rows == [(1, date(2024, 5, 1), 1.5, "a.csv"), (2, None, 2.5, "b.csv")]


def test_a_query_that_does_not_fit_what_was_found_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "drop", "a.csv", "id\n1\n")
    made = _project(tmp_path, '{ connection: drop, path: "*.csv", format: csv }', "sql: SELECT nr FROM source")
    failed = made.flowc("run", "clean", "--once")
    assert failed.code == 1
    assert "`nr`" in failed.err


def test_raw_messages_as_text_and_as_bytes(tmp_path: Path, kafka: str, topic: str) -> None:
    _send(kafka, topic, b"one", "zw\u00f6lf".encode())
    source = f"{{ connection: bus, topic: {topic}, format: raw }}"
    made = _project(
        tmp_path, source, "sql: SELECT value, encode(value, 'hex') AS hex, _offset AS at FROM source", kafka
    )
    assert _report(made)["rows"] == 2
    found = _rows(tmp_path, "SELECT value, hex FROM clean ORDER BY at")
    assert found == [(b"one", "6f6e65"), ("zw\u00f6lf".encode(), "7a77c3b66c66")]


def test_raw_text_that_is_no_text_is_a_bad_row(tmp_path: Path, kafka: str, topic: str) -> None:
    _send(kafka, topic, b"one", b"\xff\xfe", b"two")
    made = _project(
        tmp_path, f"{{ connection: bus, topic: {topic}, format: raw, columns: {{ value: text }} }}", bus=kafka
    )
    report = _report(made)
    assert (report["rows"], report["bad_rows"]) == (2, 1)
    assert _rows(tmp_path, "SELECT value FROM clean ORDER BY value") == [("one",), ("two",)]
