"""Windows in the SQL of streams: each fault by its code and the text it marks, and the plans of what is right."""

# ruff: noqa: E501 -- a table of cases reads best with one case in a line

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flowc.compiler import stages
from flowc.compiler.ir import Sql, Stream
from flowc.compiler.lowering import windowcut
from flowc.compiler.sql.streams.windowcalls import MAX_OVERLAPS, MAX_WINDOWS
from flowc.compiler.sql.text.allowance import CHARACTERS_PER_VALUE, PARTS, Allowance
from flowc.diagnostics import Reporter
from flowc.nodes import WindowPlan
from flowc.service.checking import checker
from flowc.service.streams.run import planned
from flowc.stream import StreamPlan
from tests.unit.project import Found, found, write

PROJECT = """
connections:
  bus: { kind: kafka, bootstrap_servers: "localhost:9092" }
  wh: { kind: postgres, url: "postgres://u@h/db" }
tables:
  users: { connection: wh, columns: { id: bigint primary key, country: text } }
functions:
  vwap: { python: "m:vwap", kind: aggregate, args: [double], state: [double], returns: double }
streams:
  s:
    sources:
      a: { connection: bus, topic: a, columns: { id: bigint, name: text, price: "numeric(10,2)", x: double, doc: json, tags: "text[]", ok: boolean, ts: timestamptz }, event_time: ts }
      b: { connection: bus, topic: b, columns: { id: bigint, name: text } }
      w: { connection: bus, topic: w, columns: { id: bigint, window_end: text } }
    lookups: { u: { connection: wh, table: users } }
    sql: |
      %s
    to: { connection: wh, table: x }
"""
T = "tumble(a, INTERVAL '1 minute')"
G = "GROUP BY window_start, window_end"


def linted(folder: Path, sql: str) -> tuple[Stream | None, list[Found]]:
    reporter = Reporter()
    checked = stages.lint([write(folder, PROJECT % sql.replace("\n", "\n      "))], reporter)
    assert checked is not None
    streams = checked[1].streams
    return streams[0] if streams else None, [entry for entry in found(reporter.sorted()) if entry[0] != "narrowing"]


@pytest.mark.parametrize("time", ["ts", "DESCRIPTOR(ts)"])
def test_a_column_given_as_the_time_is_told_where_to_name_it(tmp_path: Path, time: str) -> None:
    reporter, sql = Reporter(), f"SELECT window_start FROM tumble(a, {time}, INTERVAL '1 minute') {G}"
    stages.lint([write(tmp_path, PROJECT % sql)], reporter)
    (fault,) = reporter.sorted()
    assert (fault.code, fault.span and fault.span.text) == (
        "wrong-arguments",
        f"tumble(a, {time}, INTERVAL '1 minute')",
    )
    assert fault.helps[0].startswith("name it where the source is, `event_time: ts`")


