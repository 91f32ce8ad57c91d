"""Joins of streams in SQL, with SQL around them, computed epoch by epoch: the same rows as DuckDB over the whole."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowc.compiler import stages
from flowc.compiler.ir import IntervalJoin as IntervalJoined
from flowc.compiler.ir import Sql, Stream
from flowc.compiler.lowering.lower import lower
from flowc.diagnostics import Reporter
from flowc.nodes import JoinPlan
from flowc.runtime.contracts.decoder import Decoding
from flowc.runtime.contracts.epoch import END, Intent, Range
from flowc.runtime.contracts.source import Polled
from flowc.runtime.contracts.state import Checkpoint
from flowc.runtime.formats.json.decode import JsonDecoder
from flowc.runtime.streams.compute import Compute
from flowc.runtime.streams.operators.contract import Decision
from flowc.runtime.streams.operators.join import IntervalJoin
from flowc.runtime.streams.origins import fail
from flowc.service.streams.run import planned
from flowc.stream import StreamPlan
from tests.extended import examples
from tests.streams.compiled import NOON, messages
from tests.unit.project import write

SPEC = """
connections:
  bus: {{ kind: kafka, bootstrap_servers: "localhost:9092" }}
  wh: {{ kind: sqlite, path: wh.db }}
streams:
  s:
    sources:
      orders: {{ connection: bus, topic: orders, columns: {{ id: bigint, name: text, n: integer }} }}
      payments: {{ connection: bus, topic: payments, columns: {{ id: integer, name: text, method: text }} }}
      refunds: {{ connection: bus, topic: refunds, columns: {{ id: bigint, why: text }} }}
    {more}
    to: {{ connection: wh, table: out }}
"""
BOUND = "p._event_ts BETWEEN o._event_ts - INTERVAL '5 seconds' AND o._event_ts + INTERVAL '10 seconds'"
PAIRS = f"SELECT o.id, o.n, p.method FROM orders o JOIN payments p ON o.id = p.id AND {BOUND}"


def stream(more: str) -> Stream:
    found, reporter = _lowered(more)
    assert not reporter.errors, [f"{d.code}: {d.message}" for d in reporter.sorted()]
    return found[0]


def _lowered(more: str) -> tuple[Sequence[Stream], Reporter]:
    reporter = Reporter()
    with TemporaryDirectory() as folder:
        checked = stages.check_project([write(Path(folder), SPEC.format(more=more))], reporter, env={})
        assert checked is not None, reporter.sorted()
        return lower(checked, reporter).streams, reporter


@cache
def plan_of(sql: str) -> StreamPlan:
    return planned(stream(f"sql: {json.dumps(sql)}"))


Row = tuple[dict[str, Any], int]
"""The values of a row, and seconds of event time."""


@dataclass
class Computed:
    """A stream's compute from epoch to epoch, and the rows that came out."""

    plan: StreamPlan
    out: list[tuple[Any, ...]] = field(default_factory=list)
    point: Checkpoint = field(default_factory=Checkpoint)
    number: int = 0
    compute: Compute = field(init=False)

    def __post_init__(self) -> None:
        self.compute = self._made()

    def _made(self) -> Compute:
        return Compute(self.plan, {each.name: _decoding(each.columns or ()) for each in self.plan.sources}, fail)

    def epoch(self, source: str, rows: Sequence[Row], watermark: int | None) -> pa.RecordBatch:
        self.number += 1
        made, ranges = batch(rows), (Range(source, 0, 0, len(rows)),)
        at = watermark if watermark in (None, END) else NOON + watermark * 1_000_000
        found = self.compute(Polled(source, made, ranges, 0.0), Intent(self.number, NOON, ranges, at))
        self.out += [tuple(row.values()) for row in found.rows.to_pylist()]
        return found.rows

    def restart(self) -> None:
        new = self.compute.snapshot(Checkpoint(self.number))
        self.point = replace(new, segments=(*self.point.segments, *new.segments))
        self.compute = self._made()
        self.compute.restore(self.point)


