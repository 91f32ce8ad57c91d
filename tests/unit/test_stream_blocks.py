"""Streams, functions and tests that cannot mean anything: each fault by its code and the text it marks."""

# ruff: noqa: E501 -- a table of cases reads best with one case in a line

from __future__ import annotations

from pathlib import Path

import pytest

from flowc.compiler import stages
from flowc.compiler.names.windows import LARGEST_EPOCH
from flowc.diagnostics import Reporter
from tests.unit.project import BASE, Found, found, write

ONE = "source: { connection: bus, topic: x, columns: { user_id: bigint, amount: double } }, to: t"
OTHER = "source: { connection: bus, topic: x, columns: { user_id: bigint } }, to: { connection: bus, topic: y }"
NEAR = "left: orders, right: pays, on: [id], within: 5m"
TWO = (
    "sources: { orders: { connection: bus, topic: o, columns: { id: bigint } }, "
    "pays: { connection: bus, topic: p, columns: { id: bigint, oid: bigint } } }, to: t"
)
TUMBLING = "kind: tumbling, size: 1m"
COUNT = "aggregate: { n: count(*) }"


def linted(folder: Path, text: str) -> list[Found]:
    reporter = Reporter()
    stages.lint([write(folder, BASE + text)], reporter)
    # Whether the rows of these streams fit `t` is another matter (test_stream_sql).
    return [each for each in found(reporter.sorted()) if each.marked != "t" and each.code != "unknown-output-column"]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (f"{ONE}, window: {{ {TUMBLING}, group_by: [user_id, _topic], aggregate: {{ n: count(*), s: sum(AMOUNT), d: 'count(distinct user_id)' }} }}", []),
        (f"{ONE}, window: {{ {TUMBLING}, group_by: [usr], {COUNT} }}", [("unknown-column", "usr")]),
        (f"{ONE}, window: {{ {TUMBLING}, aggregate: {{ s: sum(amont) }} }}", [("unknown-column", "amont")]),
        (f"{ONE}, window: {{ {TUMBLING}, aggregate: {{ s: 'sum(amount) filter (where amont > 0)' }} }}", [("unknown-column", "amont")]),
        (f"{ONE}, sql: SELECT 1 AS z FROM source, window: {{ {TUMBLING}, group_by: [z], aggregate: {{ s: sum(y) }} }}", [("unknown-column", "y")]),
        (f"{ONE}, window: {{ {TUMBLING}, {COUNT}, timezone: Berlin }}", [("unknown-timezone", "Berlin")]),
        (f"{ONE}, window: {{ kind: hopping, size: 1m, hop: 2m, {COUNT} }}", [("conflicting-options", "2m")]),
        (f"{ONE}, window: {{ kind: session, gap: 2h, max_duration: 1h, {COUNT} }}", [("conflicting-options", "2h")]),
        (f"{ONE}, window: {{ kind: session, gap: 2h, {COUNT} }}", [("missing-key", "window")]),
        (f"{ONE}, window: {{ kind: session, max_duration: 2h, {COUNT} }}", [("missing-key", "window")]),
        (f"{ONE}, window: {{ kind: hopping, size: 2h, {COUNT} }}", [("missing-key", "window")]),
        (f"{ONE}, mode: merge, window: {{ {TUMBLING}, {COUNT}, late: reopen }}", [("missing-key", "reopen")]),
        (f"{ONE}, window: {{ {TUMBLING}, {COUNT}, late: reopen, allowed_lateness: 5s }}", [("corrections-to-append-target", "reopen")]),
        (f"{ONE}, mode: merge, window: {{ {TUMBLING}, {COUNT}, late: reopen, allowed_lateness: 5s }}", []),
        (f"{ONE}, window: {{ {TUMBLING}, {COUNT}, allowed_lateness: 5s }}", [("conflicting-options", "5s")]),
        (f"{ONE}, window: {{ {TUMBLING}, {COUNT}, late: dlq }}", []),
        (f"{OTHER}, window: {{ {TUMBLING}, {COUNT}, late: dlq }}", [("missing-key", "dlq")]),
        (f"{OTHER}, window: {{ {TUMBLING}, {COUNT}, late: dlq }}, dead_letter: {{ topic: late }}", []),
        (f"{ONE}, window: {{ kind: cumulating, size: 1d, step: 10m, group_by: [user_id], {COUNT} }}", []),
        (f"{ONE}, window: {{ kind: cumulating, size: 1d, step: 7h, {COUNT} }}", [("conflicting-options", "7h")]),
        (f"{ONE}, window: {{ kind: cumulating, size: 1d, {COUNT} }}", [("missing-key", "window")]),
        (f"{ONE}, window: {{ kind: tumbling, size: 0s, {COUNT} }}", [("wrong-arguments", "0s")]),
        (f"{ONE}, window: {{ {TUMBLING}, aggregate: {{ n: sum(stddev(amount)) }} }}", [("unsupported-aggregate", "sum(stddev(amount")]),
        (f"{ONE}, sql: 'SELECT user_id, amount AS a FROM source', window: {{ {TUMBLING}, group_by: [user_id], aggregate: {{ n: sum(a) }} }}", []),
        (f"{ONE}, sql: SELECT count(*) AS a FROM source, window: {{ {TUMBLING}, aggregate: {{ n: sum(a) }} }}", [("misplaced-window", "tumbling")]),
        (f"{ONE}, dedupe: {{ keys: [event_id], within: 1m }}", [("unknown-column", "event_id")]),
        ("source: { connection: bus, topic: x, columns: { j: json } }, to: t, dedupe: { keys: [j], within: 1m }", [("unusable-keys", "j")]),
        ("sources: { x: { connection: bus, topic: x, columns: { a: text } }, y: { connection: bus, topic: y, columns: { a: bigint } } }, to: t, dedupe: { keys: [a], within: 1m }",
         [("type-mismatch", "bigint")]),
        (f"{ONE}, batch: {{ max_bytes: 1B }}", []),
        (f"{ONE}, batch: {{ max_bytes: {LARGEST_EPOCH}B }}", []),
        (f"{ONE}, batch: {{ max_bytes: {LARGEST_EPOCH + 1}B }}", [("bad-value", f"{LARGEST_EPOCH + 1}B")]),
        (f"{ONE}, batch: {{ max_bytes: 0B }}", [("bad-value", "0B")]),
        (f"{ONE}, mode: merge, keys: [idd]", [("unknown-column", "idd")]),
        (f"{ONE[:-5]}to: {{ connection: db, table: x, mode: merge }}", [("missing-keys", "merge")]),
        (f"{ONE[:-5]}to: [{{ connection: db, table: x }}, {{ connection: db, table: y }}]", []),
        (f"{ONE[:-5]}to: [{{ connection: db, table: x }}, {{ connection: db, table: 'x' }}]", [("duplicate-target", "x")]),
        (
            f"{ONE[:-5]}to: [{{ connection: db, table: x }}, {{ connection: db, table: public.x }}]",
            [("duplicate-target", "public.x")],
        ),
        (f"{ONE[:-5]}to: {{ connection: bus, topic: x }}", [("stream-reads-target", "x")]),
        (f"{ONE[:-5]}to: {{ connection: bus, topic: y }}", []),
        (f"{ONE[:-5]}to: {{ connection: bus, topic: y, mode: append }}", []),
        (f"{ONE[:-5]}to: {{ connection: bus, topic: y, mode: merge, keys: [user_id] }}", [("conflicting-keys", "merge"), ("conflicting-keys", "[user_id]")]),
        (f"{ONE[:-5]}to: {{ connection: db, table: x, partition_by: [user_id] }}", [("conflicting-keys", "[user_id]")]),
        (f"{ONE[:-5]}to: {{ connection: db, table: x, roll: {{ rows: 5 }} }}", [("conflicting-keys", "{ rows: 5 }")]),
        ("source: { connection: bus, topic: x, columns: { a: bigit }, event_time: at }, to: t", [("unknown-type", "bigit"), ("unknown-column", "at")]),
        ("source: { connection: bus, topic: x, columns: { a: bigint, t: date }, event_time: a }, to: t", [("event-time-not-a-time", "a")]),
        ("source: { connection: bus, topic: x, columns: { a: bigint, t: date }, event_time: t }, to: t", []),
        (f"{ONE}, lookups: {{ source: {{ connection: db, table: t }} }}, sql: SELECT 1 AS id FROM source", [("duplicate-name", "source")]),
        (f"{TWO}, join: {{ left: orders, right: pays, on: [id], within: 5m }}", []),
        (f"{TWO}, join: {{ left: order, right: pays, on: [id], within: 5m }}", [("unknown-table", "order")]),
        (f"{TWO}, join: {{ left: orders, right: pay, on: [id], within: 5m }}", [("unknown-table", "pay")]),
        (f"{TWO}, join: {{ left: orders, right: pays, on: [oid], within: 5m }}", [("unknown-column", "oid")]),
        (f"{TWO}, join: {{ left: orders, right: pays, on: [id] }}", [("missing-key", "join")]),
        (f"{TWO}, join: {{ left: orders, right: pays, on: [id], within: 5m, between: [0s, 1s] }}", [("conflicting-keys", "between")]),
        (f"{TWO}, join: {{ left: orders, right: pays, on: [id], between: [5m, -1s] }}", [("bad-value", "5m")]),
        (f"{TWO}, mode: merge, join: {{ left: orders, right: pays, on: [id], within: 5m, late: reopen }}", [("missing-key", "reopen")]),
        (f"{TWO}, join: {{ {NEAR}, late: reopen, allowed_lateness: 5s }}", []),
        (f"{TWO}, join: {{ kind: left, {NEAR}, late: reopen, allowed_lateness: 5s }}", [("corrections-to-append-target", "reopen")]),
        (f"{TWO}, mode: merge, join: {{ kind: full, {NEAR}, late: reopen, allowed_lateness: 5s }}", [("conflicting-options", "reopen")]),
        (f"{TWO}, sql: SELECT 1 AS id FROM orders, join: {{ {NEAR} }}", [("conflicting-keys", "SELECT 1 AS id FROM orders")]),
        (f"{ONE}, cdc: {{ envelope: debezium, delete: soft }}", []),
        (f"{ONE}, cdc: {{ envelope: debezium, delete: soft, soft_delete_column: gone }}", [("unknown-column", "gone")]),
        (f"{ONE}, cdc: {{ envelope: debezium, soft_delete_column: deleted_at }}", [("conflicting-options", "deleted_at")]),
        (f"{ONE}, cdc: {{ envelope: debezium, key: [idd] }}", [("unknown-column", "idd")]),
        (f"{ONE}, cdc: {{ envelope: debezium }}, join: {{ left: a, right: source, on: [user_id], within: 1m }}",
         [("conflicting-keys", "{ left: a, right: source, on: [user_id], within: 1m }"), ("unknown-table", "a")]),
    ],
)  # fmt: skip
def test_streams(tmp_path: Path, stream: str, expected: list[tuple[str, str]]) -> None:
    assert linted(tmp_path, f"streams: {{ s: {{ {stream} }} }}\n") == expected