KEYED = "SELECT window_start, {} AS k, count(*) AS n FROM tumble({}, INTERVAL '1 minute') {} GROUP BY window_start, window_end, 2"
NEAR = "ON a.id = b.id AND b._event_ts BETWEEN a._event_ts AND a._event_ts + INTERVAL '1 minute'"


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        (KEYED.format("id", "a", ""), ["k"]),
        (KEYED.format("coalesce(id, 0)", "a", ""), []),
        (KEYED.format("id", "a", "WHERE id IS NOT NULL AND x > 0"), []),
        (KEYED.format("id", "a", "WHERE x IS NOT NULL"), ["k"]),
        (KEYED.format("1", "a", ""), []),
        (f"SELECT a.ts AS window_start, coalesce(a.id, 0) AS k FROM a LEFT JOIN b {NEAR}", ["window_start"]),
        (f"SELECT coalesce(a.ts, now()) AS window_start, b.id AS k FROM a LEFT JOIN b {NEAR}", ["k"]),
        (f"SELECT a.ts AS window_start, b.id AS k FROM a JOIN b {NEAR}", []),
        ("SELECT ts AS window_start, id AS k FROM a", []),
    ],
)
def test_keys_that_may_be_null_behind_what_is_remembered(tmp_path: Path, sql: str, told: list[str]) -> None:
    reporter = Reporter()
    project = (PROJECT % sql).replace("table: x }", "table: x, mode: merge, keys: [window_start, k] }")
    stages.lint([write(tmp_path, project)], reporter)
    assert [each.message.split("`")[1] for each in reporter.sorted() if each.code == "nullable-key"] == told


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        # the call
        (f"SELECT window_start, count(*) AS n FROM {T} WHERE window_start >= '2026-01-01' {G}", [("misplaced-window", "window_start")]),
        (f"SELECT t.window_start, count(*) AS n FROM {T} AS t JOIN u ON u.id = t.id AND t.window_end > '2026-01-01' GROUP BY t.window_start, t.window_end", [("misplaced-window", "t.window_end")]),
        (f"SELECT window_start, max(ts - ts) AS d FROM {T} {G}", [("unsupported-aggregate", "max(ts - ts")]),
        (f"SELECT window_start, max(_event_ts - TIMESTAMPTZ '2026-01-01') AS d FROM {T} {G}", [("unsupported-aggregate", "max(_event_ts - TIMESTAMPTZ '2026-01-01'")]),
        ("SELECT window_start, count(*) AS n FROM cumulate(a, INTERVAL '1 hour', INTERVAL '1 day') GROUP BY window_start", [("ungrouped-window", "window_start")]),
        (f"SELECT window_start, count(*) AS n FROM {T} {G}", []),
        (f"SELECT window_start, count(*) AS n FROM hop(a, INTERVAL '10 seconds', INTERVAL '1 minute') {G}", []),
        (f"SELECT window_start, count(*) AS n FROM hop(a, INTERVAL '7 seconds', INTERVAL '1 minute') {G}", []),
        (f"SELECT window_start, count(*) AS n FROM cumulate(a, INTERVAL '1 hour', INTERVAL '1 day') {G}", []),
        (f"SELECT session_id, window_start, id FROM session(a, INTERVAL '5 minutes', INTERVAL '1 day') {G}, session_id, id", []),
        (f"SELECT window_start, count(*) AS n FROM session(a, INTERVAL '5 minutes') {G}", [("session-without-cap", "session(a, INTERVAL '5 minutes')")]),
        (f"SELECT window_start, count(*) AS n FROM session(a, INTERVAL '2 days', INTERVAL '1 day') {G}", [("conflicting-options", "INTERVAL '2 days'")]),
        (f"SELECT window_start, count(*) AS n FROM hop(a, INTERVAL '2 minutes', INTERVAL '1 minute') {G}", [("conflicting-options", "INTERVAL '2 minutes'")]),
        (f"SELECT window_start, count(*) AS n FROM cumulate(a, INTERVAL '7 hours', INTERVAL '1 day') {G}", [("conflicting-options", "INTERVAL '7 hours'")]),
        (f"SELECT window_start, count(*) AS n FROM tumble(a, INTERVAL '0 seconds') {G}", [("wrong-arguments", "INTERVAL '0 seconds'")]),
        (f"SELECT window_start, count(*) AS n FROM tumble(a, INTERVAL '1 month') {G}", [("wrong-arguments", "INTERVAL '1 month'")]),
        (f"SELECT window_start, count(*) AS n FROM tumble(a, INTERVAL '101 years') {G}", [("wrong-arguments", "INTERVAL '101 years'")]),
        (f"SELECT window_start, count(*) AS n FROM tumble(a, INTERVAL '40000 days') {G}", [("wrong-arguments", "INTERVAL '40000 days'")]),
        (f"SELECT window_start, count(*) AS n FROM hop(a, INTERVAL '1 day', INTERVAL '40000 days') {G}", [("wrong-arguments", "INTERVAL '40000 days'")]),
        (f"SELECT window_start, count(*) AS n FROM tumble(a, 60) {G}", [("wrong-arguments", "60")]),
        (f"SELECT window_start, count(*) AS n FROM tumble(a) {G}", [("wrong-arguments", "tumble(a)")]),
        (f"SELECT window_start, count(*) AS n FROM hop(a, INTERVAL '1 minute') {G}", [("wrong-arguments", "hop(a, INTERVAL '1 minute')")]),
        (f"SELECT window_start, count(*) AS n FROM tumble(c, INTERVAL '1 minute') {G}", [("unknown-table", "c")]),
        (f"SELECT window_start, count(*) AS n FROM tumble(w, INTERVAL '1 minute') {G}", [("duplicate-column", "w")]),
        (f"SELECT id FROM a WHERE id IN (SELECT count(*) FROM {T} {G})", [("misplaced-window", "tumble(a")]),
        (f"SELECT x.window_start FROM {T} AS x JOIN tumble(b, INTERVAL '1 minute') AS y ON x.id = y.id GROUP BY x.window_start", [("misplaced-window", f"x.window_start FROM {T} AS x JOIN tumble(b, INTERVAL '1 minute') AS y ON x.id = y.id GROUP BY x.window_start")]),
        (f"SELECT window_start FROM {T} AS t {G} UNION ALL SELECT window_start FROM tumble(b, INTERVAL '1 minute') AS t {G}", [("duplicate-name", "tumble(b, INTERVAL '1 minute') AS t")]),
        (f"SELECT window_start, count(*) AS n FROM LATERAL {T} AS q {G}", [("misplaced-window", "tumble(a")]),
        (f"SELECT window_start, count(*) AS n FROM public.{T} {G}", [("misplaced-window", "tumble(a")]),
        (f"SELECT window_start, count(*) AS n FROM TABLE({T}) {G}", [("misplaced-window", "tumble(a")]),
        (f"WITH p AS (SELECT id FROM a) SELECT window_start, count(*) AS n FROM tumbl(p, INTERVAL '1 minute') {G}", [("unknown-function", "tumbl(p")]),
        (f"SELECT window_start, count(*) AS n FROM tumbling(a, INTERVAL '1 minute') {G}", [("unknown-function", "tumbling(a")]),
        # names
        (f"SELECT window_start, count(*) AS _flowc_row FROM {T} {G}", [("duplicate-column", "_flowc_row")]),
        (f"WITH p AS (SELECT id AS \"_flowc_id\" FROM a) SELECT window_start, count(*) AS n FROM tumble(p, INTERVAL '1 minute') {G}", [("duplicate-column", '"_flowc_id"')]),
        (f"SELECT window_start, max(id) AS \"\" FROM {T} {G}", [("unnamed-column", '""')]),
        # groups
        (f"SELECT * FROM {T}", [("ungrouped-window", "*")]),
        (f"SELECT id FROM {T}", [("ungrouped-window", "id FROM tumble(a")]),
        (f"SELECT id, count(*) AS n FROM {T} GROUP BY id", [("ungrouped-window", "id")]),
        (f"SELECT window_start, id, count(*) AS n FROM {T} {G}", [("ungrouped-window", "id")]),
        (f"SELECT window_start, id + x AS y, count(*) AS n FROM {T} {G}, id", [("ungrouped-window", "x")]),
        (f"SELECT window_start AS w, lower(name) AS k, count(*) AS n FROM {T} GROUP BY 1, 2", []),
        (f"SELECT window_start AS w, lower(name) AS k, count(*) AS n FROM {T} GROUP BY w, k", []),
        (f"SELECT window_end, lower(name) || '!' AS k, count(*) AS n FROM {T} GROUP BY window_end, lower(name)", []),
        (f"SELECT window_start, name, count(*) AS n FROM {T} GROUP BY ROLLUP (window_start, name)", [("ungrouped-window", "window_start, name")]),
        (f"SELECT window_start, count(*) AS n FROM {T} {G}, CUBE (id)", [("ungrouped-window", "window_start, window_end, CUBE (id")]),
        (f"SELECT window_start, count(*) AS n FROM {T} {G}, GROUPING SETS ((id), ())", [("ungrouped-window", "window_start, window_end, GROUPING SETS ((id")]),
        (f"SELECT window_start, count(*) AS n FROM {T} {G}, doc", [("unusable-keys", "doc")]),
        (f"SELECT window_start, count(*) AS n FROM {T} {G}, tags", [("unusable-keys", "tags")]),
        (f"SELECT window_start, count(DISTINCT tags) AS n FROM {T} {G}", [("unusable-keys", "count(DISTINCT tags")]),
        (f"SELECT window_start, count(DISTINCT named_struct('a', id)) AS n FROM {T} {G}", [("unusable-keys", "count(DISTINCT named_struct('a', id")]),
        (f"SELECT window_start, approx_count_distinct((id, x)) AS n FROM {T} {G}", [("unusable-keys", "approx_count_distinct((id, x")]),
        (f"SELECT window_start, count(*) AS n FROM {T} {G}, named_struct('a', id)", [("unusable-keys", "named_struct('a', id")]),
        (f"SELECT window_start, max(named_struct('a', id)) AS n FROM {T} {G}", [("unsupported-aggregate", "max(named_struct('a', id")]),
        # aggregates
        (f"SELECT window_start, count(x) AS a, count(DISTINCT name) AS b, sum(id) AS c, avg(price) AS d, min(name) AS e, max(ts) AS f, first(x) AS g, last(x) AS h, array_agg(id) AS i FROM {T} {G}", []),
        (f"SELECT window_start, coalesce(sum(x), 0) + 1 AS s, sum(x * 2) FILTER (WHERE ok) AS t FROM {T} {G} HAVING count(*) > 2", []),
        (f"SELECT window_start, max(_event_ts) AS at, min(_offset) AS o FROM {T} {G}", []),
        (f"SELECT window_start, sum(DISTINCT id) AS n FROM {T} {G}", [("unsupported-aggregate", "sum(DISTINCT id")]),
        (f"SELECT window_start, stddev(x) AS n FROM {T} {G}", [("unsupported-aggregate", "stddev(x")]),
        (f"SELECT window_start, vwap(x) AS n, vwap(x + 1) FILTER (WHERE ok) * 2 AS m FROM {T} {G}", []),
        (f"SELECT window_start, vwap(DISTINCT x) AS n FROM {T} {G}", [("unsupported-aggregate", "vwap(DISTINCT x")]),
        (f"SELECT window_start, vwap(x, x) AS n FROM {T} {G}", [("wrong-arguments", "vwap(x, x")]),
        (f"SELECT window_start, vwap(name) AS n FROM {T} {G}", [("wrong-arguments", "name")]),
        (f"SELECT window_start, vwap(sum(x)) AS n FROM {T} {G}", [("unsupported-aggregate", "vwap(sum(x")]),
        # approximations
        (f"SELECT window_start, approx_count_distinct(name) AS a, approx_distinct(ok) AS b, approx_count_distinct(doc->>'a') AS c FROM {T} {G}", []),
        (f"SELECT window_start, approx_count_distinct(doc) AS n FROM {T} {G}", [("unusable-keys", "approx_count_distinct(doc")]),
        (f"SELECT window_start, approx_count_distinct(tags) AS n FROM {T} {G}", [("unusable-keys", "approx_count_distinct(tags")]),
        (f"SELECT window_start, approx_count_distinct(*) AS n FROM {T} {G}", [("unsupported-aggregate", "approx_count_distinct(*")]),
        (f"SELECT window_start, json_agg(*) AS n FROM {T} {G}", [("unsupported-aggregate", "json_agg(*")]),
        (f"SELECT window_start, vwap(*) AS n FROM {T} {G}", [("unsupported-aggregate", "vwap(*")]),
        (f"SELECT window_start, approx_count_distinct(id, 0.1) AS n FROM {T} {G}", [("unsupported-aggregate", "approx_count_distinct(id, 0.1")]),
        (f"SELECT window_start, approx_median(x) AS a, approx_percentile_cont(price, 0.9) AS b, approx_percentile_cont(1) WITHIN GROUP (ORDER BY id DESC) AS c FROM {T} {G}", []),
        (f"SELECT window_start, approx_percentile_cont(x, 1.1) AS n FROM {T} {G}", [("unsupported-aggregate", "approx_percentile_cont(x, 1.1")]),
        (f"SELECT window_start, approx_percentile_cont(x, x) AS n FROM {T} {G}", [("unsupported-aggregate", "approx_percentile_cont(x, x")]),
        (f"SELECT window_start, approx_percentile_cont(x, 0.5, 100) AS n FROM {T} {G}", [("unsupported-aggregate", "approx_percentile_cont(x, 0.5, 100")]),
        (f"SELECT window_start, approx_percentile_cont(name, 0.5) AS n FROM {T} {G}", [("unsupported-aggregate", "approx_percentile_cont(name, 0.5")]),
        (f"SELECT window_start, approx_median(ts) AS n FROM {T} {G}", [("unsupported-aggregate", "approx_median(ts")]),
        # documents
        (f"SELECT window_start, json_agg(doc) AS a, jsonb_agg(x) FILTER (WHERE ok) AS b, array_agg(named_struct('x', x)) AS c FROM {T} {G}", []),
        (f"SELECT window_start, json_agg(x ORDER BY id) AS n FROM {T} {G}", [("unsupported-aggregate", "json_agg(x ORDER BY id")]),
        (f"SELECT window_start, jsonb_agg(DISTINCT x) AS n FROM {T} {G}", [("unsupported-aggregate", "jsonb_agg(DISTINCT x")]),
        (f"SELECT window_start, array_agg(id ORDER BY x) AS n FROM {T} {G}", [("unsupported-aggregate", "array_agg(id ORDER BY x")]),
        (f"SELECT window_start, first(id) FILTER (WHERE ok) AS n, count(*) FILTER (WHERE id > 1 AND ok) FROM {T} {G}", []),
        (f"SELECT window_start, first(id) FILTER (WHERE window_end > ts) AS n FROM {T} {G}", [("unsupported-aggregate", "first(id) FILTER (WHERE window_end > ts")]),
        (f"SELECT window_start, string_agg(name, ',') AS n FROM {T} {G}", [("unsupported-aggregate", "string_agg(name, ','")]),
        (f"SELECT window_start, count(a.*) AS n FROM {T} {G}", [("unsupported-aggregate", "count(a.*")]),
        (f"SELECT window_start, sum(count(*)) AS n FROM {T} {G}", [("unsupported-aggregate", "sum(count(*")]),
        (f"SELECT window_start, max(window_end) AS n FROM {T} {G}", [("unsupported-aggregate", "max(window_end")]),
        (f"SELECT window_start, sum(nope) AS n FROM {T} {G}", [("unknown-column", "nope")]),
        (f"SELECT window_start, (SELECT count(*) FROM u) AS n FROM {T} {G}", [("misplaced-window", "count(*) FROM u")]),
        (f"SELECT window_start, count(*) FILTER (WHERE id) AS n FROM {T} {G}", [("wrong-arguments", "id")]),
        (f"SELECT window_start, count(*) FILTER (WHERE 1) AS n FROM {T} {G}", [("wrong-arguments", "1")]),
        (f"SELECT window_start, sum(x) FILTER (WHERE lower(name)) AS n FROM {T} {G}", [("wrong-arguments", "lower(name")]),
        (f"SELECT window_start, count(DISTINCT *) AS n FROM {T} {G}", [("unsupported-aggregate", "count(DISTINCT *")]),
        (f"SELECT window_start, count(*) FILTER (WHERE NULL) AS n, sum(id) FILTER (WHERE NULL AND ok) AS m FROM {T} {G}", []),
        (f"SELECT window_start, count(DISTINCT NULL) AS n FROM {T} {G}", [("wrong-arguments", "count")]),
        (f"SELECT window_start, max(CASE WHEN ok THEN NULL END) AS n FROM {T} {G}", [("wrong-arguments", "max(CASE WHEN ok")]),
        (f"SELECT window_start, NULL AS k, count(*) AS n FROM {T} {G}, k", [("wrong-arguments", "k")]),
        (f"SELECT window_start, CAST(NULL AS text) AS k, count(DISTINCT CAST(NULL AS bigint)) AS n FROM {T} {G}, k", []),
        # before
        (f"WITH p AS (SELECT id, lower(name) AS name FROM a WHERE ok) SELECT window_start, name, count(*) AS n FROM tumble(p, INTERVAL '1 minute') {G}, name", []),
        (f"WITH p AS (SELECT id FROM a UNION ALL SELECT id FROM b) SELECT window_start, id, count(*) AS n FROM tumble(p, INTERVAL '1 minute') {G}, id", [("no-idle-policy", "tumble(p, INTERVAL '1 minute')")]),
        (f"WITH p AS (SELECT id FROM a UNION ALL SELECT id FROM a) SELECT window_start, id, count(*) AS n FROM tumble(p, INTERVAL '1 minute') {G}, id", [("misplaced-window", "tumble(p, INTERVAL '1 minute')")]),
        (f"WITH p AS (SELECT id, count(*) AS n FROM a GROUP BY id) SELECT window_start, id, sum(n) AS n FROM tumble(p, INTERVAL '1 minute') {G}, id", [("misplaced-window", "tumble(p, INTERVAL '1 minute')")]),
        (f"WITH p AS (SELECT id, ts AS _event_ts FROM a) SELECT window_start, id, count(*) AS n FROM tumble(p, INTERVAL '1 minute') {G}, id", [("misplaced-window", "tumble(p, INTERVAL '1 minute')")]),
        (f"WITH p AS (SELECT * FROM dedupe(a, id, INTERVAL '1 hour')) SELECT window_start, id, count(*) AS n FROM tumble(p, INTERVAL '1 minute') {G}, id", []),
        (f"SELECT window_start, country, count(*) AS n FROM {T} AS t JOIN u ON u.id = t.id {G}, u.country", []),
        # behind
        (f"WITH c AS (SELECT window_start, id, count(*) AS n FROM {T} {G}, id) SELECT window_start, max(n) AS n FROM c GROUP BY window_start", []),
        (f"WITH c AS (SELECT window_start, id, count(*) AS n FROM {T} {G}, id) SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY window_start ORDER BY n DESC) AS r FROM c) AS t WHERE r <= 3", []),
        (f"SELECT window_start, id, row_number() OVER (PARTITION BY window_start ORDER BY count(*) DESC) AS r FROM {T} {G}, id", []),
        (f"SELECT window_start, id, row_number() OVER (PARTITION BY id ORDER BY count(*) DESC) AS r FROM {T} {G}, id", [("across-windows", "row_number")]),
        (f"WITH c AS (SELECT window_start, id, count(*) AS n FROM {T} {G}, id) SELECT id, max(n) AS n FROM c GROUP BY id", [("across-windows", "id")]),
        (f"WITH c AS (SELECT window_start, id, count(*) AS n FROM {T} {G}, id) SELECT max(n) AS n FROM c", [("across-windows", "max(n")]),
        (f"WITH c AS (SELECT window_start, id, count(*) AS n FROM {T} {G}, id) SELECT DISTINCT id FROM c", [("across-windows", "id")]),
        (f"SELECT window_start, count(*) AS n FROM {T} {G} ORDER BY n LIMIT 3", [("across-windows", "3")]),
        (f"WITH c AS (SELECT window_start, id, count(*) AS n FROM {T} {G}, id) SELECT id FROM a WHERE id IN (SELECT id FROM c)", [("misplaced-window", "tumble(a, INTERVAL '1 minute')")]),
        (f"WITH c AS (SELECT window_start, id, count(*) AS n FROM {T} {G}, id) SELECT x.id FROM c AS x JOIN c AS y ON x.id = y.id", [("unbounded-join", "c AS y")]),
        (f"WITH c AS (SELECT window_end, id FROM {T} {G}, id), d AS (SELECT window_end, id FROM tumble(b, INTERVAL '1 hour') {G}, id) SELECT c.id FROM c JOIN d ON c.window_end = d.window_end", [("no-idle-policy", "tumble(a, INTERVAL '1 minute')")]),
        (f"WITH c AS (SELECT window_start AS minute, id, count(*) AS n FROM {T} {G}, id) SELECT window_start, sum(n) AS n FROM tumble(c, INTERVAL '1 hour') {G}", []),
        (f"WITH c AS (SELECT window_start, id, count(*) AS n FROM {T} {G}, id) SELECT * FROM dedupe(c, id, INTERVAL '1 hour')", []),
        (f"WITH c AS (SELECT window_start, id FROM {T} {G}, id), d AS (SELECT window_start, id FROM tumble(b, INTERVAL '1 hour') {G}, id) SELECT * FROM c UNION ALL SELECT * FROM d", []),
        (f"WITH c AS (SELECT window_start, count(*) AS n FROM cumulate(a, INTERVAL '1 hour', INTERVAL '1 day') {G}) SELECT window_start, max(n) AS n FROM c GROUP BY window_start", [("across-windows", "window_start")]),
    ],
)  # fmt: skip
def test_windows_are_judged(tmp_path: Path, sql: str, expected: list[tuple[str, str]]) -> None:
    stream, told = linted(tmp_path, sql)
    assert told == expected
    if stream is not None and not [code for code, _ in expected if code != "no-idle-policy"]:
        assert not stream.unplanned
        planned(stream)


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ("max(id) OVER () AS n", [("ungrouped-window", "id")]),
        ("count(*) AS n, *", [("ungrouped-window", "*")]),
        ("count(*) AS window_start", [("duplicate-output-column", "window_start")]),
        ("id, count(*) AS n", [("ungrouped-window", "id")]),
        ("nope(1) AS p, count(*) AS n", [("unknown-function", "nope(1")]),
    ],
)
def test_what_is_said_of_windows_the_engine_does_not_say_again(
    tmp_path: Path, outputs: str, expected: list[tuple[str, str]]
) -> None:
    reporter = Reporter()
    sql = f"SELECT window_start, {outputs} FROM {T} {G}"
    stages.lint([write(tmp_path, PROJECT % sql)], reporter, checker=checker())
    assert [each for each in found(reporter.sorted()) if each[0] != "narrowing"] == expected