def _decoding(columns: Any) -> Decoding:
    decoder = JsonDecoder(columns)
    return Decoding(decoder.schema, lambda rows: decoder.decode(rows.column("_value")))


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(NOON / 1_000_000, UTC) + timedelta(seconds=seconds)


def batch(rows: Sequence[Row]) -> pa.RecordBatch:
    made = messages([values for values, _ in rows])
    at = made.schema.get_field_index("_event_ts")
    times = pa.array([_time(seconds) for _, seconds in rows], made.schema.field(at).type)
    return made.set_column(at, made.schema.field(at), times)


COLUMNS = {
    "orders": "id BIGINT, name VARCHAR, n INTEGER", "payments": "id INTEGER, name VARCHAR, method VARCHAR",
    "refunds": "id BIGINT, why VARCHAR",
}  # fmt: skip


def whole(sql: str, rows: Mapping[str, Sequence[Row]]) -> Counter[tuple[Any, ...]]:
    """What DuckDB makes of all rows."""
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        for name, columns in COLUMNS.items():
            database.execute(f"CREATE TABLE {name} ({columns}, _event_ts TIMESTAMPTZ)")
            names = [column.split()[0] for column in columns.split(", ")]
            for values, at in rows.get(name, ()):
                database.execute(
                    f"INSERT INTO {name} VALUES ({', '.join('?' * (len(names) + 1))})",
                    [*(values.get(each) for each in names), _time(at)],
                )
        return Counter(database.sql(sql).fetchall())


QUERIES = (
    PAIRS,
    PAIRS.replace("JOIN", "LEFT JOIN"),
    PAIRS.replace("JOIN", "RIGHT OUTER JOIN").replace("o.id, ", "p.id, "),
    PAIRS.replace("JOIN", "FULL JOIN") + " WHERE o.n IS NULL OR o.n > 0",
    # The sides swapped, conditions of one side, several keys, expressions as keys, bounds in pairs.
    "SELECT o.name, p.method || '!' AS method, o.n + 1 AS more FROM payments p LEFT JOIN orders o"
    " ON upper(o.name) = upper(p.name) AND o.id + 0 = p.id AND o.n > 0 AND p.method <> 'b'"
    " AND p._event_ts >= o._event_ts AND o._event_ts + INTERVAL '00:00:10' > p._event_ts",
    # An inner join with everything in WHERE.
    "SELECT o.id, p.method FROM orders o, payments p WHERE o.id = p.id AND (o.n > 0 OR p.method = 'a')"
    " AND p._event_ts - o._event_ts <= INTERVAL '10 seconds' AND o._event_ts < p._event_ts AND o.name IS NOT NULL",
    # Queries before it and behind it.
    f"WITH o AS (SELECT id, n * 2 AS n, _event_ts FROM orders WHERE name <> 'z'), p AS (SELECT id, method, _event_ts"
    f" FROM payments UNION ALL SELECT id, why, _event_ts FROM refunds), j AS (SELECT o.id, n, method FROM o LEFT JOIN p"
    f" ON o.id = p.id AND {BOUND}) SELECT id, coalesce(method, '-') AS method, n FROM j WHERE id > 0",
    # A stream with itself.
    "SELECT a.id, a.n, b.n AS other FROM orders a JOIN orders b ON a.id = b.id AND b._event_ts > a._event_ts"
    " AND b._event_ts <= a._event_ts + INTERVAL '10 seconds'",
    # A join over a join.
    f"WITH j AS (SELECT o.id, o.n, p.method, greatest(o._event_ts, p._event_ts) AS _event_ts FROM orders o"
    f" LEFT JOIN payments p ON o.id = p.id AND {BOUND}) SELECT j.id, j.n, j.method, r.why FROM j LEFT JOIN refunds r"
    " ON r.id = j.id AND r._event_ts BETWEEN j._event_ts AND j._event_ts + INTERVAL '1 minute'",
)
VALUES = {
    "id": st.sampled_from([1, 2, None, -1]), "name": st.sampled_from(["x", "X", "z", None]),
    "n": st.integers(-1, 2), "method": st.sampled_from(["a", "b"]), "why": st.sampled_from(["c", "d"]),
}  # fmt: skip
TIMES = st.integers(-30, 60)