@pytest.mark.parametrize(
    ("stream", "wait", "fills"),
    [
        (ONE, 0.02, False),
        (f"{ONE}, batch: {{ max_wait: 1s }}", 1.0, True),
        (f"{ONE}, window: {{ {TUMBLING}, {COUNT} }}", 0.1, True),
        (f"{ONE}, window: {{ {TUMBLING}, {COUNT} }}, batch: {{ max_wait: 5ms }}", 0.005, True),
        (f"{ONE}, sql: 'SELECT count(*) AS n FROM tumble(source, INTERVAL ''1 minute'') GROUP BY window_start, window_end'", 0.1, True),
        (f"{ONE}, sql: 'SELECT count(*) AS n FROM tumble(source, INTERVAL ''1 minute'') GROUP BY window_start, window_end UNION ALL SELECT 1 FROM source'", 0.02, False),
        (f"{TWO}, join: {{ {NEAR} }}", 0.02, False),
    ],
)  # fmt: skip
def test_epochs_are_filled_where_nobody_waits_for_them(tmp_path: Path, stream: str, wait: float, fills: bool) -> None:
    stream = stream.replace("to: t", "to: { connection: db, table: o }")
    checked = stages.lint([write(tmp_path, BASE + f"streams: {{ s: {{ {stream} }} }}\n")], Reporter())
    assert checked is not None
    batch = checked[1].streams[0].batch
    assert (batch.max_wait, batch.fills) == (wait, fills)