@pytest.mark.parametrize(
    ("interval", "help"),
    [
        ("INTERVAL '1' HOUR TO MINUTE", "write one number and one unit"), ("INTERVAL '1:30' HOUR TO MINUTE", "write one number"),
        ("INTERVAL '99 years'", "months and years are of several lengths"), ("INTERVAL '1' MONTH", "months and years"),
        ("INTERVAL '60'", "say of what: `INTERVAL '60 seconds'`"), ("60", "say of what: `INTERVAL '60 seconds'`"),
        ("INTERVAL '1 mins'", "it may be weeks, days, hours, minutes"), ("INTERVAL '-1 day'", "write `INTERVAL '10 minutes'`"),
    ],
)  # fmt: skip
def test_an_interval_that_says_no_length_is_told(tmp_path: Path, interval: str, help: str) -> None:
    reporter = Reporter()
    sql = f"SELECT window_start, count(*) AS n FROM tumble(a, {interval}) {G}"
    stages.lint([write(tmp_path, PROJECT % sql)], reporter)
    told = [each for each in reporter.sorted() if each.code == "wrong-arguments"]
    assert [each.span and each.span.text for each in told] == [interval]
    assert help in told[0].helps[0]


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ("json_object_agg(name, x", "json_object_agg"), ("string_agg(DISTINCT name, ','", "string_agg"), ("every(ok", "every"),
        ("percentile_cont(0.5) WITHIN GROUP (ORDER BY x", "percentile_cont"), ("Bool_And(ok", "bool_and"),
        ("bool_or(ok) FILTER (WHERE id > 1", "bool_or"), ("median(x", "median"),
    ],
)  # fmt: skip
def test_an_aggregate_is_named_as_it_is_written(tmp_path: Path, call: str, name: str) -> None:
    closed = call + ")" * (call.count("(") - call.count(")"))
    reporter = Reporter()
    sql = f"SELECT window_start, {closed} AS n FROM {T} {G}"
    stages.lint([write(tmp_path, PROJECT % sql)], reporter)
    told = [each for each in reporter.sorted() if each.code == "unsupported-aggregate"]
    assert [each.message for each in told] == [f"`{name}` is no aggregate that windows have"]
    assert told[0].span is not None
    assert told[0].span.text == call


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (f"SELECT window_start, count(*) AS n FROM {T} WHERE ts < now() {G}", [("wall-clock-in-window", "now")]),
        (f"SELECT window_start, current_date AS d, count(*) AS n FROM {T} {G}", [("wall-clock-in-window", "current_date")]),
        (f"SELECT window_start, count(now) AS n FROM (SELECT id AS now FROM a) AS t {G}", [("unknown-column", "window_start"), ("unknown-column", "window_end")]),
        (f"SELECT window_start, 'now()' AS now, count(*) AS n FROM {T} {G}", []),
        ("SELECT now() AS at, id FROM a", []),
        (f"WITH p AS (SELECT id FROM a UNION ALL SELECT id FROM b) SELECT window_start, id, count(*) AS n FROM tumble(p, INTERVAL '1 minute') {G}, id", [("no-idle-policy", "tumble(p, INTERVAL '1 minute')")]),
    ],
)  # fmt: skip
def test_lint_tells_of_windows(tmp_path: Path, sql: str, expected: list[tuple[str, str]]) -> None:
    assert linted(tmp_path, sql)[1] == expected