def _rows(name: str) -> st.SearchStrategy[list[Row]]:
    names = [column.split()[0] for column in COLUMNS[name].split(", ")]
    return st.lists(st.tuples(st.fixed_dictionaries({each: VALUES[each] for each in names}), TIMES), max_size=8)


@pytest.mark.parametrize("sql", QUERIES)
@settings(max_examples=examples(5), deadline=None)
@given(data=st.data())
def test_the_same_rows_as_duckdb_over_the_whole_whatever_order_and_restarts(sql: str, data: st.DataObject) -> None:
    rows = {name: data.draw(_rows(name), name) for name in COLUMNS}
    left, made, mark = {name: list(each) for name, each in rows.items()}, Computed(plan_of(sql)), -40
    sources = [source.name for source in made.plan.sources]
    left = {name: each for name, each in left.items() if name in sources}
    while any(left.values()):
        source = data.draw(st.sampled_from([name for name, there in left.items() if there]), "source")
        count = data.draw(st.integers(1, len(left[source])), "rows")
        mark = max(mark, data.draw(st.integers(-40, min(at for each in left.values() for _, at in each)), "watermark"))
        made.epoch(source, left[source][:count], mark)
        left[source] = left[source][count:]
        if data.draw(st.booleans(), "restart"):
            made.restart()
    made.epoch(sources[0], [], END)
    assert Counter(made.out) == whole(sql, rows)


def test_a_join_behind_another_one_is_due_when_the_watermark_that_it_has_gets_there() -> None:
    made = Computed(plan_of(QUERIES[-1]))
    made.epoch("orders", [({"id": 1, "name": "x", "n": 1}, 0)], None)
    for source in ("payments", "refunds"):
        made.epoch(source, [({"id": 7, "name": "x", "method": "a", "why": "c"}, 0)], 0)
    found = list[tuple[int, bool, int]]()
    for at in (10, 11, 12, 60, 70, 71, 72):
        due, before = made.compute.due(NOON + at * 1_000_000), len(made.out)
        made.epoch("orders", [], at)
        found.append((at, due, len(made.out) - before))
    # After ten seconds the order goes on alone, into a join that is those ten seconds behind.
    not_due = [(at, False, 0) for at in (10, 12, 60, 70, 72)]
    assert sorted(found) == sorted([*not_due, (11, True, 0), (71, True, 1)])


@pytest.mark.parametrize("late", ["drop", "dlq"])
def test_a_row_that_is_late_in_one_place_of_a_join_of_a_stream_with_itself_is_left_out(
    late: Literal["drop", "dlq"],
) -> None:
    near = "b._event_ts > a._event_ts AND b._event_ts <= a._event_ts + INTERVAL '10 seconds'"
    made = plan_of(f"SELECT a.n, b.n AS other FROM orders a LEFT JOIN orders b ON a.id = b.id AND {near}")
    nodes = [replace(node, late=late) if isinstance(node, JoinPlan) else node for node in made.nodes]
    driven = Computed(replace(made, nodes=tuple(nodes)))
    driven.epoch("orders", [({"id": 1, "n": 5}, 30)], 0)
    driven.epoch("orders", [], END)
    driven.epoch("orders", [({"id": 1, "n": 6}, 35), ({"id": 1, "n": 7}, 41)], 20)
    driven.epoch("orders", [], END)
    assert driven.out == [(5, None), (7, None)]


