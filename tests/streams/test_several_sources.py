"""Streams of several sources: their union by name, SQL over all of them, and joins that are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands import Folder, Inside
from tests.streams.filefolder import put
from tests.streams.test_files_source_runs import _report, _rows
from tests.topics import Message, fresh, produce

PROJECT = """
connections:
  drop: { kind: files, uri: "./drop" }
  wh: { kind: sqlite, path: wh.db }
streams:
  clean:
    sources:
      a: { connection: drop, path: "a*.csv", format: csv, columns: { id: bigint, name: text } }
      b: { connection: drop, path: "b*.jsonl", format: jsonl, columns: { id: bigint, price: "numeric(8,2)" } }
    MORE
    to: { connection: wh, table: clean, mode: append }
"""


def _project(folder: Path, more: str) -> Folder:
    made = Inside(folder)
    made.write("specs/s.yaml", PROJECT.replace("MORE", more))
    put(folder / "drop", "a1.csv", "id,name\n1,x\n2,y\n")
    put(folder / "drop", "b1.jsonl", '{"id": 3, "price": 1.25}\n')
    return made


def test_without_sql_sources_are_put_together_by_name(tmp_path: Path) -> None:
    made = _project(tmp_path, "on_error: fail")
    assert _report(made)["rows"] == 3
    put(tmp_path / "drop", "b2.jsonl", '{"id": 4, "price": 2}\n')
    assert _report(made)["rows"] == 1
    rows = _rows(tmp_path, "SELECT id, name, CAST(price AS REAL) AS price FROM clean ORDER BY id")
    assert rows == [(1, "x", None), (2, "y", None), (3, None, 1.25), (4, None, 2.0)]


def test_sql_over_several_sources(tmp_path: Path) -> None:
    sql = "sql: SELECT id, name, _topic AS file FROM a WHERE id > 1 UNION ALL SELECT -id, 'b', _topic FROM b"
    assert _report(_project(tmp_path, sql))["rows"] == 2
    assert _rows(tmp_path) == [(-3, "b", "b1.jsonl"), (2, "y", "a1.csv")]


def test_columns_of_two_types_are_refused(tmp_path: Path) -> None:
    made = _project(tmp_path, "on_error: fail")
    made.write(
        "specs/s.yaml", PROJECT.replace("MORE", "on_error: fail").replace("id: bigint, price", "id: text, price")
    )
    linted = made.flowc("lint")
    assert linted.code == 1
    assert "`id` is `text` in source `b` and `bigint` in `a`" in linted.out + linted.err


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a.id FROM a JOIN b ON a.id = b.id",
        "SELECT a.id FROM a, b WHERE a.id = b.id",
        "WITH c AS (SELECT id FROM b) SELECT a.id FROM a JOIN c ON a.id = c.id",
        "SELECT id FROM a WHERE id IN (SELECT id FROM b)",
        "SELECT x.id FROM a x JOIN a y ON x.id = y.id",
    ],
)
def test_joins_of_streams_without_a_bound_are_refused(tmp_path: Path, sql: str) -> None:
    linted = _project(tmp_path, f'sql: "{sql}"').flowc("lint")
    assert linted.code == 1
    assert "unbounded-join" in linted.out + linted.err


def test_joins_of_streams_that_are_bounded_are_run(tmp_path: Path) -> None:
    bound = "b._event_ts BETWEEN a._event_ts - INTERVAL '1 day' AND a._event_ts + INTERVAL '1 day'"
    made = _project(tmp_path, f'sql: "SELECT a.id, name, price FROM a JOIN b ON a.id + 1 = b.id AND {bound}"')
    assert _report(made)["rows"] == 1
    assert _rows(tmp_path, "SELECT id, name FROM clean") == [(2, "y")]


def test_a_topic_and_files_together(tmp_path: Path, kafka: str) -> None:
    topic, ids = fresh(kafka, 2), range(10, 15)
    values = [json.dumps({"id": number, "price": 1}).encode() for number in ids]
    produce(kafka, topic, [Message(value, partition=number % 2) for number, value in zip(ids, values, strict=True)])
    made = _project(tmp_path, "on_error: fail")
    text = (tmp_path / "specs/s.yaml").read_text()
    text = text.replace('connection: drop, path: "b*.jsonl", format: jsonl', f"connection: bus, topic: {topic}")
    text = text.replace("connections:", f'connections:\n  bus: {{ kind: kafka, bootstrap_servers: "{kafka}" }}')
    made.write("specs/s.yaml", text)
    assert _report(made)["rows"] == 7
    assert _report(made)["rows"] == 0
    assert [row[0] for row in _rows(tmp_path, "SELECT id FROM clean ORDER BY id") if isinstance(row, tuple)] == [
        1, 2, *range(10, 15),
    ]  # fmt: skip
