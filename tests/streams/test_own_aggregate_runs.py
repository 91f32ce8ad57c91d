"""Sketches, documents and functions of the project in windows and running groups, over runs and into databases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flowc.runtime.systems import open_database
from tests.commands import Inside

pytestmark = pytest.mark.usefixtures("kept_files")

MODULE = """
import flowc
import pyarrow.compute as pc


@flowc.udaf(args=["double", "bigint"], state=["double", "bigint"], returns="double")
class Vwap:
    def __init__(self):
        self.value, self.volume = 0.0, 0

    def update(self, prices, volumes):
        self.merge(pc.multiply(prices, volumes), volumes)

    def merge(self, values, volumes):
        self.value += pc.sum(values).as_py() or 0.0
        self.volume += pc.sum(volumes).as_py() or 0

    def state(self):
        return [self.value, self.volume]

    def evaluate(self):
        return self.value / self.volume
"""
PROJECT = """
connections:
  drop: {{ kind: files, uri: in }}
  wh: {{ kind: {kind}, {place} }}
tables:
  trades:
    connection: wh
    columns: {{ symbol: text not null, vwap: double, prices: bigint, middle: double, chain: json }}
functions:
  vwap: {{ python: "own_functions:Vwap" }}
streams:
  trades:
    source:
      connection: drop
      path: "*.jsonl"
      format: jsonl
      columns: {{ symbol: text not null, price: double, volume: bigint, at: timestamptz }}
      event_time: at
    sql: |
      SELECT symbol, vwap(price, volume) AS vwap, approx_count_distinct(price) AS prices,
        approx_median(price) AS middle, array_agg(named_struct('price', price, 'volume', volume)) AS chain
      FROM {rows}
"""
APPENDED = "GROUP BY window_start, window_end, symbol\n    to: { table: trades, mode: append }"
ROWS = [
    f"tumble(source, INTERVAL '1 minute') {APPENDED}",
    f"session(source, INTERVAL '1 minute', INTERVAL '1 hour') {APPENDED}",
    "source GROUP BY symbol\n    to: { table: trades, mode: merge, keys: [symbol] }\n    group_ttl: 1d",
]
TRADES = [("a", 10.0, 1), ("b", 5.0, 2), ("a", 20.0, 3), ("a", 20.0, 0), ("b", None, 1)]


def _project(folder: Path, kind: str, place: str, rows: str = ROWS[0], module: str = MODULE) -> Inside:
    made = Inside(folder)
    made.write("own_functions.py", module)
    made.write("specs/s.yaml", PROJECT.format(kind=kind, place=place, rows=rows))
    return made


def _send(folder: Inside, name: str, trades: list[tuple[str, float | None, int]]) -> None:
    lines = (
        json.dumps({"symbol": s, "price": p, "volume": v, "at": f"2026-05-04T12:00:{second:02}Z"})
        for second, (s, p, v) in enumerate(trades)
    )
    folder.write(f"in/{name}.jsonl", "\n".join(lines))


def _held(kind: str, options: dict[str, Any]) -> list[dict[str, Any]]:
    database = open_database(kind, options)
    try:
        found = database.query("SELECT * FROM trades ORDER BY symbol").to_pylist()
    finally:
        database.close()
    return [{**row, "chain": json.loads(row["chain"])} for row in found]


@pytest.mark.parametrize(
    ("kind", "rows"),
    [("duckdb", ROWS[1]), ("postgres", ROWS[0]), ("duckdb", ROWS[2])],
    ids=["session", "window", "running"],
)
def test_state_goes_on_in_the_next_run(tmp_path: Path, request: pytest.FixtureRequest, kind: str, rows: str) -> None:
    url = request.getfixturevalue("postgres") if kind == "postgres" else ""
    place = f'url: "{url}"' if url else "path: wh.duckdb"
    folder = _project(tmp_path, kind, place, rows)
    folder.flowc("apply", "--yes")
    for name, part in (("1", TRADES[:2]), ("2", TRADES[2:])):
        _send(folder, name, part)
        done = folder.flowc("run", "trades", "--once", *(["--drain"] if name == "2" else []))
        assert done.code == 0, done.out + done.err
        assert "No changes" in (told := folder.flowc("plan").out), told
    found = _held(kind, {"url": url} if url else {"path": str(tmp_path / "wh.duckdb")})
    assert [{**row, "chain": sorted(row["chain"], key=str)} for row in found] == [
        {"symbol": "a", "vwap": 17.5, "prices": 2, "middle": 20.0, "chain": [
            {"price": 10.0, "volume": 1}, {"price": 20.0, "volume": 0}, {"price": 20.0, "volume": 3}]},
        {"symbol": "b", "vwap": 10 / 3, "prices": 1, "middle": 5.0, "chain": [
            {"price": 5.0, "volume": 2}, {"price": None, "volume": 1}]},
    ]  # fmt: skip


@pytest.mark.parametrize("rows", ROWS, ids=["window", "session", "running"])
def test_decimals_go_into_double(tmp_path: Path, rows: str) -> None:
    folder = _project(tmp_path, "duckdb", "path: wh.duckdb", rows)
    text = (tmp_path / "specs/s.yaml").read_text().replace("price: double", 'price: "numeric(12,2)"')
    folder.write("specs/s.yaml", text)
    folder.flowc("apply", "--yes")
    _send(folder, "1", TRADES)
    done = folder.flowc("run", "trades", "--once", "--drain")
    assert done.code == 0, done.out + done.err
    assert [row["vwap"] for row in _held("duckdb", {"path": str(tmp_path / "wh.duckdb")})] == [17.5, 10 / 3]


def test_a_function_that_fails_stops_the_stream_with_its_name(tmp_path: Path) -> None:
    folder = _project(tmp_path, "duckdb", "path: wh.duckdb", module=MODULE.replace("pc.multiply(", "pc.nothing("))
    folder.flowc("apply", "--yes")
    _send(folder, "1", TRADES)
    done = folder.flowc("run", "trades", "--once", "--drain")
    assert done.code == 1
    assert "function `vwap` failed: AttributeError" in done.out + done.err