@pytest.mark.parametrize("first", ["dedupe", "join"])
def test_a_dedupe_before_a_join_and_behind_one(first: str) -> None:
    once = "WITH o AS (SELECT id, n, _event_ts FROM dedupe(orders, id, INTERVAL '1 hour'))"
    pairs = f"WITH pairs AS ({PAIRS})"
    sql = {
        "dedupe": f"{once} SELECT o.id, o.n, p.method FROM o JOIN payments p ON o.id = p.id AND {BOUND}",
        "join": f"{pairs} SELECT id, n, method FROM dedupe(pairs, id, INTERVAL '1 hour') AS firsts",
    }[first]
    made = Computed(plan_of(sql))
    made.epoch("orders", [({"id": 1, "n": n}, n) for n in (1, 2)], 0)
    made.restart()
    made.epoch("payments", [({"id": 1, "method": text}, 3) for text in "ab"], 0)
    made.restart()
    made.epoch("orders", [({"id": 1, "n": 4}, 4)], 0)
    assert sorted(made.out) == {"dedupe": [(1, 1, "a"), (1, 1, "b")], "join": [(1, 1, "a")]}[first]


@pytest.mark.parametrize(
    "side",
    [
        "SELECT id, n, _event_ts FROM orders UNION ALL SELECT id, 0, _event_ts FROM refunds",
        "SELECT id, n, orders._event_ts AS _event_ts FROM orders UNION ALL (SELECT id, 0, _event_ts FROM refunds)",
        "SELECT * FROM (SELECT id, n, _event_ts FROM orders) UNION ALL SELECT id, 0, _event_ts FROM refunds",
    ],
)  # fmt: skip
def test_a_side_of_two_sources(side: str) -> None:
    driven = Computed(plan_of(f"WITH o AS ({side}) {PAIRS.replace('orders o', 'o')}"))
    driven.epoch("orders", [({"id": 1, "name": None, "n": 2}, 0)], 0)
    driven.epoch("refunds", [({"id": 1, "why": None}, 0)], 0)
    driven.epoch("payments", [({"id": 1, "name": None, "method": "cash"}, 3)], 0)
    assert sorted(driven.out) == [(1, 0, "cash"), (1, 2, "cash")]


@pytest.mark.parametrize(
    "key",
    [
        "coalesce(o.n, 0) = p.id", "p.id = CASE WHEN o.n > 0 THEN 1 ELSE 0 END", "(o.id = p.id)", "((p.id) = (o.id))",
        "nullif(o.n, NULL) = p.id", "levenshtein(repeat('a', o.n), '') = p.id",
    ],
)  # fmt: skip
def test_keys_that_are_computed_are_compared_by_value(key: str) -> None:
    driven = Computed(plan_of(f"SELECT o.n, p.method FROM orders o JOIN payments p ON {key} AND {BOUND}"))
    driven.epoch("orders", [({"id": 1, "name": None, "n": 1}, 0)], 0)
    driven.epoch("payments", [({"id": 1, "name": None, "method": "a"}, 3), ({"id": 2, "name": None}, 3)], 0)
    assert driven.out == [(1, "a")]


def test_a_condition_of_one_side_guards_all_keys() -> None:
    on = "o.id = p.id AND o.n <> 0 AND 5 / o.n = p.id"
    sql = f"SELECT o.id, o.n, p.method FROM orders o JOIN payments p ON {on} AND {BOUND}"
    driven = Computed(plan_of(sql))
    driven.epoch("orders", [({"id": 1, "name": None, "n": n}, 0) for n in (0, 5)], 0)
    driven.epoch("payments", [({"id": 1, "name": None, "method": "cash"}, 3)], 0)
    assert driven.out == [(1, 5, "cash")]


def test_a_star_without_columns_is_not_told_beside_lookups() -> None:
    users = "lookups: { users: { connection: wh, sql: SELECT 1 AS id } }"
    sql = f"SELECT * EXCEPT (id, name) {ON} AND {BOUND} JOIN users u ON u.id = o.id"
    _, reporter = _lowered(f"{users}\n    sql: {json.dumps(sql)}")
    assert [(each.code, each.helps) for each in reporter.sorted()] == [
        ("misplaced-join", ("write `*` of one relation: `o.* EXCEPT (…)`",))
    ]


def test_a_key_of_a_type_that_is_not_known_has_no_cast() -> None:
    sql = PAIRS.replace("o.id = p.id", "split_part(o.name, '-', 1) = p.name")
    driven = Computed(plan_of(sql))
    driven.epoch("orders", [({"id": 1, "name": "a-b", "n": 1}, 0)], 0)
    driven.epoch("payments", [({"id": 1, "name": "a", "method": "cash"}, 3)], 0)
    assert driven.out == [(1, 1, "cash")]


