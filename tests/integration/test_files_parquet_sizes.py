"""A value that stands once in a Parquet file may be that of every row: so few such rows are held."""

from __future__ import annotations

import gzip
import sqlite3
from contextlib import closing

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flowc.runtime.formats.parquet import sizes as parquetsizes
from flowc.runtime.formats.parquet.sizes import rows_together
from flowc.stream import MAX_BYTES
from tests.extended import with_extended
from tests.integration.test_files_bounded import peak
from tests.streams.filefolder import aged, put

SPEC = """
project: shop
connections: { d: { kind: files, uri: in }, w: { kind: sqlite, path: w.db } }
pipelines:
  p:
    from: { connection: d, path: "a.FORM" }
    sql: "SELECT id, length(v) AS n FROM source WHERE v <> 'a'"
    to: { connection: w, table: t }
    mode: append
streams:
  s:
    source: { connection: d, path: "a.FORM", format: FORMAT }
    sql: "SELECT id, length(v) AS n FROM source WHERE v <> 'a'"
    to: { connection: w, table: t, mode: append }
    on_error: dlq
"""


def write(project, table: pa.Table, **options: object):
    (project.path / "in").mkdir(exist_ok=True)
    pq.write_table(table, project.path / "in/a.parquet", **options)
    project.write("specs/p.yaml", SPEC.replace("FORMAT", "parquet").replace("FORM", "parquet"))
    return aged(project.path / "in/a.parquet")


def repeated(values: list[str], rows: int) -> pa.Array:
    """Rows that all have the last of the values, each of which stands in the file once."""
    return pa.DictionaryArray.from_arrays(pa.array([len(values) - 1] * rows, pa.int32()), pa.array(values))


SMALL = {"compression": "zstd", "store_schema": False, "write_statistics": False, "dictionary_pagesize_limit": 1 << 30}


@pytest.mark.parametrize("name", with_extended(["p"], ["s"]))
def test_values_that_stand_once_in_a_file_take_no_more_memory_than_others(project, name):
    path = write(project, pa.table({"id": range(700), "v": repeated(["x" * (1 << 20)], 700)}), **SMALL)
    assert path.stat().st_size < 10_000
    assert peak(project, name)[0] < 1200
    with closing(sqlite3.connect(project.path / "w.db")) as database:
        assert database.execute("SELECT count(*), sum(n) FROM t").fetchall() == [(700, 700 << 20)]


@pytest.mark.covering
@pytest.mark.parametrize(("values", "most"), [
    (["a"] * 10 + ["b"], 65_536), ([f"{n:08}" for n in range(60_000)], 65_536), (["x" * 2000], 32_768),
    ([f"{n:08}" for n in range(60_000)] + ["x" * 100_000], 512), (["x" * MAX_BYTES * 2], 1),
])  # fmt: skip
@pytest.mark.parametrize("nested", ["", "list", "lists of one", "map", "struct"])
def test_rows_are_few_only_where_they_may_be_large(tmp_path, values, most, nested):
    """Many small values in a dictionary are no reason to."""
    array = repeated(values, 70_000)
    each = pa.array(range(70_001), pa.int32())
    if nested == "list":
        array = pa.ListArray.from_arrays(each, array)
    elif nested == "map":
        array = pa.MapArray.from_arrays(each, pa.array(["k"] * 70_000), array)
    elif nested == "lists of one":
        array = pa.FixedSizeListArray.from_arrays(array.cast(pa.string()) if most > 512 else array, 1)
    elif nested:
        array = pa.StructArray.from_arrays([array], ["f"])
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"v": array}), path, **SMALL)
    assert rows_together(path, pq.read_metadata(path), 0, 65_536) == most


def test_one_large_value_among_small_ones_is_no_reason(tmp_path):
    path, values = tmp_path / "a.parquet", pa.array(["x" * (1 << 24), "y"])
    array = pa.DictionaryArray.from_arrays(pa.array([0, *[1, None] * 40_000], pa.int32()), values)
    pq.write_table(pa.table({"v": array}), path, **SMALL)
    assert rows_together(path, pq.read_metadata(path), 0, 65_536) == 65_536


@pytest.mark.parametrize("once", [True, False])
def test_a_value_that_nothing_can_hold_is_told(project, monkeypatch, once):
    monkeypatch.setattr(parquetsizes, "LARGEST", 1000)
    monkeypatch.setattr(parquetsizes, "_REPEATED", 1000)
    write(project, pa.table({"id": [1, 2], "v": repeated(["x" * 1001], 2) if once else ["x" * 1001, "y" * 1001]}))
    words = "bytes, and may have 1000B at most"
    done = project.flowc("run", "p", "--once")
    assert "error[unreadable-file]" in done.err
    assert words in done.err
    done = project.flowc("run", "s", "--once")
    assert (done.code, words in done.out + done.err) == (0, True)


@pytest.mark.parametrize(("form", "named"), [("parquet", "iter_batches"), ("jsonl.gz", "")])
def test_too_little_memory_is_no_damage_of_a_file(project, monkeypatch, form, named):
    """Arrow's error of memory is one of Arrow's own, as those are that tell of broken bytes."""

    def fails(*_: object, **__: object) -> None:
        raise pa.ArrowMemoryError("malloc of size 1073741888 failed")

    if named:
        write(project, pa.table({"id": [1], "v": ["x"]}))
        monkeypatch.setattr(pq.ParquetFile, named, fails)
    else:
        put(project.path / "in", f"a.{form}", '{"id": 1, "v": "x"}\n')
        project.write("specs/p.yaml", SPEC.replace("FORMAT", "jsonl").replace("FORM", form))
        monkeypatch.setattr(gzip.GzipFile, "read", fails)
    for name in ("p", "s") if not named else ("s",):
        done = project.flowc("run", name, "--once")
        assert done.code == 1
        assert "error[out-of-memory]" in done.out + done.err
        assert "there is not enough memory: malloc of size 1073741888 failed" in done.out + done.err