def test_a_silent_source_is_set_aside(tmp_path: Path) -> None:
    sql = f"WITH p AS (SELECT id FROM a UNION ALL SELECT id FROM b) SELECT window_start FROM tumble(p, INTERVAL '1 minute') {G}"
    reporter = Reporter()
    text = (PROJECT % sql).replace("    lookups:", "    watermark: { idle: 2m }\n    lookups:")
    stages.lint([write(tmp_path, text)], reporter)
    assert found(reporter.sorted()) == []


def plan(folder: Path, sql: str) -> StreamPlan:
    stream, told = linted(folder, sql)
    assert stream is not None, told
    return planned(stream)


def window(made: StreamPlan) -> WindowPlan:
    return next(node for node in made.nodes if isinstance(node, WindowPlan))


@pytest.mark.parametrize(
    ("sql", "kind", "size", "step"),
    [
        ("tumble(a, INTERVAL '1 minute')", "tumbling", 60, 60),
        ("hop(a, INTERVAL '10 seconds', INTERVAL '1 minute')", "hopping", 60, 10),
        ("cumulate(a, INTERVAL 1 HOUR, INTERVAL '1' DAY)", "cumulating", 86400, 3600),
        ("session(a, INTERVAL '00:05:00', INTERVAL '1 day 12 hours')", "session", 129600, 300),
    ],
)
def test_lengths(tmp_path: Path, sql: str, kind: str, size: int, step: int) -> None:
    made = window(plan(tmp_path, f"SELECT window_start, count(*) AS n FROM {sql} {G}"))
    assert (made.kind, made.size, made.step) == (kind, size * 1_000_000, step * 1_000_000)