def test_a_condition_with_columns_of_a_lookup_is_no_key() -> None:
    users = "lookups: { users: { connection: wh, sql: SELECT 1 AS id } }"
    sql = f"{PAIRS} JOIN users u ON u.id = o.id WHERE u.id + o.n = p.id AND u.id < o.n"
    found = stream(f"{users}\n    sql: {json.dumps(sql)}")
    join = next(node for node in found.nodes if isinstance(node, IntervalJoined))
    assert len(join.keys) == 1
    last = found.nodes[-1]
    assert isinstance(last, Sql)
    assert '(CAST(u.id + "joined"."o_n" AS INT) = "joined"."p_id")' in last.text


SIDE = "SELECT o.n, p.method FROM (SELECT id + 0 AS id, n, _event_ts FROM orders WHERE n > 0) o JOIN payments p "


def _decision(before: str, now: str) -> Decision:
    def operator(sql: str) -> IntervalJoin:
        made = planned(stream(f"sql: {json.dumps(sql)}"))
        node = next(node for node in made.nodes if isinstance(node, JoinPlan))
        schema = pa.schema([(name, pa.int64()) for name in ("id", "id_key", "n", "name", "method")])
        return IntervalJoin(node, schema, schema)

    return operator(now).verdict(operator(before).fingerprint).decision


@pytest.mark.parametrize(
    ("before", "now", "goes_on"),
    [
        (PAIRS, PAIRS.replace("orders o", "Orders AS x").replace("o.", "x."), True),
        (PAIRS, PAIRS.replace("SELECT o.id, ", "SELECT "), True),
        (f"{SIDE} ON o.id = p.id AND {BOUND}", f"{SIDE.lower()} ON p.id = o.id AND {BOUND}", True),
        (f"{SIDE} ON o.id = p.id AND {BOUND}", f"{SIDE} ON o.id = p.id AND {BOUND}".replace("+ 0", "+ 1"), False),
        (f"{SIDE} ON o.id = p.id AND {BOUND}", f"{SIDE} ON o.id = p.id AND {BOUND}".replace("n > 0", "n > 1"), False),
        (PAIRS.replace("o.n, ", ""), PAIRS.replace("o.n, ", "").replace("orders", "refunds"), False),
        (
            f"WITH o AS (SELECT id, n, _event_ts FROM orders) {PAIRS.replace('orders o', 'o')}",
            f"WITH o AS (SELECT n AS id, n, _event_ts FROM orders) {PAIRS.replace('orders o', 'o')}", False,
        ),
    ],
)  # fmt: skip
def test_a_join_goes_on_with_what_it_kept_where_its_sides_read_the_same(before: str, now: str, goes_on: bool) -> None:
    assert _decision(before, now) is (Decision.KEEP if goes_on else Decision.REFUSE)


def test_a_join_does_not_go_on_where_another_column_is_the_event_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def fingerprint() -> str:
        made = planned(stream(f"sql: {json.dumps(PAIRS)}"))
        return next(node.fingerprint for node in made.nodes if isinstance(node, JoinPlan))

    before = fingerprint()
    timed = SPEC.replace(
        "topic: orders, columns: {{ id", "topic: orders, event_time: at, columns: {{ at: timestamptz, id"
    )
    monkeypatch.setattr("tests.streams.test_join_sql.SPEC", timed)
    assert fingerprint() != before


def test_a_lookup_behind_a_join_and_one_that_is_part_of_a_side() -> None:
    more = (
        "lookups: { users: { connection: wh, sql: \"SELECT 1 AS id, 'ann' AS who\" } }\n    sql: |\n      SELECT"
        f" o.id, u.who FROM orders o JOIN payments p ON o.id = p.id AND {BOUND} LEFT JOIN users u ON u.id = o.id"
    )
    nodes = stream(more).nodes
    assert [type(node).__name__ for node in nodes] == ["Sql", "Sql", "IntervalJoin", "Sql"]
    text = nodes[-1].text if isinstance(nodes[-1], Sql) else ""
    assert 'FROM "join" AS "joined" LEFT JOIN users AS u ON u.id = "joined"."o_id"' in text


