"""`flowc test` means what the real database means: conditions, orders and normalisers, defaults, NOT NULL."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import Inside

PROJECT = """
connections:
  raw: { kind: mysql, url: "mysql://u:${NOBODY}@nowhere.invalid/db" }
  wh: { kind: postgres, url: "${NOBODY_EITHER}" }
  drop: { kind: files, uri: ./inbox }
  bus: { kind: kafka, bootstrap_servers: "${NOR_THIS}" }
tables:
  src: { connection: raw, columns: { id: bigint primary key, a: text, n: bigint, since: timestamp } }
  halved:
    connection: wh
    columns: { id: bigint primary key, n: { type: numeric, normalize: [{ sql: "{value} / 2" }] } }
  numbered: { connection: wh, columns: { sk: "bigint default nextval('numbers'::regclass)", id: bigint } }
  own: { connection: wh, columns: { id: bigint, c: "bigint default my_function()" } }
  dim: { connection: wh, columns: { id: bigint not null, a: text, since: timestamptz }, natural_key: [id] }
pipelines:
  checked:
    from: raw
    sql: SELECT id, n FROM src
    to: { connection: wh, table: c }
    expect: [{ sql: "\\"n\\" / 2 = 1" }]
  first_one:
    from: raw
    sql: SELECT id, a, n FROM src
    to: { connection: wh, table: f, mode: merge, keys: [id] }
    dedupe: { order_by: n DESC }
  halving: { from: raw, sql: "SELECT id, n FROM src", to: halved, mode: merge }
  numbering: { from: raw, sql: SELECT id FROM src, to: numbered }
  owned: { from: raw, sql: SELECT id FROM src, to: own }
  versions:
    from: raw
    sql: SELECT id, a, since FROM src
    to: dim
    mode: scd2
    event_time: since
    timezone: UTC
  history:
    from: raw
    sql: SELECT id, a, since FROM src
    to: { connection: wh, table: h, mode: scd2, keys: [id] }
    event_time: since
  current:
    from: wh
    sql: SELECT id, row_hash FROM dim WHERE is_current AND valid_to IS NULL AND valid_from > '2020-01-01'
    to: { connection: wh, table: cur }
  of_history:
    from: wh
    sql: SELECT id, valid_from FROM h WHERE is_current
    to: { connection: wh, table: cur2 }
  files:
    from: { connection: drop, path: "*.csv", format: csv, columns: { id: bigint not null, a: text } }
    to: { connection: wh, table: files }
  dashes:
    from:
      connection: drop
      path: "*.csv"
      format: csv
      read: { null_regex: "^-$" }
      columns: { id: bigint, a: text }
    to: { connection: wh, table: dashes }
streams:
  lines:
    source: { connection: drop, path: "*.jsonl", format: jsonl, columns: { id: bigint } }
    sql: SELECT id, _topic AS t, _offset AS o FROM source
    to: { connection: wh, table: l, mode: append }
  words:
    source: { connection: bus, topic: w, format: raw, columns: { value: text } }
    to: { connection: wh, table: w, mode: append }