def test_the_types_are_those_of_the_same_group_by_without_a_window(tmp_path: Path) -> None:
    calls = [
        "count(*)", "count(DISTINCT name)", "sum(id)", "sum(price)", "sum(x)", "avg(id)", "avg(price)", "avg(x)", "min(name)",
        "max(ts)", "max(ok)", "array_agg(id)", "array_agg(price)", "sum(length(name))", "sum(CAST(x AS real))", "min(CAST(ts AS date))",
    ]  # fmt: skip
    items = ", ".join(f"{call} AS c{number}" for number, call in enumerate(calls))
    inside = plan(tmp_path, f"SELECT id AS k, {items} FROM {T} {G}, id")
    outside = plan(tmp_path, f"SELECT id AS k, {items} FROM a GROUP BY id")
    written = [(column.name, column.type) for column in outside.targets[0].columns]
    assert [(column.name, column.type) for column in inside.targets[0].columns] == written
    assert [(each.name, each.type) for each in window(inside).aggregates] == written[1:]


def test_arguments_are_computed_before_and_what_is_made_of_aggregates_behind(tmp_path: Path) -> None:
    sql = f"SELECT window_start, upper(name) AS who, sum(x * 2) / nullif(count(*), 0) AS mean, sum(x * 2) AS twice FROM {T} WHERE ok {G}, name HAVING max(x) > 3"
    before, made, behind = plan(tmp_path, sql).nodes
    assert isinstance(made, WindowPlan)
    assert made.keys == ("name",)
    assert [(each.function, each.argument) for each in made.aggregates] == [
        ("sum", "value_1"),
        ("count", None),
        ("max", "x"),
    ]
    assert getattr(before, "text", "").endswith("FROM a AS a WHERE ok")
    assert 'flowc_upper("name") AS "who"' in getattr(behind, "text", "")
    assert getattr(behind, "text", "").endswith(' FROM "tumble" WHERE "max_1" > 3')