def test_the_block_and_sql_are_the_same_graph() -> None:
    block = stream("join: { kind: left, left: orders, right: payments, on: [id, name], between: [-5s, 10s] }")
    sql = (
        "SELECT orders.id AS left_id, orders.name AS left_name, orders.n, payments.id AS right_id,"
        " payments.name AS right_name, payments.method FROM orders LEFT JOIN payments ON orders.id = payments.id AND"
        " orders.name = payments.name AND payments._event_ts >= orders._event_ts - INTERVAL '5 seconds'"
        " AND payments._event_ts <= orders._event_ts + INTERVAL '10' SECOND"
    )
    one, other = planned(block), planned(stream(f"sql: {json.dumps(sql)}"))
    (join, same) = (next(node for node in each.nodes if isinstance(node, JoinPlan)) for each in (one, other))
    assert join == same
    assert [(node.id, node.inputs) for node in one.nodes] == [(node.id, node.inputs) for node in other.nodes]
    assert one.targets[0].columns == other.targets[0].columns


BLOCK = "join: {{ kind: {}, left: orders, right: payments, on: [id, name], between: [-5s, 10s], {} }}"
REOPEN = "late: reopen, allowed_lateness: 20s"
BY_LEFT = "\n    mode: merge\n    keys: [left_id, n]"


def test_a_pair_that_comes_late_takes_the_place_of_a_row_that_was_alone() -> None:
    driven = Computed(planned(stream(BLOCK.format("left", REOPEN) + BY_LEFT)))
    (join,) = (node for node in driven.plan.nodes if isinstance(node, JoinPlan))
    assert (join.late, join.allowed_lateness, join.replaces) == ("reopen", 20_000_000, True)
    order, payment = {"id": 1, "name": "x", "n": 7}, {"id": 1, "name": "x", "method": "card"}
    driven.epoch("orders", [(order, 10)], 0)
    driven.epoch("payments", [(payment, 60)], 25)
    assert driven.out == [(1, "x", 7, None, None, None)]
    driven.restart()
    driven.epoch("payments", [(payment, 15), ({**payment, "method": "cash"}, 4)], 25)
    assert driven.out[1:] == [(1, "x", 7, 1, "x", "card")]
    driven.epoch("payments", [(payment, 15)], 41)
    assert len(driven.out) == 2, "it came later than is allowed"


@pytest.mark.parametrize(
    ("more", "code", "mend"),
    [
        (
            BLOCK.format("left", REOPEN) + BY_LEFT.replace("n]", "method]"), "changes-not-taken",
            "`left_id`, `left_name`",
        ),
        (BLOCK.format("right", REOPEN) + BY_LEFT, "changes-not-taken", "`method`, `right_id`, `right_name`"),
        (
            BLOCK.format("left", REOPEN) + "\n    window: { kind: tumbling, size: 1m, group_by: [n],"
            " aggregate: { c: count(*) } }\n    mode: merge\n    keys: [window_start, n]",
            "changes-not-taken", "wait longer",
        ),
    ],
)  # fmt: skip
def test_a_target_finds_a_row_that_was_alone_by_the_side_that_it_has(more: str, code: str, mend: str) -> None:
    streams, reporter = _lowered(more)
    (fault,) = reporter.sorted()
    assert not streams
    assert (fault.code, mend in fault.helps[0]) == (code, True), fault


def test_an_inner_join_that_reopens_goes_into_any_target_and_into_windows() -> None:
    window = "\n    window: { kind: tumbling, size: 1m, group_by: [n], aggregate: { c: count(*) } }"
    for more in ("", window):
        (join,) = (
            node for node in planned(stream(BLOCK.format("inner", REOPEN) + more)).nodes if isinstance(node, JoinPlan)
        )
        assert (join.replaces, join.delay) == (False, 20_000_000)