tests:
  t: """


def told_of(folder: Path, test: str) -> str:
    made = Inside(folder)
    made.write("specs/p.yaml", f"{PROJECT}{{ {test} }}\n")
    done = made.flowc("test")
    return done.out + done.err


SAME = {
    "a check divides as PostgreSQL does": "pipeline: checked, given: { src: [{ id: 1, n: 3 }] }, expect: [{ id: 1 }]",
    "NULL is first in a descending order of PostgreSQL": (
        "pipeline: first_one, given: { src: [{ id: 1, a: x, n: 5 }, { id: 1, a: y }] }, expect: [{ id: 1, a: y }]"
    ),
    "a normaliser divides as PostgreSQL does": (
        "pipeline: halving, given: { src: [{ id: 1, n: 3 }] }, expect: [{ id: 1, n: 1 }]"
    ),
    "NULL is what CSV says, and numbers are text": (
        'pipeline: dashes, given: { source: [{ id: "1", a: "-" }, { id: 2, a: "" }] }, '
        'expect: [{ id: 1, a: null }, { id: 2, a: "" }]'
    ),
    "a sequence counts": (
        "pipeline: numbering, given: { src: [{ id: 5 }, { id: 6 }] }, expect: [{ sk: 1 }, { sk: 2 }]"
    ),
    "columns of a history can be given": (
        "pipeline: current, given: { dim: [{ id: 1, is_current: true, valid_from: 2021-01-01T00:00:00Z, row_hash: x }, "
        "{ id: 2, is_current: false, valid_from: 2021-01-01T00:00:00Z }] }, expect: [{ id: 1, row_hash: x }]"
    ),
    "a history holds rows before, whose digest no test knows": (
        "pipeline: versions, given: { src: [{ id: 1, a: b, since: 2021-02-01T00:00:00 }], "
        "dim: [{ id: 1, a: a, valid_from: 2021-01-01T00:00:00Z, is_current: true }] }, "
        "expect: [{ a: a, is_current: false, valid_to: 2021-02-01T00:00:00Z }, { a: b, is_current: true }]"
    ),
    "an equal row adds no version to what was before": (
        "pipeline: versions, given: { src: [{ id: 1, a: a, since: 2021-02-01T00:00:00 }], "
        "dim: [{ id: 1, a: a, valid_from: 2021-01-01T00:00:00Z, is_current: true }] }, "
        "expect: [{ a: a, is_current: true, valid_from: 2021-01-01T00:00:00Z }]"
    ),
    "and those of one that a pipeline makes": (
        "pipeline: of_history, given: { h: [{ id: 1, is_current: true, valid_from: 2021-01-01T00:00:00 }] }, "
        "expect: [{ id: 1, valid_from: 2021-01-01T00:00:00 }]"
    ),
    "which is empty where no row is given": "pipeline: of_history, given: {}, expect: []",
    "rows of two files": (
        "stream: lines, given: { source: [{ id: 1, _topic: a.jsonl }, { id: 2, _topic: a.jsonl }, "
        "{ id: 3, _topic: b.jsonl }] }, "
        "expect: [{ id: 1, t: a.jsonl, o: 0 }, { id: 2, o: 1 }, { id: 3, o: 1099511627776 }]"
    ),
    "a raw message without a value is none": (
        'stream: words, given: { source: [{ value: null }, { value: "" }] }, expect: [{ value: "" }]'
    ),
}


@pytest.mark.parametrize("test", SAME.values(), ids=SAME)
def test_a_test_gives_the_rows_of_a_run(test: str, tmp_path: Path):
    assert "1 test: 1 passed" in (told := told_of(tmp_path, test)), told


REFUSED = {
    "a check that fails": ("pipeline: checked, given: { src: [{ id: 1, n: 4 }] }", "expectation-failed"),
    "a default of the database's own": (
        "pipeline: owned, given: { src: [{ id: 5 }] }",
        "`own` cannot be made in DuckDB, which tests run on: ",
    ),
    "NULL in a key": ("pipeline: checked, given: { src: [{ id: null }] }", "column `id` of `src` is `not null`"),
    "a column that a file needs": (
        "pipeline: files, given: { source: [{ a: x }] }",
        "column `id` of `source` is `not null`",
    ),
    "keys of files": ("stream: lines, given: { source: [{ id: 1, _key: k }] }", "rows of files have no `_key`"),
    "partitions of files": ("stream: lines, given: { source: [{ id: 1, _partition: 1 }] }", "one partition, 0"),
    "two times of a file": (
        "stream: lines, "
        "given: { source: [{ id: 1, _topic: a }, { id: 2, _topic: a, _event_ts: 2026-01-01T00:00:00Z }] }",
        "one for all its rows",
    ),
    "a file that was read": (
        "stream: lines, given: { source: [{ id: 1, _topic: a }, { id: 2, _topic: b }, { id: 3, _topic: a }] }",
        "a stream reads each file once",
    ),
    "another topic": ("stream: words, given: { source: [{ value: x, _topic: y }] }", "the topic that is read, `w`"),
    "a time that no broker has": (
        'stream: words, given: { source: [{ value: x, _event_ts: "2026-01-01T00:00:00.000001Z" }] }',
        "counts milliseconds",
    ),
}


@pytest.mark.parametrize(("test", "words"), REFUSED.values(), ids=REFUSED)
def test_a_test_refuses_what_no_run_has(test: str, words: str, tmp_path: Path):
    assert words in (told := told_of(tmp_path, test)), told
    assert "1 failed" in told