FINGERPRINTED = f"SELECT window_start, id, sum(x) AS total FROM {T} WHERE ok {G}, id"


@pytest.mark.parametrize(
    ("sql", "same"),
    [
        (f"SELECT window_end AS until, id AS who, sum(x) AS s FROM {T} AS tumble WHERE ok {G}, id", True),
        (f"SELECT window_start, id, round(sum(x)) AS total FROM {T} WHERE ok {G}, id HAVING sum(x) > 1", True),
        (f"select window_start, ID, Sum(X) as total from {T} where OK group by window_start, id", True),
        (f"SELECT window_start, id, sum(x) AS total FROM {T} WHERE NOT ok {G}, id", False),
        (f"SELECT window_start, name, sum(x) AS total FROM {T} WHERE ok {G}, name", False),
        (f"SELECT window_start, id, sum(x + 1) AS total FROM {T} WHERE ok {G}, id", False),
        (f"SELECT window_start, id, max(x) AS total FROM {T} WHERE ok {G}, id", False),
        (f"SELECT window_start, id, sum(x) AS total, count(*) AS n FROM {T} WHERE ok {G}, id", False),
        (f"SELECT window_start, id, sum(x) AS total FROM tumble(a, INTERVAL '2 minutes') WHERE ok {G}, id", False),
        (f"SELECT window_start, CAST(id AS int) AS id, sum(x) AS total FROM {T} WHERE ok {G}, CAST(id AS int)", False),
    ],
)
def test_what_state_means_is_in_the_fingerprint(tmp_path: Path, sql: str, same: bool) -> None:
    before, after = window(plan(tmp_path, FINGERPRINTED)), window(plan(tmp_path, sql))
    assert (before.fingerprint == after.fingerprint) is same


