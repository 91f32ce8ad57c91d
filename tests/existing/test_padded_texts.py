"""`char(n)`: import, plan, apply and drift agree, and an engine that fills values up has the type."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.existing.making import made
from tests.stores import Store, address

WORDS = {"postgres": "character({})", "mysql": "char({})", "sqlite": "varchar({})", "duckdb": "varchar({})"}
SPEC = """
tables:
  t:
    connection: w
    columns:
      a: character(2) not null
      b: { type: char }
      c: CHAR (3) default 'xy'
"""


@pytest.mark.parametrize("kind", list(WORDS))
def test_declared_lengths_are_made_and_stay(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> None:
    store = Store(kind, tmp_path, address(request, kind))
    project = made(store, "CREATE TABLE other (x integer)")
    project.write("specs/t.yaml", SPEC)
    planned = project.flowc("plan", "--detailed-exitcode")
    assert planned.code == 2, planned.err
    for length in (2, 1, 3):
        assert WORDS[kind].format(length) in planned.out
    assert project.flowc("apply", "--yes").code == 0
    assert project.flowc("plan", "--detailed-exitcode").code == 0
    assert project.flowc("drift").code == 0
    if kind not in ("postgres", "mysql"):
        return
    store.run(f"ALTER TABLE t {'ALTER a TYPE' if kind == 'postgres' else 'MODIFY a'} varchar(2)")
    assert WORDS[kind].format(2) in project.flowc("drift").out
    project.write("specs/t.yaml", SPEC.replace("a: character(2)", "a: varchar(2)"))
    assert project.flowc("apply", "--yes").code == 0
    assert project.flowc("plan", "--detailed-exitcode").code == 0


@pytest.mark.parametrize("kind", ["postgres", "mysql"])
def test_an_imported_length_is_made_elsewhere(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> None:
    store = Store(kind, tmp_path, address(request, kind))
    array = ", many character(2)[]" if kind == "postgres" else ""
    project = made(store, f"CREATE TABLE t (a char(2){array})")
    project.write("specs/t.yaml", project.flowc("import", "w", "t").out)
    assert project.flowc("plan", "--detailed-exitcode").code == 0
    assert project.flowc("apply", "--yes").code == 0
    store.run("DROP TABLE t")
    assert WORDS[kind].format(2) in project.flowc("plan").out
    assert project.flowc("apply", "--yes").code == 0
    assert project.flowc("plan", "--detailed-exitcode").code == 0
    assert project.flowc("drift").code == 0


LOAD = """
pipelines:
  p:
    from: w
    sql: SELECT x, 'q' AS a FROM other
    to: t
    mode: merge
    keys: [x]
tables:
  t: { connection: w, columns: { x: integer primary key, a: char(2) } }
"""


@pytest.mark.parametrize("kind", ["postgres", "mysql"])
def test_loads_fill_values_up_once(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> None:
    store = Store(kind, tmp_path, address(request, kind))
    project = made(store, "CREATE TABLE other (x integer)")
    store.run("INSERT INTO other VALUES (1)")
    project.write("specs/t.yaml", LOAD)
    first = project.flowc("run", "--once")  # makes the table
    assert first.code == 0, first.err + first.out
    assert project.flowc("apply", "--yes").code == 0
    assert project.flowc("plan", "--detailed-exitcode").code == 0
    words = "SELECT data_type FROM information_schema.columns WHERE table_name = 't' AND column_name = 'a'"
    assert store.rows(words)[0][0] == WORDS[kind].partition("(")[0]
    second = project.flowc("run", "--once")
    assert second.code == 0
    assert "1 updated" not in second.out + second.err
    assert store.rows("SELECT x, length(a) FROM t") == [(1, 1)]
