"""Running aggregates in SQL: what they become, and what they are refused for, by its code and the text it marks."""

# ruff: noqa: E501 -- a table of cases reads best with one case in a line

from __future__ import annotations

from pathlib import Path

import pytest

from flowc.compiler import stages
from flowc.compiler.lowering import windowcut
from flowc.compiler.lowering.lower import lower
from flowc.diagnostics import Reporter
from flowc.nodes import Changelog, RunningPlan, SqlPlan
from flowc.render.streamplans import stream_sql
from flowc.service.streams.run import planned
from flowc.stream import StreamPlan, TableTarget, TopicTarget
from tests.unit.project import Found, found, write

PROJECT = """
connections:
  bus: {{ kind: kafka, bootstrap_servers: "localhost:9092" }}
  wh: {{ kind: postgres, url: "postgres://u@h/db" }}
  drop: {{ kind: files, uri: ./drop }}
  lake: {{ kind: delta, uri: ./lake }}
functions:
  vwap: {{ python: "m:Vwap", kind: aggregate, args: [bigint], state: [bigint], returns: double }}
streams:
  s:
    {sources}
    {more}
    sql: >-
      {sql}
    to: {to}
"""
COLUMNS = "columns: { id: bigint not null, n: bigint, name: text, tags: 'text[]' }"
SOURCE = f"source: {{ connection: bus, topic: x, {COLUMNS} }}"
SOURCES = f"sources: {{ a: {{ connection: bus, topic: x, {COLUMNS} }}, b: {{ connection: bus, topic: y, {COLUMNS} }} }}"
TTL, NEVER = "group_ttl: 30d", "group_ttl: never"
T = "tumble(source, INTERVAL '1 minute')"
BOUND = "x._event_ts BETWEEN a._event_ts AND a._event_ts + INTERVAL '1 minute'"
TOTALS = "SELECT id, count(*) AS c FROM source GROUP BY id"


def merged(*keys: str) -> str:
    return f"{{ connection: wh, table: t, mode: merge, keys: [{', '.join(keys)}] }}"


def linted(
    folder: Path, sql: str, to: str = merged("id"), more: str = TTL, sources: str = SOURCE
) -> tuple[list[Found], StreamPlan | None]:
    reporter = Reporter()
    text = PROJECT.format(sql=sql, to=to, more=more, sources=sources)
    checked = stages.lint([write(folder, text)], reporter)
    assert checked is not None
    told = found(reporter.sorted())
    return told, planned(lower(checked[0], Reporter()).streams[0]) if not reporter.errors else None