def test_soft_deletes_need_their_column(tmp_path: Path) -> None:
    text = "  u: { connection: db, columns: { user_id: bigint primary key } }\n"
    text += f"streams: {{ s: {{ {ONE[:-1]}u, cdc: {{ envelope: debezium, delete: soft }} }} }}\n"
    assert linted(tmp_path, text) == [("unknown-column", "soft")]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("kind: aggregate, args: [float64], state: [float64], returns: float64", []),
        ("kind: aggregate", []),
        ("kind: aggregate, args: [float64], returns: float64", [("missing-key", "aggregate")]),
        ("args: [float64], returns: float64, state: [float64]", [("conflicting-keys", "state")]),
        ("args: [flot64], returns: float64", [("unknown-type", "flot64")]),
        ("args: [float64]", [("missing-key", "f")]),
        ("returns: float64", [("missing-key", "f")]),
    ],
)
def test_functions(tmp_path: Path, function: str, expected: list[tuple[str, str]]) -> None:
    assert linted(tmp_path, f'functions: {{ f: {{ python: "m:f", {function} }} }}\n') == expected


@pytest.mark.parametrize("name", ["first", "Safe_Divide", "count", "trim"])
def test_functions_cannot_have_the_name_of_one_that_sql_has(tmp_path: Path, name: str) -> None:
    text = f'functions: {{ {name}: {{ python: "m:f", args: [bigint], returns: bigint }} }}\n'
    assert linted(tmp_path, text) == [("duplicate-name", name)]


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        ("stream: s, given: { orders: [{ id: 1, _event_ts: now }], pays: [], t: [] }, expect: []", []),
        ("stream: s, given: { order: [] }, expect: []", [("unknown-table", "order")]),
        ("stream: s, given: { orders: [{ id: 1 }, { idd: 1 }] }, expect: []", [("unknown-column", "idd")]),
        ("stream: s, given: {}, expect: [], expect_error: late", [("conflicting-keys", "late")]),
        ("pipeline: p, given: { source: [{ id: 1 }] }, expect: []", []),
        ("pipeline: p, given: { sorce: [] }, expect: []", [("unknown-table", "sorce")]),
        ("pipeline: p, given: { source: [{ idd: 1 }] }, expect: []", [("unknown-column", "idd")]),
    ],
)
def test_tests(tmp_path: Path, test: str, expected: list[tuple[str, str]]) -> None:
    text = (
        f"streams: {{ s: {{ {TWO}, sql: 'SELECT coalesce(id, 0) AS id FROM orders' }} }}\n"
        "pipelines: { p: { from: { connection: drop, path: x.csv, columns: { id: bigint } }, to: t } }\n"
    )
    assert linted(tmp_path, f"{text}tests: {{ x: {{ {test} }} }}\n") == expected