ONCE = "WITH q AS (SELECT id, name, %s AS x FROM a WHERE %s), o AS (SELECT * FROM dedupe(q, name, INTERVAL '%s')) SELECT window_start, sum(x) AS s FROM tumble(o, INTERVAL '1 minute') GROUP BY window_start"
JOINED = "WITH q AS (SELECT id, %s AS x, _event_ts FROM a), j AS (SELECT q.id, q.x FROM q JOIN b ON q.id = b.id AND b._event_ts BETWEEN q._event_ts AND q._event_ts + INTERVAL '%s') SELECT window_start, sum(x) AS s FROM tumble(j, INTERVAL '1 minute') GROUP BY window_start"
TWICE = "WITH c AS (SELECT window_start AS m, %s AS n FROM tumble(a, INTERVAL '1 minute') AS w WHERE %s GROUP BY window_start) SELECT window_start, sum(n) AS s FROM tumble(c, INTERVAL '1 hour') AS tumble GROUP BY window_start"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (ONCE % ("id * 10", "ok", "1 hour"), ONCE % ("id * 1000", "ok", "1 hour")),
        (ONCE % ("id * 10", "ok", "1 hour"), ONCE % ("id * 10", "NOT ok", "1 hour")),
        (JOINED % ("id * 10", "1 hour"), JOINED % ("id * 1000", "1 hour")),
        (TWICE % ("sum(id)", "ok"), TWICE % ("sum(id)", "NOT ok")),
        (TWICE % ("sum(id)", "ok"), TWICE % ("max(id)", "ok")),
    ],
)  # fmt: skip
def test_what_stands_before_what_a_window_reads_is_in_it_too(tmp_path: Path, before: str, after: str) -> None:
    (tmp_path / "before").mkdir()
    (tmp_path / "after").mkdir()
    one, other, same = (
        plan(tmp_path / folder, sql) for folder, sql in (("before", before), ("after", after), ("before", before))
    )
    assert _last(one) == _last(same) != _last(other)


@pytest.mark.parametrize("sql", [ONCE % ("id * 10", "ok", "%s"), JOINED % ("id * 10", "%s")])
def test_how_long_what_stands_before_remembers_is_its_own_affair(tmp_path: Path, sql: str) -> None:
    """A dedupe and a join go on under other lengths of time, and so does what reads them."""
    (tmp_path / "other").mkdir()
    assert _last(plan(tmp_path, sql % "1 hour")) == _last(plan(tmp_path / "other", sql % "2 hours"))


def _last(made: StreamPlan) -> str:
    return [node for node in made.nodes if isinstance(node, WindowPlan)][-1].fingerprint


def test_another_event_time_is_another_window(tmp_path: Path) -> None:
    window = "    window: { kind: tumbling, size: 1m, aggregate: { n: count(*) } }"
    timed = BLOCK.replace("topic: a,", "topic: a, event_time: %s,").replace(
        "x: double", "x: double, t: timestamptz, u: timestamptz"
    )
    found = list[str]()
    for time in ("t", "u"):
        checked = stages.lint([write(tmp_path, timed % (time, window))], Reporter())
        assert checked is not None
        found.append(_last(planned(checked[1].streams[0])))
    assert found[0] != found[1]


def test_a_name_in_quotes_is_not_the_expression_that_it_reads_like(tmp_path: Path) -> None:
    project = BLOCK.replace("x: double", 'x: double, "id + x": double')
    sql = "SELECT window_start, %s FROM tumble(source, INTERVAL '1 minute') GROUP BY window_start"
    made = list[WindowPlan]()
    for items in ('sum("id + x") AS a, sum(id + x) AS b', 'sum("id + x") AS a', "sum(id + x) AS a"):
        checked = stages.lint([write(tmp_path, project % f"    sql: |\n      {sql % items}")], Reporter())
        assert checked is not None
        made.append(window(planned(checked[1].streams[0])))
    assert len({each.argument for each in made[0].aggregates}) == 2
    assert made[1].fingerprint != made[2].fingerprint


BLOCK = """
connections:
  bus: { kind: kafka, bootstrap_servers: "localhost:9092" }
  wh: { kind: postgres, url: "postgres://u@h/db" }
streams:
  s:
    source: { connection: bus, topic: a, columns: { id: bigint, name: text, x: double } }
%s
    to: { connection: wh, table: x }
"""


def stream_of(folder: Path, text: str, spec: str = BLOCK) -> Stream:
    reporter = Reporter()
    checked = stages.lint([write(folder, spec % text)], reporter)
    assert checked is not None
    assert found(reporter.sorted()) == []
    return checked[1].streams[0]


@pytest.mark.parametrize(
    ("block", "sql"),
    [
        (
            "    window: { kind: tumbling, size: 1m, group_by: [id, name], aggregate: { n: count(*), total: sum(x * 2), mean: sum(x) / count(*) } }",
            "SELECT window_start, window_end, id, name, count(*) AS n, sum(x * 2) AS total, sum(x) / count(*) AS mean FROM tumble(source, INTERVAL '1 minute') GROUP BY window_start, window_end, id, name",
        ),
        (
            "    sql: SELECT id, lower(name) AS name FROM source WHERE x > 0\n    window: { kind: hopping, hop: 10s, size: 1m, group_by: [name], aggregate: { ids: count(DISTINCT id) } }",
            "WITH window_rows AS (SELECT id, lower(name) AS name FROM source WHERE x > 0) SELECT window_start, window_end, name, count(DISTINCT id) AS ids FROM hop(window_rows, INTERVAL '10 seconds', INTERVAL '1 minute') GROUP BY window_start, window_end, name",
        ),
        (
            "    sql: WITH p AS (SELECT * FROM dedupe(source, id, INTERVAL '1 hour')) SELECT id, x FROM p\n    window: { kind: session, gap: 5m, max_duration: 1d, group_by: [id], aggregate: { first: first(x) } }",
            "WITH p AS (SELECT * FROM dedupe(source, id, INTERVAL '1 hour')), window_rows AS (SELECT id, x FROM p) SELECT window_start, window_end, session_id, id, first(x) AS first FROM session(window_rows, INTERVAL '5 minutes', INTERVAL '1 day') GROUP BY window_start, window_end, session_id, id",
        ),
    ],
)  # fmt: skip
def test_the_block_makes_the_same_nodes(tmp_path: Path, block: str, sql: str) -> None:
    (tmp_path / "block").mkdir()
    (tmp_path / "sql").mkdir()
    one, other = stream_of(tmp_path / "block", block), stream_of(tmp_path / "sql", f"    sql: {sql}")
    assert planned(one).nodes == planned(other).nodes