@pytest.mark.parametrize(
    ("sql", "key", "sources"),
    [
        (TOTALS, "id", SOURCE),
        ("SELECT id, id AS copy, count(*) AS c FROM source GROUP BY id", "id", SOURCE),
        ("SELECT id, lower(name) AS who, sum(n) FILTER (WHERE n > 0) AS c, count(DISTINCT n) AS d, array_agg(n) AS l FROM source WHERE n <> 1 AND lower(name) IS NOT NULL GROUP BY id, lower(name)", "id, who", SOURCE),
        ("SELECT 'all' AS id, count(*), first(name) AS f FROM source GROUP BY 1", "id", SOURCE),
        (f"{TOTALS} HAVING count(*) > 3", "id", SOURCE),
        (f"WITH totals AS ({TOTALS}), few AS (SELECT * FROM totals WHERE c < 9) SELECT f.*, c + 1 AS more FROM few AS f", "id", SOURCE),
        (f"WITH totals AS ({TOTALS}), named AS (SELECT id AS who, c FROM totals) SELECT 2 * c AS c, who AS id FROM named WHERE c > 1", "id", SOURCE),
        ("SELECT id, count(*) AS c FROM dedupe(source, id, n, INTERVAL '1 hour') GROUP BY id", "id", SOURCE),
        ("WITH good AS (SELECT id, n FROM source WHERE n > 0) SELECT id, sum(n) AS c FROM good GROUP BY id", "id", SOURCE),
        ("WITH both AS (SELECT id FROM a UNION ALL SELECT id FROM b) SELECT id, count(*) AS c FROM both GROUP BY id", "id", SOURCES),
        (f"SELECT a.id, count(*) AS c FROM a JOIN b AS x ON a.id = x.id AND {BOUND} GROUP BY a.id", "id", SOURCES),
        (f"WITH pairs AS (SELECT a.id FROM a JOIN b AS x ON a.id = x.id AND {BOUND}) SELECT id, count(*) AS c FROM pairs GROUP BY id", "id", SOURCES),
    ],
)  # fmt: skip
def test_groups_outside_of_windows_go_on(tmp_path: Path, sql: str, key: str, sources: str) -> None:
    told, plan = linted(tmp_path, sql, merged(*key.split(", ")), sources=sources)
    assert told == []
    assert plan is not None
    node, last = plan.nodes[-2:]
    assert isinstance(node, RunningPlan)
    assert node.ttl == 30 * 86_400_000_000
    assert isinstance(last, SqlPlan)
    assert (last.traits.mode, last.traits.key) == (Changelog.UPSERT, tuple(key.split(", ")))
    (target,) = plan.targets
    assert isinstance(target, TableTarget)
    assert target.changes is Changelog.UPSERT


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT count(*) AS c FROM source", ("misplaced-aggregate", "count(*) AS c")),
        ("SELECT *, count(*) AS c FROM source GROUP BY id", ("misplaced-aggregate", "*")),
        ("SELECT id, n, count(*) AS c FROM source GROUP BY ROLLUP (id, n)", ("misplaced-aggregate", "id, n")),
        ("SELECT id, c FROM (SELECT id, count(*) AS c FROM source GROUP BY id) AS t", ("misplaced-aggregate", "id")),
        (f"{TOTALS} UNION ALL {TOTALS}", ("misplaced-aggregate", "id")),
        (f"{TOTALS} HAVING count(*) > (SELECT 1)", ("misplaced-aggregate", "1")),
        ("WITH some AS (SELECT DISTINCT id FROM source) SELECT id, count(*) AS c FROM some GROUP BY id", ("misplaced-aggregate", "id")),
        ("SELECT id, stddev(n) AS c FROM source GROUP BY id", ("unsupported-aggregate", "stddev(n")),
        ("SELECT id, tags, count(*) AS c FROM source GROUP BY id, tags", ("unusable-keys", "tags")),
        # what stands behind
        (f"{TOTALS} ORDER BY c LIMIT 10", ("changes-not-taken", "id")),
        (f"WITH totals AS ({TOTALS}) SELECT id, rank() OVER (ORDER BY c) AS c FROM totals", ("changes-not-taken", "rank() OVER (ORDER BY c")),
        (f"WITH totals AS ({TOTALS}) SELECT DISTINCT id FROM totals", ("changes-not-taken", "id")),
        (f"WITH totals AS ({TOTALS}) SELECT id FROM totals UNION ALL SELECT id FROM totals", ("changes-not-taken", "id")),
        (f"WITH totals AS ({TOTALS}) SELECT id, c FROM totals WHERE c > (SELECT max(1) FROM totals)", ("misplaced-aggregate", "max(1")),
        (f"WITH totals AS ({TOTALS}) SELECT c AS id, max(id) AS m FROM totals GROUP BY c", ("changes-not-taken", "id")),
        ("WITH totals AS (SELECT id, max(_event_ts) AS at FROM source GROUP BY id) SELECT window_start, count(*) AS c FROM tumble(totals, INTERVAL '1 hour') GROUP BY window_start", ("changes-not-taken", "id")),
        ("SELECT count(*) AS id FROM source GROUP BY id", ("changes-not-taken", "id")),
        ("SELECT id + 1 AS id, count(*) AS c FROM source GROUP BY id", ("changes-not-taken", "id")),
    ],
)  # fmt: skip
def test_what_is_no_running_aggregate_is_refused(tmp_path: Path, sql: str, expected: tuple[str, str]) -> None:
    assert Found(*expected) in linted(tmp_path, sql)[0]


@pytest.mark.parametrize(
    ("to", "more", "expected"),
    [
        (merged("id"), NEVER, []),
        ("{ connection: lake, table: t, mode: merge, keys: [id] }", TTL, []),
        ("{ connection: bus, topic: t, key: id }", TTL, []),
        ("{ connection: wh, table: t }", TTL, [("corrections-to-append-target", "30d")]),
        ("{ connection: lake, table: t }", NEVER, [("corrections-to-append-target", "never")]),
        ("{ connection: drop, path: t }", TTL, [("corrections-to-append-target", "30d")]),
        ("{ connection: bus, topic: t }", TTL, [("corrections-to-append-target", "30d")]),
        (merged("id", "c"), TTL, [("changes-not-taken", "t")]),
        ("{ connection: bus, topic: t, key: c }", TTL, [("changes-not-taken", "t")]),
        (merged("id"), "group_ttl: 0s", [("bad-value", "0s")]),
        (merged("id"), "group_ttl: always", [("bad-value", "always")]),
        (merged("id"), "", [("batch-dependent", "id")]),
    ],
)  # fmt: skip
def test_targets_have_to_replace_rows(tmp_path: Path, to: str, more: str, expected: list[tuple[str, str]]) -> None:
    assert linted(tmp_path, TOTALS, to, more)[0] == expected


@pytest.mark.parametrize(
    ("sql", "to", "expected"),
    [
        ("SELECT n AS id, count(*) AS c FROM source GROUP BY n", merged("id"), [("nullable-key", "id")]),
        ("SELECT id, n, count(*) AS c FROM source WHERE id IS NOT NULL GROUP BY id, n", merged("id", "n"), [("nullable-key", "n")]),
        ("SELECT n AS id, count(*) AS c FROM source WHERE n IS NOT NULL GROUP BY n", merged("id"), []),
        ("SELECT coalesce(n, 0) AS id, count(*) AS c FROM source GROUP BY 1", merged("id"), []),
        ("SELECT n AS id, count(*) AS c FROM source GROUP BY n", "{ connection: bus, topic: t, key: id }", [("nullable-key", "t")]),
    ],
)  # fmt: skip
def test_groups_that_no_merge_can_place_are_told(tmp_path: Path, sql: str, to: str, expected: list[object]) -> None:
    assert linted(tmp_path, sql, to)[0] == expected


