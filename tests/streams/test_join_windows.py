"""Joins of windows: equal bounds of windows are a bound in time. The same rows as DuckDB over the whole input."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowc.compiler.ir import IntervalJoin
from flowc.runtime.contracts.epoch import END
from tests.extended import with_extended
from tests.streams import test_join_sql
from tests.streams.test_join_sql import COLUMNS, Computed, _found, _rows, plan_of, stream, whole

SAME = "a.window_start = b.ws AND a.window_end = b.we AND a.id = b.id"
GIVEN = """WITH a AS (
  SELECT window_start, window_end, id, count(*) AS c FROM tumble(orders, INTERVAL '10 seconds')
  GROUP BY window_start, window_end, id),
b AS (
  SELECT window_start AS ws, window_end AS we, id, max(method) AS m FROM tumble(payments, INTERVAL '10 seconds')
  WHERE method <> 'z' GROUP BY window_start, window_end, id HAVING count(*) < 3)"""
PAIRS = f"{GIVEN} SELECT a.window_start, a.id, c, m FROM a JOIN b ON {SAME}"
TWICE = GIVEN.replace("payments", "orders").replace("max(method)", "max(name)").replace("method", "name")
LONGER = GIVEN.replace("payments, INTERVAL '10", "payments, INTERVAL '30")
SESSIONS = GIVEN.replace("tumble(payments, ", "session(payments, INTERVAL '5 seconds', ")
STEPS = GIVEN.replace("tumble(payments, ", "cumulate(payments, INTERVAL '5 seconds', ")
AB = "FROM a JOIN b ON"
QUERIES = (
    PAIRS,
    PAIRS.replace("JOIN", "LEFT JOIN"),
    PAIRS.replace("JOIN", "FULL JOIN").replace("SELECT a.window_start", "SELECT coalesce(a.window_start, b.ws) AS w"),
    # Without other keys, with one bound alone, in WHERE.
    f"{GIVEN} SELECT a.id, b.id AS other FROM a, b WHERE b.we = a.window_end AND a.c > 1",
    # Two windows of one source, and each window with the one before it.
    f"{TWICE} SELECT ws, b.id, c, m FROM a RIGHT JOIN b ON {SAME}",
    f"{GIVEN} SELECT a.window_start, a.id, a.c - coalesce(before.c, 0) AS more FROM a LEFT JOIN a AS before"
    " ON before.window_end = a.window_start AND before.id = a.id",
    # Windows of other lengths, that overlap or end together.
    f"{LONGER} SELECT ws, c, m FROM a LEFT JOIN b ON a.id = b.id AND a.window_start < b.we AND b.ws < a.window_end",
    f"{LONGER} SELECT ws, c, m FROM a RIGHT JOIN b ON a.id = b.id AND a.window_end = b.we",
    # Three of them, and what stands behind.
    f"{GIVEN}, r AS (SELECT window_end AS e, id, count(*) AS n FROM tumble(refunds, INTERVAL '10 seconds') GROUP BY"
    f" window_end, id), ab AS (SELECT a.window_end, a.id, c, m FROM a LEFT JOIN b ON {SAME})"
    " SELECT ab.window_end, ab.id, c, m, n FROM ab LEFT JOIN r ON r.e = ab.window_end AND r.id = ab.id WHERE c > 0",
    f"{GIVEN}, ab AS (SELECT a.window_start AS s, a.id, c, m {AB} {SAME}), ranked AS (SELECT *, row_number()"
    " OVER (PARTITION BY s ORDER BY c DESC, id) AS place FROM ab) SELECT s, id, c, m FROM ranked WHERE place <= 1",
    f"{GIVEN} SELECT a.window_start, c, m FROM (SELECT * FROM a WHERE c > 1) AS a LEFT JOIN b ON {SAME}",
    f"{GIVEN} SELECT a.window_start, count(*) AS n, sum(c) AS c {AB} {SAME} GROUP BY a.window_start",
    # Each order with what is counted of its time.
    f"{GIVEN} SELECT o.id, o.n, c FROM orders o JOIN a ON o.id = a.id AND o._event_ts >= a.window_start"
    " AND o._event_ts < a.window_end",
)  # fmt: skip
_TUMBLED = re.compile(r"tumble\((\w+), (INTERVAL '[^']*')\)")
_SPREAD = r"(SELECT *, time_bucket(\2, _event_ts) AS window_start, window_start + \2 AS window_end FROM \1)"


@pytest.mark.parametrize("sql", with_extended(QUERIES[::2], QUERIES[1::2]))
@settings(max_examples=3, deadline=None)
@given(data=st.data())
def test_the_same_rows_as_duckdb_over_the_whole_whatever_order_and_restarts(sql: str, data: st.DataObject) -> None:
    made, mark = Computed(plan_of(sql)), -40
    sources = [source.name for source in made.plan.sources]
    rows = {name: data.draw(_rows(name), name) for name in COLUMNS if name in sources}
    left = {name: list(each) for name, each in rows.items()}
    while any(left.values()):
        source = data.draw(st.sampled_from([name for name, there in left.items() if there]), "source")
        count = data.draw(st.integers(1, len(left[source])), "rows")
        mark = max(mark, data.draw(st.integers(-40, min(at for each in left.values() for _, at in each)), "watermark"))
        made.epoch(source, left[source][:count], mark)
        left[source] = left[source][count:]
        if data.draw(st.booleans(), "restart"):
            made.restart()
    made.epoch(sources[0], [], END)
    assert Counter(made.out) == whole(_TUMBLED.sub(_SPREAD, sql), rows)


def test_equal_bounds_are_keys_and_a_bound_of_zero() -> None:
    (join,) = (node for node in stream(f"sql: {json.dumps(PAIRS)}").nodes if isinstance(node, IntervalJoin))
    assert [*join.keys] == [("window_start", "ws"), ("window_end", "we"), ("id_key", "id_key")]
    assert (join.least, join.most) == (0, 0)


@pytest.mark.parametrize(
    ("given", "joined", "bounds"),
    [
        (GIVEN, f"{AB} a.window_start = b.ws", (0, 0)),
        (GIVEN, f"{AB} a.window_end + INTERVAL '1 minute' = b.ws", (70_000_000, 70_000_000)),
        (
            GIVEN, "FROM a JOIN orders o ON o.id = a.id AND o._event_ts BETWEEN a.window_start AND a.window_end",
            (-9_999_999, 1),
        ),
        (SESSIONS, f"{AB} a.window_start = b.ws AND a.window_end = b.we", (0, 0)),
        (STEPS, f"{AB} a.window_start = b.ws AND a.window_end = b.we", (0, 0)),
        (LONGER, f"{AB} a.window_start = b.ws", (20_000_000, 20_000_000)),
        (
            f"{GIVEN}, u AS (SELECT window_end AS e, c FROM a UNION ALL SELECT we, 1 FROM b)",
            "FROM u JOIN a AS other ON e = window_end", (0, 0),
        ),
    ],
)  # fmt: skip
def test_what_conditions_of_windows_say_of_event_times(given: str, joined: str, bounds: tuple[int, int]) -> None:
    sql = f"{given} SELECT 1 AS one {joined}"
    (join,) = (node for node in stream(f"sql: {json.dumps(sql)}").nodes if isinstance(node, IntervalJoin))
    assert (join.least, join.most) == bounds


@pytest.mark.parametrize("sql", [PAIRS, PAIRS.replace("JOIN", "LEFT JOIN")])
def test_windows_of_columns_that_nobody_declared_are_joined(sql: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_join_sql, "SPEC", re.sub(r", columns: {{.*?}}", "", test_join_sql.SPEC))
    (join,) = (node for node in stream(f"sql: {json.dumps(sql)}").nodes if isinstance(node, IntervalJoin))
    assert (join.least, join.most) == (0, 0)


@pytest.mark.parametrize(
    ("sql", "code", "at", "mend"),
    [
        (f"{GIVEN} SELECT c {AB} a.id = b.id", "unbounded-join", "b", "a.window_end = b.window_end"),
        (f"{STEPS} SELECT c {AB} a.window_start = b.ws", "unbounded-join", "b", "a.window_end = b.window_end"),
        (f"{GIVEN} SELECT c {AB} a.id = b.id AND a.window_start < b.we", "unbounded-join", "b", "windows are the same"),
        (f"{GIVEN} SELECT c FROM a JOIN orders o ON a.id = o.id", "unbounded-join", "orders o", "< a.window_end"),
        (
            f"{GIVEN} SELECT c {AB} a.id = b.id AND date_trunc('hour', a.window_start) < b.we", "unbounded-join",
            "date_trunc", "windows are the same",
        ),
        (f"{LONGER} SELECT c {AB} {SAME}", "bad-value", "b", "one bound alone"),
        (f"{GIVEN} SELECT c FROM a JOIN b USING (id)", "misplaced-join", "b", "a.window_start = b.window_start"),
        (
            f"{GIVEN} SELECT c FROM ({GIVEN[11 : GIVEN.index('),')]}) AS a JOIN b ON {SAME}", "across-windows", "b",
            "under WITH",
        ),
        (
            f"{GIVEN} SELECT a.window_start, sum(c) AS c FROM a LEFT JOIN b ON {SAME} GROUP BY a.window_start",
            "across-windows", "sum(c) AS c", "INNER JOIN",
        ),
        (
            f"{GIVEN}, m AS (SELECT a.window_end, c FROM a JOIN orders o ON o.id = a.id AND o._event_ts BETWEEN"
            " a.window_start AND a.window_end + INTERVAL '1 hour') SELECT c FROM m JOIN b ON m.window_end = b.we",
            "unbounded-join", "b", "in a window",
        ),
        (f"{PAIRS} LIMIT 3", "across-windows", "3", "rank within"),
    ],
)  # fmt: skip
def test_what_is_no_join_of_windows_is_told_with_its_place_and_the_mend(
    sql: str, code: str, at: str, mend: str
) -> None:
    found = _found(sql)
    assert [each[0] for each in found] == [code], found
    assert at in found[0][1]
    assert mend in found[0][2]
