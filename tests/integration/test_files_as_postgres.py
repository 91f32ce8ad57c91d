"""SQL over files, lakes and several sources is PostgreSQL's, as that of streams is, and fails where that fails."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest

from tests.commands import Inside
from tests.stores import Store

ROWS = "id,d,price,code\n1,2024-03-05,10.10,gift-12\n2,2024-12-31,100.10,none\n"
COLUMNS = "columns: { id: bigint, d: date, price: 'decimal(10,2)', code: text }"

SPEC = """
connections:
  inbox: {{ kind: files, uri: data }}
  w: {store}
tables:
  t:
    connection: w
    columns:
      id: bigint primary key
      month: text
      named: text
      alike: boolean
      hex: text
      taxed: decimal(10,2)
      loaded_at: timestamptz
pipelines:
  p:
    from: {{ rows: {{ connection: inbox, path: a.csv, {columns} }} }}
    sql: |
      SELECT r.id, to_char(d, 'YYYY-MM') AS month, format('%s/%s', code, n) AS named,
        code SIMILAR TO '%(gift|card)-[0-9]+' AS alike, to_hex(255) AS hex, round(price * 1.15, 2) AS taxed,
        now() AS loaded_at
      FROM rows AS r CROSS JOIN generate_series(1, 3) AS n WHERE n = r.id
    to: t
    mode: merge
"""


def test_files_are_read_with_postgresqls_words(project: Inside, store: Store) -> None:
    zoned = "timestamptz" if store.kind not in ("sqlite", "mysql") else "timestamp"
    spec = SPEC.format(store=store.connection, columns=COLUMNS)
    clock = "now()" if zoned == "timestamptz" else "localtimestamp"
    project.write("data/a.csv", ROWS)
    project.write("specs/p.yaml", spec.replace("timestamptz", zoned).replace("now()", clock))
    shown = project.flowc("preview", "p")
    assert shown.code == 0, shown.err
    assert re.search(r"\d\d:\d\d:\d\d\.\d{6}\b", shown.out)
    done = project.flowc("run", "--once")
    assert done.code == 0, done.err
    found = store.raw("SELECT id, month, named, alike, hex, taxed FROM t ORDER BY id")
    assert [(i, m, n, bool(a), h, round(Decimal(str(x)), 2)) for i, m, n, a, h, x in found] == [
        (1, "2024-03", "gift-12/1", True, "ff", Decimal("11.62")),
        (2, "2024-12", "none/2", False, "ff", Decimal("115.12")),
    ]


LAKE = """
connections:
  inbox: {{ kind: files, uri: data }}
  lake: {{ kind: delta, uri: lake }}
  w: {store}
pipelines:
  fill: {{ from: {{ connection: inbox, path: a.csv, {columns} }}, to: {{ connection: lake, table: items }} }}
  both:
    from:
      lake_items: {{ connection: lake, table: items }}
      file_items: {{ connection: inbox, path: a.csv, {columns} }}
    sql: |
      SELECT a.id, to_char(b.d, 'YYYYMM') || to_hex(10) AS words, round(b.price / 3, 4) AS third
      FROM lake_items AS a JOIN file_items AS b USING (id) WHERE b.code ~ '^g.*[0-9]$'
    to: {{ connection: w, table: both_items }}
"""


def test_so_are_lakes_and_several_sources(project: Inside) -> None:
    store = Store("duckdb", project.path)
    project.write("data/a.csv", ROWS)
    project.write("specs/p.yaml", LAKE.format(columns=COLUMNS, store=store.connection))
    for name in ("fill", "both"):
        done = project.flowc("run", "--once", name)
        assert done.code == 0, done.err
    assert store.raw("SELECT id, words, third FROM both_items") == [(1, "202403a", Decimal("3.3667"))]


def test_datafusions_own_words_are_a_dialect(project: Inside, tmp_path) -> None:
    store = Store("sqlite", tmp_path)
    spec = SPEC.format(store=store.connection, columns=COLUMNS).split("tables:")[0] + (
        "pipelines:\n  p:\n    from: { rows: { connection: inbox, path: a.csv, " + COLUMNS + " } }\n"
        "    dialect: datafusion\n    sql: SELECT id, to_char(d, '%Y-%m') AS month, now() AS at FROM rows\n"
        "    to: { connection: w, table: t }\n"
    )
    project.write("data/a.csv", ROWS)
    project.write("specs/p.yaml", spec)
    shown = project.flowc("preview", "p")
    assert shown.code == 0, shown.err
    assert "internal" not in shown.err
    assert "w.t     append     2" in shown.out


FAILING = """
connections:
  w: {store}
tables:
  source_rows: {{ connection: w, columns: {{ id: bigint, n: bigint, zero: bigint, word: text }} }}
pipelines:
  p:
    from: w
    dialect: postgres
    sql: SELECT id, n {operator} AS x FROM source_rows
    to: {{ connection: w, table: report }}
    mode: truncate
"""


@pytest.mark.parametrize(
    ("operator", "words"),
    [("/ zero", "division by zero"), ("% zero", "division by zero"), ("* 0 + CAST(word AS bigint)", "")],
)
def test_a_failure_replaces_no_table_with_null(project: Inside, store: Store, operator: str, words: str) -> None:
    if store.kind == "postgres":
        words = words or "invalid input syntax"
    store.run("CREATE TABLE source_rows (id BIGINT, n BIGINT, zero BIGINT, word VARCHAR(20))")
    store.run("INSERT INTO source_rows VALUES (1, 10, 2, '7'), (2, 10, 1, '8')")
    project.write("specs/p.yaml", FAILING.format(store=store.connection, operator=operator))
    assert project.flowc("run", "--once").code == 0
    before = store.raw("SELECT id, x FROM report ORDER BY id")
    store.run("UPDATE source_rows SET zero = 0, word = 'seven' WHERE id = 2")
    failed = project.flowc("run", "--once")
    assert failed.code == 1, failed.out
    assert words.lower() in failed.err.lower()
    assert store.raw("SELECT id, x FROM report ORDER BY id") == before
    assert [row[1] for row in before] != [None, None]
