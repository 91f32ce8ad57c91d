"""The SQL of streams: each fault by its code and the text it marks."""

# ruff: noqa: E501 -- a table of cases reads best with one case in a line

from __future__ import annotations

from pathlib import Path

import pytest

from flowc.compiler import stages
from flowc.diagnostics import Reporter
from tests.unit.project import Found, found, write

PROJECT = """
connections:
  bus: { kind: kafka, bootstrap_servers: "localhost:9092" }
  wh: { kind: postgres, url: "postgres://u@h/db" }
  out: { kind: files, uri: out }
tables:
  events: { connection: wh, columns: { id: bigint, name: text, at: timestamptz, country: text } }
  users: { connection: wh, columns: { id: bigint primary key, country: text } }
functions:
  twice: { python: "m:twice", args: [bigint], returns: bigint }
  later: { python: "m:later", args: [timestamp], returns: bigint }
  joined: { python: "m:joined", args: ["text[]"], returns: bigint }
  priced: { python: "m:priced", args: ["numeric(10,2)"], returns: bigint }
  mean: { python: "m:mean", args: [double], returns: bigint }
  untyped: { python: "m:untyped" }
streams:
  s:
    source: { connection: bus, topic: events, format: json, columns: { id: bigint, name: text, amount: double } }
    lookups: { u: { connection: wh, table: users } }
    sql: |
      %s
    to: %s
"""
ELSEWHERE = "{ connection: wh, table: x }"


@pytest.mark.parametrize(
    ("sql", "to", "expected"),
    [
        ("SELECT id, name, _event_ts AS at FROM source", "events", []),
        ("SELECT s.id, u.country FROM source s LEFT JOIN u ON s.id = u.id", "events", []),
        ("SELECT id, naem AS name FROM source", "events", [("unknown-column", "naem")]),
        ("SELECT s.id, u.contry AS country FROM source s JOIN u ON s.id = u.id", "events", [("unknown-column", "contry")]),
        ("SELECT id FROM sorce", "events", [("unknown-table", "sorce")]),
        ("SELECT id FROM public.users", "events", [("unknown-table", "users")]),
        ("SELECT id, amount FROM source", "events", [("unknown-output-column", "amount")]),
        ("SELECT id, name AS at FROM source", "events", []),
        ("SELECT id, amount AS country FROM source", "events", [("type-mismatch", "country")]),
        ("SELECT id, amount AS country FROM source", "{ connection: wh, table: events }", [("type-mismatch", "country")]),
        ("SELECT name AS country FROM source", "{ connection: wh, table: users, mode: merge }", [("missing-column", "users")]),
        ("SELECT id, name FROM source", "{ connection: wh, table: x, mode: merge, keys: [nr] }", [("missing-column", "nr")]),
        ("SELECT id, name FROM source", "{ connection: bus, topic: y, key: nmae }", [("unknown-column", "nmae")]),
        ("SELECT id, name FROM source", "{ connection: bus, topic: y, key: [id, at] }", [("unknown-column", "at")]),
        ("SELECT id, name FROM source", "{ connection: out, path: y, partition_by: [name, day] }", [("unknown-column", "day")]),
        ("SELECT id, name FROM source WHERE amount >", "events", [("sql-syntax", ">")]),
        ("SELECT * FROM source", ELSEWHERE, []),
        ("SELECT id, _key, _offset, _partition, _topic FROM source", ELSEWHERE, []),
        ("SELECT twice(idd) AS id FROM source", "events", [("unknown-column", "idd")]),
        ("SELECT twice(id) AS id, twice(1) AS name FROM source", "events", [("type-mismatch", "name")]),
        ("SELECT twice(id, 1) AS id FROM source", "events", [("wrong-arguments", "twice(id, 1")]),
        ("SELECT twice(name) AS id FROM source", "events", [("wrong-arguments", "name")]),
        ("SELECT twice(amount) AS id FROM source", "events", [("wrong-arguments", "amount")]),
        ("SELECT later(_event_ts) AS id FROM source", "events", [("wrong-arguments", "_event_ts")]),
        ("SELECT later(CAST(_event_ts AS date)) AS id FROM source", "events", []),
        ("SELECT joined(ARRAY[id]) AS id FROM source", "events", [("wrong-arguments", "id")]),
        ("SELECT joined(string_to_array(name, ',')) AS id FROM source", "events", []),
        ("SELECT priced(amount) AS id FROM source", "events", [("wrong-arguments", "amount")]),
        ("SELECT priced(id) AS id, mean(CAST(name AS numeric)) AS id2 FROM source", ELSEWHERE, []),
        ("SELECT later(twice(id)) AS id FROM source", "events", [("wrong-arguments", "twice(id")]),
        ("SELECT untyped(id) AS id FROM source", "events", [("untyped-function", "untyped")]),
        ("SELECT id, max(amount) AS name FROM source GROUP BY id", ELSEWHERE, [("batch-dependent", "id")]),
        ("SELECT id, row_number() OVER () AS n FROM source", ELSEWHERE, [("batch-dependent", "row_number")]),
        ("SELECT DISTINCT id FROM source", ELSEWHERE, [("batch-dependent", "id FROM source")]),
        ("WITH a AS (SELECT id FROM source ORDER BY id LIMIT 1) SELECT id FROM a", ELSEWHERE, [("batch-dependent", "1")]),
        ("SELECT id FROM source UNION SELECT 1 FROM source", ELSEWHERE, [("batch-dependent", "id FROM source UNION SELECT 1 FROM source")]),
        ("SELECT id FROM source UNION ALL SELECT 1 FROM source ORDER BY 1", ELSEWHERE, []),
        ("WITH n AS (SELECT id, count(*) AS n FROM u GROUP BY id) SELECT s.id, n.n FROM source s JOIN n ON n.id = s.id", ELSEWHERE, []),
        ("SELECT window_start AS at, count(*) AS id FROM tumble(source, INTERVAL '1 minute') GROUP BY window_start", "events", []),
    ],
)  # fmt: skip
def test_stream_sql_is_judged_against_its_sources_and_its_target(
    tmp_path: Path, sql: str, to: str, expected: list[Found]
) -> None:
    reporter = Reporter()
    stages.lint([write(tmp_path, PROJECT % (sql, to))], reporter)
    assert [entry for entry in found(reporter.sorted()) if entry[0] != "narrowing"] == expected
