"""Joins of streams from the command line: files of both sides that come bit by bit, in SQL and as a block."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.commands import Folder, Inside
from tests.streams.filefolder import put
from tests.streams.test_files_source_runs import _rows

PROJECT = """
connections:
  drop: {{ kind: files, uri: "./drop" }}
  wh: {{ kind: sqlite, path: wh.db }}
streams:
  paid:
    sources:
      orders:
        {{ connection: drop, path: "o*.csv", format: csv, event_time: at,
           columns: {{ order_id: bigint, amount: bigint, at: timestamptz }} }}
      payments:
        {{ connection: drop, path: "p*.csv", format: csv, event_time: paid,
           columns: {{ order_id: integer, method: text, paid: timestamptz }} }}
    watermark: {{ lateness: 1m }}
    {more}
    to: {{ connection: wh, table: paid, mode: append }}
"""
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
BOUND = "p._event_ts BETWEEN o._event_ts AND o._event_ts + INTERVAL '5 minutes'"
ON = f"ON o.order_id = p.order_id AND {BOUND}"
LEFT = f"sql: SELECT o.order_id, amount, p.method FROM orders o LEFT JOIN payments p {ON}"
BLOCK = "join: {{ kind: left, left: orders, right: payments, on: [order_id], between: [0s, 5m]{more} }}"
Row = tuple[int, str | int, float]
"""A key, a value, and minutes behind noon."""


def project(folder: Path, more: str) -> Folder:
    made = Inside(folder)
    made.write("specs/s.yaml", PROJECT.format(more=more))
    return made


def orders(folder: Path, name: str, rows: list[Row]) -> None:
    _file(folder, f"o{name}.csv", "order_id,amount,at", rows)


def payments(folder: Path, name: str, rows: list[Row]) -> None:
    _file(folder, f"p{name}.csv", "order_id,method,paid", rows)


def _file(folder: Path, name: str, head: str, rows: list[Row]) -> None:
    lines = (f"{key},{value},{(NOON + timedelta(minutes=at)).isoformat()}" for key, value, at in rows)
    put(folder / "drop", name, "\n".join((head, *lines)) + "\n")


def run(made: Folder, *more: str) -> None:
    ran = made.flowc("run", "paid", "--once", *more)
    assert ran.code == 0, ran.err


def test_pairs_come_once_over_runs_and_orders_alone_when_their_time_is_over(tmp_path: Path) -> None:
    made = project(tmp_path, LEFT)
    orders(tmp_path, "1", [(1, 10, 0), (2, 20, 1)])
    payments(tmp_path, "1", [(2, "card", 2)])
    run(made)
    assert _rows(tmp_path, "SELECT * FROM paid") == [(2, 20, "card")]
    payments(tmp_path, "2", [(1, "cash", 5), (2, "cash", 9)])
    orders(tmp_path, "2", [(3, 30, 9)])
    run(made)
    assert _rows(tmp_path, "SELECT * FROM paid") == [(2, 20, "card"), (1, 10, "cash")]
    run(made, "--drain")
    assert _rows(tmp_path, "SELECT * FROM paid") == [(2, 20, "card"), (1, 10, "cash"), (3, 30, None)]
    run(made, "--drain")
    assert len(_rows(tmp_path, "SELECT * FROM paid")) == 3
