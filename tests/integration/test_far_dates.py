"""Dates of DuckDB that PostgreSQL has no place for are refused, as what they are."""

import duckdb
import pytest

SPEC = """
connections: {{ d: {{ kind: duckdb, path: d.duckdb }}, p: {{ kind: postgres, url: "{postgres}" }} }}
pipelines:
  x: {{ from: d, sql: SELECT v FROM t, to: {{ connection: p, table: far }}, mode: append }}
"""


@pytest.mark.parametrize("value", ["infinity", "-infinity"])
def test_infinite_dates_are_refused(project, postgres, value):
    with duckdb.connect(str(project.path / "d.duckdb")) as made:
        made.execute(f"CREATE TABLE t AS SELECT DATE '{value}' AS v")
    project.write("specs/p.yaml", SPEC.format(postgres=postgres))
    done = project.flowc("run", "--once")
    assert done.code == 1
    assert f"`{value}` is an infinity" in done.out + done.err