def _found(sql: str) -> list[tuple[str, str, str]]:
    """What is found in a query: codes, the text that they stand at, and what to do."""
    streams, reporter = _lowered(f"sql: {json.dumps(sql)}")
    assert not streams
    return [(each.code, each.span.text, " / ".join(each.helps)) for each in reporter.sorted()]


TUMBLED = "SELECT window_start, count(*) AS c FROM tumble(x, INTERVAL '1 minute') GROUP BY window_start, window_end"


@pytest.mark.parametrize(
    ("sql", "at"),
    [
        (f"SELECT o.id FROM (orders o JOIN payments p ON o.id = p.id AND {BOUND})", "payments p"),
        ("SELECT id, (SELECT max(id) FROM payments) AS m FROM orders", "max(id) FROM payments"),
        ("SELECT id FROM orders GROUP BY id HAVING id > (SELECT max(id) FROM payments)", "max(id) FROM payments"),
        ("SELECT id, EXISTS (SELECT 1 FROM payments) AS e FROM orders", "1 FROM payments"),
        ("SELECT id, id IN (SELECT id FROM payments) AS e FROM orders", "id FROM payments"),
        ("SELECT id, (SELECT max(id) FROM orders) AS m FROM orders", "max(id) FROM orders"),
        ("SELECT id FROM orders EXCEPT SELECT id FROM payments", "id FROM payments"),
        ("SELECT id FROM orders INTERSECT SELECT id FROM payments", "id FROM payments"),
        ("SELECT id FROM orders UNION SELECT id FROM payments", "id FROM payments"),
        (f"WITH x AS (SELECT id, EXISTS (SELECT 1 FROM payments) AS e FROM orders) {TUMBLED}", "tumble(x"),
        (f"WITH x AS (SELECT o.id FROM (orders o JOIN payments p ON o.id = p.id)) {TUMBLED}", "tumble(x"),
    ],
)  # fmt: skip
def test_rows_of_two_streams_are_put_together_by_a_join_alone(sql: str, at: str) -> None:
    found = _found(sql)
    assert len(found) == 1, found
    assert found[0][0] == ("misplaced-window" if at == "tumble(x" else "unbounded-join")
    assert at in found[0][1]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM orders UNION SELECT n FROM orders",
        "SELECT id, count(*) AS c FROM (SELECT id FROM orders UNION ALL SELECT id FROM payments) x GROUP BY id",
    ],
)
def test_rows_of_one_stream_and_unions_of_all_rows_are_no_join(sql: str) -> None:
    assert [type(node) for node in stream(f"sql: {json.dumps(sql)}").nodes] == [Sql]


@pytest.mark.parametrize(
    "sql",
    [
        f"WITH orders AS (SELECT id, n, _event_ts FROM orders) {PAIRS}",
        f"WITH x AS (SELECT id, n, _event_ts FROM orders), orders AS (SELECT * FROM x) {PAIRS}",
        PAIRS.replace("orders", "ORDERS").replace("payments", "Payments"),
        f"WITH Mine AS (SELECT id, n, _event_ts FROM Orders) {PAIRS.replace('orders', 'mine')}",
    ],
)
def test_a_join_is_seen_by_whatever_name(sql: str) -> None:
    driven = Computed(plan_of(sql))
    driven.epoch("orders", [({"id": 1, "name": None, "n": 2}, 0)], 0)
    driven.epoch("payments", [({"id": 1, "name": None, "method": "cash"}, 3)], 0)
    assert driven.out == [(1, 2, "cash")]


ON = "FROM orders o JOIN payments p ON o.id = p.id"