@pytest.mark.parametrize("name", ["c'd", 'a"b', "a/*b", "a`b", "a--b", "a b", "$$", "é", "select", "A", "1"])
def test_a_block_has_names_of_every_kind(tmp_path: Path, name: str) -> None:
    key, output = json.dumps(name), json.dumps(f"n{name}")
    text = BLOCK.replace("name: text", f"{key}: text")
    block = f"    window: {{ kind: tumbling, size: 1m, group_by: [{key}], aggregate: {{ {output}: count(*) }} }}"
    last = stream_of(tmp_path, block, text).nodes[-1]
    assert isinstance(last, Sql)
    assert [column.name for column in last.columns or ()] == ["window_start", "window_end", name, f"n{name}"]


def test_a_block_says_how_its_windows_lie_and_by_what_their_rows_are_told(tmp_path: Path) -> None:
    text = "    window: { kind: tumbling, size: 1d, group_by: [id], aggregate: { n: count(*) }, late: dlq, offset: -2h, timezone: Europe/Berlin, max_groups: 10 }\n    mode: merge"
    made = planned(stream_of(tmp_path, text, BLOCK.replace("id: bigint", "id: bigint not null")))
    node = window(made)
    assert (node.offset, node.timezone, node.late, node.max_groups) == (-7_200_000_000, "Europe/Berlin", "dlq", 10)
    assert getattr(made.targets[0], "keys", ()) == ("window_start", "id")
    assert getattr(made.targets[0], "dead", None) is not None


def test_a_block_says_nothing_of_the_windows_before_it(tmp_path: Path) -> None:
    sql = "SELECT window_start AS m, count(*) AS n FROM tumble(source, INTERVAL '1 hour') GROUP BY window_start"
    block = "{ kind: tumbling, size: 1d, offset: 30m, aggregate: { s: sum(n) }, late: dlq, max_groups: 10 }"
    made = planned(stream_of(tmp_path, f"    sql: {sql}\n    window: {block}"))
    found = [(n.offset, n.late, n.max_groups) for n in made.nodes if isinstance(n, WindowPlan)]
    assert found == [(0, "drop", None), (1_800_000_000, "dlq", 10)]


@pytest.mark.parametrize(
    ("more", "expected"), [(0, []), (1, [("sql-too-large", "tumble(a, INTERVAL '1 minute') AS w1")])]
)
def test_a_query_has_as_many_windows_as_are_quick(tmp_path: Path, more: int, expected: list[tuple[str, str]]) -> None:
    parts = (f"SELECT window_start FROM {T} AS w{number} {G}" for number in range(MAX_WINDOWS + more))
    assert linted(tmp_path, " UNION ALL ".join(parts))[1] == expected


@pytest.mark.parametrize(
    ("function", "marked"), [("hop", "INTERVAL '1 seconds'"), ("cumulate", "INTERVAL '1 seconds'")]
)
def test_windows_overlap_as_often_as_is_quick(tmp_path: Path, function: str, marked: str) -> None:
    for more, expected in ((0, []), (1, [("sql-too-large", marked)])):
        call = f"{function}(a, INTERVAL '1 seconds', INTERVAL '{MAX_OVERLAPS + more} seconds')"
        assert linted(tmp_path, f"SELECT window_start, count(*) AS n FROM {call} {G}")[1] == expected


@pytest.mark.parametrize(("more", "expected"), [(0, []), (1, [("sql-too-large", "sum(x + 10")])])
def test_windows_have_as_many_aggregates_as_are_quick(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: int, expected: list[tuple[str, str]]
) -> None:
    monkeypatch.setattr(windowcut, "MAX_AGGREGATES", 10)
    sums = ", ".join(f"sum(x + {number}) AS s{number}" for number in range(10 + more))
    sql = f"SELECT window_start, {sums}, sum(x + 1) AS again FROM {T} {G}"
    assert linted(tmp_path, sql)[1] == expected


@pytest.mark.parametrize(("more", "expected"), [(0, []), (1, [("sql-too-large", "sum(x + 4")])])
def test_the_windows_of_a_project_have_as_many_aggregates_as_are_quick(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: int, expected: list[tuple[str, str]]
) -> None:
    sums = [", ".join(f"sum(x + {number}) AS s{number}" for number in range(count)) for count in (4, 4 + more)]
    windows = [f"w{i} AS (SELECT window_start, {each} FROM {T} {G})" for i, each in enumerate(sums)]
    sql = f"WITH {', '.join(windows)} SELECT s0 FROM w0 UNION ALL SELECT s0 FROM w1"
    monkeypatch.setattr(Allowance.__init__, "__defaults__", (PARTS, False, 8 - len(sql) // CHARACTERS_PER_VALUE))
    assert linted(tmp_path, sql)[1] == expected


@pytest.mark.parametrize("kind", ["hopping, hop: 1s", "cumulating, step: 1s"])
def test_a_block_has_windows_that_overlap_as_often_as_is_quick(tmp_path: Path, kind: str) -> None:
    reporter = Reporter()
    block = f"    window: {{ kind: {kind}, size: 1d, group_by: [id], aggregate: {{ n: count(*) }} }}"
    stages.lint([write(tmp_path, BLOCK % block)], reporter)
    assert found(reporter.sorted()) == [("sql-too-large", "1s")]
