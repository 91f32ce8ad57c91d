"""Joins of streams from the command line: files of both sides that come bit by bit, in SQL and as a block."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

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
TESTS = """
tests:
  an order is joined with its payment:
    stream: paid
    given:
      orders:
        - { order_id: 1, amount: 10, at: "2026-01-01T10:00:00Z" }
        - { order_id: 2, amount: 20, at: "2026-01-01T10:02:00Z" }
      payments:
        - { order_id: 1, method: card, paid: "2026-01-01T10:05:00Z" }
        - { order_id: 2, method: cash, paid: "2026-01-01T10:01:59Z" }
    expect:
      - { KEY: 1, amount: 10, method: card }
      - { KEY: 2, amount: 20, method: null }
"""
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
BOUND = "p._event_ts BETWEEN o._event_ts AND o._event_ts + INTERVAL '5 minutes'"
ON = f"ON o.order_id = p.order_id AND {BOUND}"
LEFT = f"sql: SELECT o.order_id, amount, p.method FROM orders o LEFT JOIN payments p {ON}"
BLOCK = "join: { kind: left, left: orders, right: payments, on: [order_id], between: [0s, 5m], late: dlq }"
LATE = "its partners may be out or forgotten"
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


def test_a_late_row_is_a_dead_letter_and_is_not_replayed(tmp_path: Path) -> None:
    made = project(tmp_path, f"{BLOCK}\n    on_error: dlq\n    dead_letter: {{ connection: wh, table: letters }}")
    orders(tmp_path, "1", [(1, 10, 0), (2, 20, 30)])
    payments(tmp_path, "1", [(9, "card", 30)])
    run(made)
    payments(tmp_path, "2", [(1, "card", 1), (2, "cash", 31)])
    run(made)
    assert _rows(tmp_path, "SELECT left_order_id, method FROM paid") == [(1, None), (2, "cash")]
    assert _rows(tmp_path, "SELECT error_code, error FROM letters") == [
        ("late-row", f"the row of {NOON:%Y-%m-%d} 12:01:00.000000 UTC came too late for `join`: {LATE}")
    ]
    replayed = made.flowc("dlq", "replay", "paid")
    assert replayed.code == 2
    assert "dead letters of stream `paid` cannot be replayed: `join` makes rows of several messages" in replayed.err


def test_a_payment_that_comes_late_replaces_the_order_that_was_alone(tmp_path: Path) -> None:
    late = BLOCK.replace("late: dlq", "late: reopen, allowed_lateness: 1h")
    made = Inside(tmp_path)
    made.write("specs/s.yaml", PROJECT.format(more=f"{late}\n    keys: [left_order_id]").replace("append", "merge"))
    orders(tmp_path, "1", [(1, 10, 0), (2, 20, 1), (3, 30, 30)])
    payments(tmp_path, "1", [(9, "card", 30)])
    run(made, "--drain")
    paid = "SELECT left_order_id, method FROM paid ORDER BY 1"
    assert _rows(tmp_path, paid) == [(1, None), (2, None), (3, None)]
    payments(tmp_path, "2", [(1, "cash", 5), (2, "cash", 7), (3, "cash", 31), (9, "card", 200)])
    run(made)
    assert _rows(tmp_path, paid) == [(1, "cash"), (2, None), (3, "cash")]


def test_windows_of_two_streams_are_joined_over_runs(tmp_path: Path) -> None:
    sides = (
        f"{name} AS (SELECT window_start, window_end, count(*) AS n FROM tumble({source}, INTERVAL '5 minutes')"
        " GROUP BY window_start, window_end)"
        for name, source in (("o", "orders"), ("p", "payments"))
    )
    on = "o.window_start = p.window_start AND o.window_end = p.window_end"
    sql = f"WITH {', '.join(sides)} SELECT o.window_start, o.n, p.n AS paid FROM o LEFT JOIN p ON {on}"
    made = project(tmp_path, f"sql: {json.dumps(sql)}")
    orders(tmp_path, "1", [(1, 10, 0), (2, 20, 4), (3, 30, 6)])
    payments(tmp_path, "1", [(1, "card", 2)])
    run(made)
    assert _rows(tmp_path, "SELECT n, paid FROM paid") == []
    orders(tmp_path, "2", [(4, 10, 12)])
    payments(tmp_path, "2", [(2, "card", 3), (3, "cash", 12)])
    run(made)
    run(made, "--drain")
    assert _rows(tmp_path, "SELECT n, paid FROM paid") == [(2, 2), (1, None), (1, 1)]


@pytest.mark.parametrize("form", ["sql", "block"])
def test_a_test_of_a_join(tmp_path: Path, form: str) -> None:
    made = project(tmp_path, LEFT if form == "sql" else BLOCK.replace(", late: dlq", ""))
    key = "order_id" if form == "sql" else "left_order_id"
    text = (tmp_path / "specs/s.yaml").read_text()
    made.write("specs/s.yaml", text + TESTS.replace("KEY", key))
    tested = made.flowc("test")
    assert tested.code == 0, tested.out + tested.err
    shown = made.flowc("compile", "paid")
    does = "left join by order_id_key, the right row from 0 to 300 seconds after the left one"
    assert does in shown.out, shown.out


def test_a_change_of_the_keys_is_refused_and_another_alias_is_none(tmp_path: Path) -> None:
    made = project(tmp_path, LEFT)
    orders(tmp_path, "1", [(1, 10, 0)])
    payments(tmp_path, "1", [(9, "card", 0)])
    run(made)
    renamed = LEFT.replace("o.", "x.").replace("orders o", "orders x").replace("amount, ", "x.amount AS much, ")
    made.write("specs/s.yaml", PROJECT.format(more=renamed.replace("x.amount AS much", "x.amount")))
    payments(tmp_path, "2", [(1, "cash", 1)])
    run(made)
    assert _rows(tmp_path, "SELECT order_id, method FROM paid") == [(1, "cash")]
    made.write("specs/s.yaml", PROJECT.format(more=LEFT.replace("ON o.order_id =", "ON o.amount =")))
    failed = made.flowc("run", "paid", "--once")
    assert failed.code == 1
    assert "`join` of stream `paid` was changed" in failed.err


@pytest.mark.parametrize("form", ["sql", "block"])
def test_columns_that_nobody_declared_are_found_first(tmp_path: Path, form: str) -> None:
    made = project(
        tmp_path, LEFT.replace("o.order_id, amount", "o.*") if form == "sql" else BLOCK.replace(", late: dlq", "")
    )
    text = (tmp_path / "specs/s.yaml").read_text()
    made.write("specs/s.yaml", re.sub(r",\s+columns: {[^}]*}", "", text))
    orders(tmp_path, "1", [(1, 10, 0)])
    payments(tmp_path, "1", [(1, "card", 2)])
    run(made)
    assert _rows(tmp_path, "SELECT amount, method FROM paid") == [(10, "card")]