@pytest.mark.parametrize(
    ("sql", "code", "at", "mend"),
    [
        (f"SELECT o.id {ON}", "unbounded-join", "payments p", "say in ON how far apart event times may be"),
        ("SELECT o.id FROM orders o, payments p WHERE o.id = p.id", "unbounded-join", "payments p", "AND p._event_ts"),
        ("SELECT id FROM orders WHERE id IN (SELECT id FROM payments)", "unbounded-join", "", "UNION ALL"),
        (f"SELECT o.id {ON} AND p._event_ts > o._event_ts", "unbounded-join", "payments p", "on both ends"),
        (f"SELECT o.id {ON} AND p._event_ts > o._event_ts + INTERVAL '1 month'", "unbounded-join", "", "fixed length"),
        (
            f"SELECT o.id {ON} AND p._event_ts BETWEEN o._event_ts + INTERVAL '1 day' AND o._event_ts",
            "bad-value", "payments p", "exchange the two bounds",
        ),
        (f"SELECT o.id FROM orders o JOIN payments p ON {BOUND}", "misplaced-join", "payments p", "o.order_id = p"),
        (
            f"SELECT o.id FROM orders o LEFT JOIN payments p ON o.id = p.id AND {BOUND} AND o.n > p.id",
            "misplaced-join", "o.n > p.id", "write an INNER JOIN",
        ),
        (f"SELECT n FROM orders o JOIN payments p USING (id) WHERE {BOUND}", "misplaced-join", "payments p", "ON one"),
        (
            f"SELECT o.id {ON} AND {BOUND} JOIN refunds r ON r.id = o.id", "misplaced-join", "refunds r",
            "join two of them in a query under WITH",
        ),
        (f"SELECT o.id FROM orders o SEMI JOIN payments p ON o.id = p.id AND {BOUND}", "misplaced-join", "", "INNER"),
        (
            f"WITH p AS (SELECT id, max(_event_ts) AS _event_ts FROM payments GROUP BY id) SELECT o.id FROM orders o"
            f" JOIN p ON o.id = p.id AND {BOUND}", "misplaced-join", "p", "one row at a time",
        ),
        (
            f"WITH p AS (SELECT id, _event_ts + INTERVAL '1 hour' AS _event_ts FROM payments) SELECT o.id FROM orders o"
            f" JOIN p ON o.id = p.id AND {BOUND}", "misplaced-join", "p", "select `_event_ts` as it is",
        ),
        *(
            (f"WITH {o} SELECT o.id FROM o JOIN payments p ON o.id = p.id AND {BOUND}", "misplaced-join", "o", mend)
            for o, mend in (
                ("o AS (SELECT id, _event_ts FROM orders UNION ALL SELECT id, now() FROM refunds)", "as it is"),
                (
                    "o AS (SELECT id, _event_ts FROM orders UNION ALL SELECT 1, CAST(why AS timestamptz) FROM refunds)",
                    "as it is",
                ),
                ("o(id, _event_ts) AS (SELECT id, now() FROM orders)", "at one row"),
            )
        ),
        *(
            (f"SELECT {what} {ON} AND {BOUND}{more}", "misplaced-join", "", mend)
            for what, more, mend in (
                ("o.* REPLACE (o.n + 1 AS n)", "", "write columns out"),
                ("o.* RENAME (n AS m)", "", "write columns out"),
                ("o.id, x", " CROSS JOIN unnest(ARRAY[o.n, 1]) AS t(x)", "WITH pairs"),
            )
        ),
        (f"SELECT o.id, (SELECT 1) AS one {ON} AND {BOUND}", "misplaced-join", "1", "behind the join"),
        (
            f"SELECT o.id {ON} AND {BOUND} UNION ALL SELECT o.id {ON} AND {BOUND}", "misplaced-join", "payments p",
            "under WITH",
        ),
        (f"SELECT o.id {ON} AND {BOUND.replace('10 seconds', 'P1D')}", "misplaced-join", "payments p", "INTERVAL '5"),
        (
            f"SELECT o.id FROM orders o JOIN payments p ON o._key = p._headers AND {BOUND}", "unusable-keys", "o._key",
            "CAST(… AS text)",
        ),
    ],
)  # fmt: skip
def test_what_is_no_join_of_streams_is_told_with_its_place_and_the_mend(
    sql: str, code: str, at: str, mend: str
) -> None:
    found = _found(sql)
    assert found[0][0] == code, found
    assert at in found[0][1]
    assert mend in found[0][2]
