"""DuckDB reads the files of a Delta table as a reader of Delta does, or leaves them to one."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from flowc.runtime.systems.delta.bench import Bench
from flowc.runtime.systems.delta.live import show_live

TEXTS = ["a", "b c", "x=y", "50%", "ü/ö", None, "a%20b", "q'", "t\t", "*?[x]", "\n", ""]
INSTANTS = [dt.datetime(2024, 1, 1, 1, 2, 3, 456789, tzinfo=dt.UTC), dt.datetime(1960, 1, 1, tzinfo=dt.UTC), None]
PARTITIONS = {
    "text": pa.array(TEXTS),
    "boolean": pa.array([True, False, None]),
    "tinyint": pa.array([-128, 127, None], pa.int8()),
    "bigint": pa.array([-(2**63), 2**63 - 1, None]),
    "date": pa.array([dt.date(1, 1, 1), dt.date(9999, 12, 31), None]),
    "timestamp": pa.array([dt.datetime(2024, 1, 1, 1, 2, 3, 456789), dt.datetime(1, 1, 1), None]),
    "timestamptz": pa.array(INSTANTS, pa.timestamp("us", "UTC")),
}


@pytest.fixture
def bench():
    opened = Bench()
    opened.open()
    yield opened
    opened.close()


def seen(bench: Bench, path) -> tuple[bool, list]:
    """Whether DuckDB reads the files itself, and the rows; they are those that a reader of Delta gives."""
    found = DeltaTable(path)
    show_live(bench, found, path)
    bench.show("wanted", found.to_pyarrow_dataset())
    rows = bench.values("SELECT * FROM flowc_live ORDER BY id")
    assert rows == bench.values("SELECT * FROM wanted ORDER BY id")
    named = "SELECT count(*) FROM duckdb_views() WHERE view_name = 'flowc_live' AND sql LIKE '%read_parquet%'"
    return bench.number(named) == 1, rows


@pytest.mark.parametrize("kind", PARTITIONS)
def test_values_of_partitions(bench, tmp_path, kind):
    parts = PARTITIONS[kind]
    more = {"list": [[1, None]] * len(parts), "struct": [{"a": 1, "b": "x"}] * len(parts)}
    write_deltalake(tmp_path, pa.table({"id": list(range(len(parts))), "p": parts, **more}), partition_by=["p"])
    itself, rows = seen(bench, tmp_path)
    assert itself
    wanted = [None if value == "" else value for value in parts.to_pylist()]
    assert [str(row[1]) for row in rows] == [str(value) for value in wanted]


def test_only_the_files_that_the_log_names(bench, tmp_path):
    write_deltalake(tmp_path, pa.table({"id": [1, 2]}))
    write_deltalake(tmp_path, pa.table({"id": [3]}), mode="overwrite")
    assert seen(bench, tmp_path) == (True, [(3,)])


def test_no_file_at_all(bench, tmp_path):
    write_deltalake(tmp_path, pa.table({"id": pa.array([], pa.int64())}))
    assert seen(bench, tmp_path) == (False, [])


def test_a_column_that_came_later_to_all_files(bench, tmp_path):
    write_deltalake(tmp_path, pa.table({"id": [1]}))
    DeltaTable(tmp_path).alter.add_columns([DeltaTable(tmp_path).schema().fields[0].__class__("v", "string")])
    assert seen(bench, tmp_path) == (False, [(1, None)])


def test_a_column_that_came_later_to_some_files(bench, tmp_path):
    write_deltalake(tmp_path, pa.table({"id": [1]}))
    write_deltalake(tmp_path, pa.table({"id": [2], "v": ["x"]}), mode="append", schema_mode="merge")
    assert seen(bench, tmp_path) == (True, [(1, None), (2, "x")])


def test_a_folder_with_the_signs_of_a_pattern(bench, tmp_path):
    path = tmp_path / "t?*"
    write_deltalake(path, pa.table({"id": [1]}))
    write_deltalake(tmp_path / "tab", pa.table({"id": [2]}))
    assert seen(bench, path) == (False, [(1,)])