def test_windows_are_grouped_as_they_are_and_a_ttl_without_groups_is_told(tmp_path: Path) -> None:
    windowed = f"WITH c AS (SELECT window_start AS id, n, count(*) AS c FROM {T} GROUP BY window_start, window_end, n) SELECT id, max(c) AS c FROM c GROUP BY id"
    for sql in (windowed, "SELECT id, n FROM source"):
        assert linted(tmp_path, sql)[0] == [Found("conflicting-options", "30d")]


def test_each_node_says_what_its_rows_do_and_what_it_keeps(tmp_path: Path) -> None:
    sql = "SELECT id, sum(n) FILTER (WHERE n > 0) AS c FROM source GROUP BY id HAVING sum(n) FILTER (WHERE n > 0) < 5"
    plan = linted(tmp_path, sql)[1]
    assert plan is not None
    before, node, query = plan.nodes
    assert isinstance(node, RunningPlan)
    assert [each.traits.mode for each in (before, node, query)] == ["insert-only", "upsert", "upsert"]
    assert (node.id, node.traits.state, node.traits.key) == ("running", "bounded", ("id",))
    assert node.fingerprint == (
        '{"operator":"running","group_ttl":2592000000000,"keys":[["id","bigint"]],'
        '"aggregates":[["sum",false,"n","bigint","n > 0"]],"from":"SELECT * FROM source","format":2}'
    )
    shown = stream_sql(plan)
    assert "sum(n) where value_1 AS c of all rows by id, kept 30d after their last change; upsert" in shown
    assert "_flowc_kind" in shown
    forever = linted(tmp_path, TOTALS, "{ connection: bus, topic: t, key: id }", NEVER)[1]
    assert forever is not None
    assert [each.traits.state for each in forever.nodes] == ["none", "unbounded", "none"]
    (target,) = forever.targets
    assert isinstance(target, TopicTarget)
    assert target.changes is Changelog.UPSERT


def test_a_group_is_told_by_what_it_is_made_of_and_not_by_what_it_is_called(tmp_path: Path) -> None:
    def fingerprint(sql: str) -> str:
        plan = linted(tmp_path, sql)[1]
        assert plan is not None
        assert isinstance(plan.nodes[1], RunningPlan)
        return plan.nodes[1].fingerprint

    same = fingerprint("SELECT lower(name) AS id, sum(n + 1) AS c FROM source GROUP BY lower(name)")
    assert same == fingerprint(
        "SELECT 2 * sum(s.n + 1) AS d, Lower(S.Name) AS id FROM source AS s GROUP BY 2 HAVING sum(n + 1) > 3"
    )
    assert same != fingerprint("SELECT lower(name) AS id, sum(n) AS c FROM source GROUP BY lower(name)")
    assert same != fingerprint("SELECT lower(name) AS id, sum(n + 1) AS c FROM source WHERE n > 0 GROUP BY lower(name)")


def test_aggregates_of_the_project_are_functions_that_a_run_loads(tmp_path: Path) -> None:
    told, plan = linted(tmp_path, "SELECT id, vwap(n) AS price FROM source GROUP BY id")
    assert told == []
    assert plan is not None
    assert [each.name for each in plan.functions] == ["vwap"]


@pytest.mark.parametrize(
    ("sql", "more"),
    [
        ("SELECT id, last(doc) AS doc FROM source GROUP BY id HAVING count(*) > 1", TTL),
        ("SELECT window_start AS id, last(doc) AS doc FROM tumble(source, INTERVAL '1 minute') GROUP BY window_start", ""),
        ("WITH part AS (SELECT id, doc FROM source) SELECT id, doc FROM dedupe(part, id, INTERVAL '1 minute')", ""),
    ],
)  # fmt: skip
def test_documents_are_documents_behind_what_is_remembered(tmp_path: Path, sql: str, more: str) -> None:
    source = "source: { connection: bus, topic: x, columns: { id: bigint not null, doc: json } }"
    plan = linted(tmp_path, sql, merged("id"), more, source)[1]
    assert plan is not None
    (target,) = plan.targets
    assert str(target.columns[1].type) == "json"


def test_what_many_keys_say_is_told_apart_once_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[object] = []
    monkeypatch.setattr(windowcut, "said", lambda node, *, plain: said.append(node) or node.sql())
    keys = ", ".join(f"n + {number} AS k{number}" for number in range(40))
    linted(tmp_path, f"SELECT id, {keys}, count(*) AS c FROM source GROUP BY id, {', '.join(map(str, range(2, 42)))}")
    assert len(said) < 400


def test_of_sql_that_cannot_be_read_nothing_else_is_told(tmp_path: Path) -> None:
    told, _ = linted(tmp_path, "SELECT id FROM source GROUP BY id HAVING " + "(" * 300 + "id = 1" + ")" * 300)
    assert [each.code for each in told] == ["sql-too-deep"]
