"""Rows of a DuckDB file into Delta tables, against deltalake's own write and merge."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import duckdb
from deltalake import DeltaTable, write_deltalake

from benchmarks import bare
from benchmarks.context import Context, flowc, flowc_environment
from benchmarks.measure import Side, SideFailed, compare
from benchmarks.report import Row, speed_row
from benchmarks.transfers import BY_HAND, fresh_duckdb

ROWS = 5_000_000
BATCH = 10_000
_ROW = "range AS id, 'name ' || range AS name, range * 1.5::DOUBLE AS amount, (range % 1000)::INTEGER AS number"
SPEC = """\
connections:
  source: {{ kind: duckdb, path: rows.duckdb }}
  lake: {{ kind: delta, uri: . }}
pipelines:
  copy: {{ from: source, table: rows, to: {{ connection: lake, table: table }}, {mode} }}
"""


def append_delta(context: Context) -> Iterator[Row]:
    """Four columns into a new table, against `write_deltalake` of DuckDB's own Arrow stream."""
    rows = context.rows(ROWS)
    root = context.project("append_delta", SPEC.format(mode="mode: append"))
    fresh_duckdb(root / "rows.duckdb", f"CREATE TABLE rows AS SELECT {_ROW} FROM range({rows})")
    table = root / "table"
    yield _row(context, f"append to delta, {rows:,} x 4", root, "duckdb_to_delta", lambda: _remove(table), rows, rows)


def merge_delta(context: Context) -> Iterator[Row]:
    """Ten thousand neighbours, half of them changed, into five million, against `DeltaTable.merge` by hand."""
    rows, batch = context.rows(ROWS), context.rows(BATCH)
    root = context.project("merge_delta", SPEC.format(mode="mode: merge, keys: [id]"))
    chosen = _ROW.replace("range % 1000", "CASE WHEN range % 2 = 0 THEN -1 ELSE range % 1000 END")
    start = rows // 2
    fresh_duckdb(root / "rows.duckdb", f"CREATE TABLE rows AS SELECT {chosen} FROM range({start}, {start + batch})")
    original, table = root / "original", root / "table"
    with duckdb.connect() as session:
        write_deltalake(original, session.sql(f"SELECT {_ROW} FROM range({rows})").to_arrow_reader(100_000))

    def prepare() -> None:
        _remove(table)
        shutil.copytree(original, table)

    yield _row(context, f"merge {batch:,} into delta, {rows:,}", root, "merge_to_delta", prepare, batch, rows)


CASES: Sequence[Callable[[Context], Iterator[Row]]] = (append_delta, merge_delta)


def _row(context: Context, case: str, root: Path, loop: str, prepare: Callable[[], None], moved: int, held: int) -> Row:
    def check(side: str) -> None:
        with duckdb.connect() as session:
            session.register("t", DeltaTable(root / "table").to_pyarrow_dataset())
            found = session.sql("SELECT count(*) FROM t").fetchall()[0][0]
        if found != held:
            raise SideFailed(f"{side} left {found} rows in the table, not {held}")

    hand = bare.command(loop, str(root / "rows.duckdb"), str(root / "table"))
    ours = Side("flowc", flowc("run", "copy", "--once", "--json"), prepare, root, flowc_environment())
    results = compare(ours, [Side("deltalake by hand", hand, prepare, env=BY_HAND)], context.rounds, check)
    return speed_row(case, results, moved, wanted=0.40, below_mib=1200)


def _remove(table: Path) -> None:
    shutil.rmtree(table, ignore_errors=True)
