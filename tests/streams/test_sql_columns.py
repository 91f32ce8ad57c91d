"""Which columns a `*` stands for, and names of columns that hold dots."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowc.compiler import stages
from flowc.diagnostics import Reporter
from tests.commands import Inside
from tests.streams.compiled import Computed, plan
from tests.streams.filefolder import put
from tests.streams.test_files_source_runs import _report, _rows
from tests.unit.project import found, write


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ("SELECT * FROM source WHERE _offset >= 0", ["id", "name", "tags"]),
        ("SELECT *, _offset FROM source", ["id", "name", "tags", "_offset"]),
        ("SELECT s.*, s._offset AS at FROM source s WHERE _partition = 0", ["id", "name", "tags", "at"]),
        ("WITH a AS (SELECT *, _offset FROM source) SELECT *, 1 AS n FROM a", ["id", "name", "tags", "_offset", "n"]),
        ("SELECT x.* FROM (SELECT * FROM source WHERE _key IS NOT NULL) x", ["id", "name", "tags"]),
        ("SELECT max(_offset) AS at, count(*) AS n FROM source", ["at", "n"]),
    ],
)
def test_a_star_stands_for_the_messages_own_columns(tmp_path: Path, sql: str, columns: list[str]) -> None:
    (row,) = Computed(plan(tmp_path, sql)).rows([{"id": 1, "name": "a", "tags": []}])
    assert list(row) == columns


NESTED = """
connections:
  drop: { kind: files, uri: "./drop" }
  wh: { kind: sqlite, path: wh.db }
streams:
  clean:
    source:
      connection: drop
      path: "*.jsonl"
      format: jsonl
      columns: { id: bigint, o: "struct(a bigint, c struct(d bigint), l bigint[])", items: "struct(k text)[]" }
    sql: SELECT id, PART AS v FROM source s
    to: { connection: wh, table: clean, mode: append }
"""


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("o.a", 5), ("s.o.a", 5), ("(o).a", 5), ("(s.o).A", 5), ("o.c.d", 7), ("s.o.c.d + 1", 8), ("(o).c.d", 7),
        ("(o).l[2]", 2), ("items[1].k", "z"), ("(items[1]).k", "z"), ("o['c']['d']", 7),
    ],
)  # fmt: skip
def test_parts_of_nested_values_are_read_by_their_paths(tmp_path: Path, part: str, value: object) -> None:
    made = Inside(tmp_path)
    made.write("specs/s.yaml", NESTED.replace("PART", part))
    put(tmp_path / "drop", "a.jsonl", '{"id": 1, "o": {"a": 5, "c": {"d": 7}, "l": [1, 2]}, "items": [{"k": "z"}]}\n')
    assert _report(made)["rows"] == 1
    assert _rows(tmp_path, "SELECT v FROM clean") == [(value,)]


@pytest.mark.parametrize("part", ["nope.a", "x.y.z", "s.nope.a"])
def test_a_path_that_begins_nowhere_is_refused(tmp_path: Path, part: str) -> None:
    made = Inside(tmp_path)
    made.write("specs/s.yaml", NESTED.replace("PART", part))
    assert "error[unknown-table-alias]" in made.flowc("lint").out


SPEC = """
connections:
  bus: { kind: kafka, bootstrap_servers: "localhost:9092" }
  wh: { kind: duckdb, path: wh.db }
tables:
  made: { connection: wh, columns: { "a.b": bigint, "c": text } }
streams:
  s:
    sources:
      x.y: { connection: bus, topic: x, columns: { "a.b": bigint, c: text, "c.d": nonsense } }
    sql: SELECT "a.b", c, "no.pe" FROM "x.y"
    to: made
tests:
  t:
    stream: s
    given: { x.y: [ { "a.b": 1, "e.f": 2 } ] }
    expect: []
"""


def test_names_with_dots_are_names(tmp_path: Path) -> None:
    reporter = Reporter()
    stages.lint([write(tmp_path, SPEC)], reporter)
    told = {(each.code, each.marked.strip('"')) for each in found(reporter.sorted())}
    assert told == {("unknown-type", "nonsense"), ("unknown-column", "no.pe"), ("unknown-column", "e.f")}
