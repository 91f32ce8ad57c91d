"""SQL names a declared table by its key: `{{ ref('invoices') }}`, so that no query breaks when its schema moves."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import Folder, Inside

SPECS = """connections:
  db: {{ kind: duckdb, path: a.duckdb }}
  other: {{ kind: sqlite, path: b.db }}
tables:
  invoices: {{ connection: db, schema: {schema}, name: Invoice, columns: {{ id: bigint, total: bigint }} }}
  sums: {{ connection: db, columns: {{ n: bigint }} }}
  far: {{ connection: other, columns: {{ id: bigint }} }}
pipelines:
  fill: {{ from: db, sql: "SELECT 1 AS id, 5 AS total UNION ALL SELECT 2, 7", to: invoices, mode: truncate }}
  add:
    from: db
    sql: {sql}
    to: sums
    mode: truncate
    expect: [{{ sql: "n <= (SELECT sum(total) FROM {{{{ ref('invoices') }}}})" }}]
    after: ["CREATE OR REPLACE VIEW seen AS SELECT count(*) AS c FROM {{{{ ref('invoices') }}}}"]
"""
SUM = "\"SELECT sum(i.total) AS n FROM {{ ref('invoices') }} i\""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Inside(tmp_path)


@pytest.mark.parametrize("schema", ["mart", '"od d"'])
def test_a_moved_schema_breaks_no_query(folder, schema):
    folder.write("specs/a.yaml", SPECS.format(schema=schema, sql=SUM))
    assert folder.flowc("lint").code == 0
    assert folder.flowc("apply", "--yes").code == 0
    done = folder.flowc("run", "--once", "--json")
    assert done.code == 0, done.err + done.out
    assert [p["name"] for p in done.json["pipelines"]] == ["fill", "add"], "what is read comes first"
    shown = folder.flowc("preview", "add")
    assert "12" in shown.out


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("\"SELECT 1 AS n FROM {{ ref('invoice') }}\"", "there is no table `invoice`"),
        ("\"SELECT 1 AS n FROM {{ ref('far') }}\"", "table `far` is in connection `other`, and this SQL runs in `db`"),
        ('"SELECT 1 AS n FROM {{ ref(1) }}"', "there is no table `1`"),
    ],
)
def test_what_is_no_table_of_the_database_is_told_at_its_place(folder, sql, message):
    folder.write("specs/a.yaml", SPECS.format(schema="mart", sql=sql))
    done = folder.flowc("lint")
    assert done.code == 1
    assert f"error[unknown-table]: {message}" in done.out
    assert "specs/a.yaml:12:" in done.out


def test_a_source_of_several_runs_in_its_own_database(folder):
    folder.write(
        "specs/a.yaml",
        SPECS.format(schema="mart", sql=SUM)
        + """  both:
    from:
      a: { connection: db, sql: "SELECT id FROM {{ ref('invoices') }}" }
      b: { connection: other, sql: "SELECT id FROM {{ ref('far') }}" }
    sql: SELECT a.id AS n FROM a LEFT JOIN b ON a.id = b.id
    to: { connection: db, table: joined }
""",
    )
    assert folder.flowc("apply", "--yes").code == 0
    assert folder.flowc("run", "--once").code == 0
    wrong = folder.path / "specs/a.yaml"
    wrong.write_text(wrong.read_text().replace("FROM a LEFT", "FROM {{ ref('invoices') }} LEFT"))
    assert "this SQL runs in no database" in folder.flowc("lint").out
