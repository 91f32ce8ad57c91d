"""Columns are followed through whatever SQL puts between a table and a target."""

from __future__ import annotations

import pytest

from flowc.compiler import stages
from flowc.compiler.lineage import graph
from flowc.diagnostics import Reporter
from tests.unit.project import write

BASE = """
connections:
  w: {{ kind: duckdb, path: w.duckdb }}
  p: {{ kind: postgres, url: "postgres://u@host/d" }}
  f: {{ kind: files, uri: data, format: csv }}
tables:
  a: {{ connection: w, columns: {{ id: bigint primary key, x: bigint, y: text, t: timestamp }} }}
  b: {{ connection: w, columns: {{ id: bigint primary key, z: bigint, y: text }} }}
  far: {{ connection: p, schema: shop, columns: {{ id: bigint primary key, n: bigint }} }}
  made:
    connection: w
    columns: {{ Key: bigint primary key, both: {{ type: text, normalize: [{{ derive: "x || y" }}] }} }}
  history: {{ connection: w, columns: {{ id: bigint, y: text }}, natural_key: [id] }}
pipelines:
{pipelines}
"""


def lineage(tmp_path, pipelines: str) -> dict[str, set[str]]:
    """Each column of the targets, with the columns that it is made of."""
    reporter = Reporter()
    linted = stages.lint([write(tmp_path, BASE.format(pipelines=pipelines))], reporter)
    assert linted is not None
    assert not reporter.has_errors, [d.message for d in reporter.sorted()]
    made: dict[str, set[str]] = {}
    for flow in graph(linted[1], columns=True).columns:
        made.setdefault(f"{flow.target.name}.{flow.target_column}", set()).add(f"{flow.source}.{flow.source_column}")
    return made


def of_query(tmp_path, sql: str) -> dict[str, set[str]]:
    found = lineage(tmp_path, f"  p: {{ sql: '{sql}', to: {{ connection: w, table: o }}, mode: append }}")
    return {name.removeprefix("o."): {origin.removeprefix("w.") for origin in made} for name, made in found.items()}


@pytest.mark.parametrize(
    ("sql", "made"),
    [
        ("SELECT * FROM b", {"id": {"b.id"}, "z": {"b.z"}, "y": {"b.y"}}),
        ("SELECT b.*, a.x AS k FROM a JOIN b ON a.id = b.id", {
            "id": {"b.id"}, "z": {"b.z"}, "y": {"b.y"}, "k": {"a.x"},
        }),
        ("SELECT x AS p, p + 1 AS q FROM a", {"p": {"a.x"}, "q": {"a.x"}}),
        ("WITH c AS (SELECT id, x + 1 AS v FROM a), d AS (SELECT * FROM c) SELECT v * 2 AS w FROM d", {"w": {"a.x"}}),
        ("WITH a AS (SELECT id, z FROM b) SELECT z FROM a", {"z": {"b.z"}}),
        ("WITH RECURSIVE r AS (SELECT id, x FROM a UNION ALL SELECT id, x + 1 FROM r WHERE x < 9) SELECT x FROM r", {
            "x": {"a.x"},
        }),
        ("SELECT q.m FROM (SELECT id, max(z) AS m FROM b GROUP BY id) AS q", {"m": {"b.z"}}),
        ("SELECT id, x AS n FROM a UNION ALL SELECT id, z FROM b", {"id": {"a.id", "b.id"}, "n": {"a.x", "b.z"}}),
        ("SELECT coalesce(l.y, r.y) AS y FROM a AS l LEFT JOIN b AS r ON r.id = l.id", {"y": {"a.y", "b.y"}}),
        ("SELECT row_number() OVER (PARTITION BY y ORDER BY t) AS n FROM a", {"n": {"a.y", "a.t"}}),
        ("SELECT (SELECT max(z) FROM b WHERE b.id = a.id) AS m, 1 AS one FROM a", {"m": {"b.z"}}),
        ("SELECT main.a.x, a.y FROM main.a", {"x": {"a.x"}, "y": {"a.y"}}),
        ("SELECT c.k FROM unknown_table AS c", {"k": {"unknown_table.k"}}),
    ],
)  # fmt: skip
def test_within_one_database(tmp_path, sql, made):
    assert of_query(tmp_path, sql) == made


def test_across_systems_and_through_the_queries_of_sources(tmp_path):
    sources = """
      l: { connection: w, table: a }
      r: { connection: f, path: "*.csv", columns: { id: bigint, region: text } }
      q: { connection: p, sql: "WITH k AS (SELECT o.id, o.n AS m, e.label FROM shop.far o JOIN extra e ON e.id = o.id)
             SELECT id, m, label FROM k" }"""
    sql = "SELECT l.x + q.m AS s, r.region, q.label FROM l JOIN r ON r.id = l.id JOIN q ON q.id = l.id"
    text = f'  p:\n    from: {sources}\n    sql: "{sql}"\n    to: {{ connection: w, table: o }}\n    mode: append'
    assert lineage(tmp_path, text) == {
        "o.s": {"w.a.x", "p.shop.far.n"}, "o.region": {"f.*.csv.region"}, "o.label": {"p.extra.label"},
    }  # fmt: skip


def test_parts_of_structs_are_made_of_the_columns_that_hold_them(tmp_path):
    source = (
        '{ connection: f, path: "*.csv", format: jsonl, columns: { id: bigint, c: "struct(n text, d struct(m int))" } }'
    )
    sql = (
        "SELECT s.c.n AS a, c.n AS b, upper(s.c.n) AS d, c.d.m + 1 AS e, (s.c).n AS f, "
        "q.z.n AS g, s.c.d.m AS h FROM source s CROSS JOIN (SELECT c AS z FROM source) q"
    )
    found = lineage(
        tmp_path, f"  p: {{ from: {source}, sql: '{sql}', to: {{ connection: w, table: o }}, mode: append }}"
    )
    assert found == {f"o.{name}": {"f.*.csv.c"} for name in "abdefgh"}


def test_a_query_of_a_source_that_is_copied_whole(tmp_path):
    found = lineage(
        tmp_path,
        '  p: { from: { q: { connection: p, sql: "SELECT o.n AS m, e.label FROM shop.far o, extra e" } },'
        " to: { connection: w, table: o }, mode: append }",
    )
    assert found == {"o.m": {"p.shop.far.n"}, "o.label": {"p.extra.label"}}


def test_names_are_those_of_the_target_and_derived_columns_are_followed(tmp_path):
    found = lineage(tmp_path, "  p: { sql: 'SELECT id AS key, x, y FROM a', to: made, mode: merge }")
    assert found == {"made.Key": {"w.a.id"}, "made.both": {"w.a.x", "w.a.y"}}


def test_an_event_time_becomes_the_start_of_versions(tmp_path):
    found = lineage(tmp_path, "  p: { sql: 'SELECT id, y, t FROM a', to: history, mode: scd2, event_time: t }")
    assert found == {"history.id": {"w.a.id"}, "history.y": {"w.a.y"}, "history.valid_from": {"w.a.t"}}


def test_one_pipeline_after_another(tmp_path):
    found = lineage(
        tmp_path,
        "  first: { sql: 'SELECT id, x * 2 AS v FROM a', to: { connection: w, table: middle }, mode: append }\n"
        "  second: { sql: 'SELECT v + 1 AS u FROM middle', to: { connection: w, table: last }, mode: append }",
    )
    assert found["middle.v"] == {"w.a.x"}
    assert found["last.u"] == {"w.middle.v"}
