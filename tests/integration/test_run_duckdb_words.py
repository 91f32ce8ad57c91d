"""Queries that only DuckDB has: they run and are counted, or lint says what to write."""

from __future__ import annotations

import pytest

from tests.commands import Inside
from tests.stores import Store, counts

SPEC = """
connections:
  w: {{ kind: duckdb, path: store.duckdb }}
tables:
  src: {{ connection: w, columns: {{ id: bigint, a: text, b: text }} }}
pipelines:
  p:
    from: w
    sql: >-
      {sql}
    to: {{ connection: w, table: out }}
"""


@pytest.fixture
def duck(project: Inside) -> Store:
    made = Store("duckdb", project.path)
    made.run("CREATE TABLE src (id BIGINT, a TEXT, b TEXT)", "INSERT INTO src VALUES (1, 'x', 'y'), (2, 'z', 'w')")
    return made


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT COLUMNS('a|b') FROM src", [("x", "y"), ("z", "w")]),
        ("SELECT min(COLUMNS(*)) FROM src", [(1, "x", "w")]),
        ("SELECT COLUMNS(* EXCLUDE (id)) FROM src", [("x", "y"), ("z", "w")]),
        ("SELECT id FROM src WHERE COLUMNS(*) IS NOT NULL", [(1,), (2,)]),
        ("SELECT * FROM (PIVOT src ON a IN ('x', 'z') USING count(*))", [(1, "y", 1, 0), (2, "w", 0, 1)]),
        (
            "SELECT * FROM (UNPIVOT src ON a, b INTO NAME n VALUE v)",
            [(1, "a", "x"), (1, "b", "y"), (2, "a", "z"), (2, "b", "w")],
        ),
        ("FROM src SELECT id", [(1,), (2,)]),
    ],
)
def test_what_runs(project: Inside, duck: Store, sql: str, rows: list[tuple[object, ...]]) -> None:
    project.write("specs/p.yaml", SPEC.format(sql=sql))
    done = project.flowc("run", "--once", "--json")
    assert done.code == 0, done.err
    assert counts(done)["p"][:2] == (len(rows), len(rows))
    assert duck.rows("SELECT * FROM out") == rows


@pytest.mark.parametrize(
    ("sql", "code", "help_"),
    [
        ("PIVOT src ON a USING count(*)", "not-a-query", "write `SELECT * FROM (PIVOT …)`"),
        ("SUMMARIZE src", "not-a-query", "write `SELECT * FROM (SUMMARIZE …)`"),
        ("SELECT * FROM (PIVOT src ON a USING count(*))", "open-pivot", "name the values: `ON a IN ('…', '…')`"),
        ("WITH p AS (PIVOT src ON a USING max(id)) FROM p", "open-pivot", "name the values: `ON a IN ('…', '…')`"),
    ],
)  # fmt: skip
def test_what_is_said(project: Inside, sql: str, code: str, help_: str) -> None:
    project.write("specs/p.yaml", SPEC.format(sql=sql))
    (found,) = project.flowc("lint", "specs", "--format", "json").json
    assert (found["code"], found["help"]) == (code, help_)
