"""Nothing that a spec may hold becomes SQL of its own: names, comments, literals, watermarks."""

import sqlite3

import duckdb
import psycopg
import pytest

from tests.commands import Inside

EVIL = "; DROP TABLE keep; --"
SPECS = r"""
connections:
  store: %s
tables:
  t:
    connection: store
    name: "x\"; DROP TABLE keep; --"
    description: "it's \"; DROP TABLE keep; --"
    columns:
      "id\"; DROP TABLE keep; --": bigint primary key
      "va'l":
        type: text
        description: "'; DROP TABLE keep; --"
        normalize:
          - { default: "'); DROP TABLE keep; --" }
          - { regex_replace: { pattern: "q'; DROP TABLE keep; --", replacement: "b'; DROP" } }
    indexes: [{ columns: ["va'l"], name: "i\"; DROP TABLE keep; --" }]
pipelines:
  "p'; DROP TABLE keep; --":
    sql: SELECT 1 AS "id""; DROP TABLE keep; --", CAST(NULL AS TEXT) AS "va'l"
    to: t
    mode: append
    incremental: { column: "id\"; DROP TABLE keep; --", start: 0 }
"""


def _rows(kind: str, at: str, sql: str) -> list[tuple]:
    connect = {"sqlite": sqlite3.connect, "duckdb": duckdb.connect, "postgres": psycopg.connect}[kind]
    session = connect(at)
    try:
        found = session.execute(sql)
        rows = found.fetchall() if sql.startswith("SELECT") else []
        session.commit()
    finally:
        session.close()
    return rows


@pytest.mark.parametrize("kind", ["sqlite", "duckdb", "postgres"])
def test_names_and_literals_stay_what_they_are(kind: str, tmp_path, request):
    at = request.getfixturevalue("postgres") if kind == "postgres" else str(tmp_path / "store.db")
    where = f'{{ kind: postgres, url: "{at}" }}' if kind == "postgres" else f"{{ kind: {kind}, path: store.db }}"
    folder = Inside(tmp_path)
    folder.write("specs/project.yaml", SPECS % where)
    if kind == "duckdb":
        duckdb.connect(at).execute("CREATE TABLE keep (a INTEGER)").close()
    else:
        _rows(kind, at, "CREATE TABLE keep (a INTEGER)")
    first, again = (folder.flowc("run", "--once", "--json") for _ in range(2))
    assert [done.json["pipelines"][0]["targets"][0]["counts"]["inserted"] for done in (first, again)] == [1, 0]
    assert _rows(kind, at, "SELECT count(*) FROM keep") == [(0,)]
    assert _rows(kind, at, f'SELECT * FROM "x""{EVIL}"') == [(1, f"'){EVIL}")]


def test_the_lineage_page_escapes_names(tmp_path):
    folder = Inside(tmp_path)
    evil = SPECS.replace("DROP TABLE keep", "<script>alert(1)</script>")
    folder.write("specs/project.yaml", evil % "{ kind: sqlite, path: store.db }")
    done = folder.flowc("graph", "--format", "html")
    assert done.code == 0, done.err
    assert "<script>alert" not in done.out
