"""`name = value` among the arguments of a table function names a parameter, and no column."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowc.compiler import stages
from flowc.diagnostics import Reporter

SPEC = """
project: shop
connections: {{ d: {{ kind: duckdb, path: d.duckdb }}, db: {{ kind: sqlite, path: shop.db }} }}
tables:
  out: {{ connection: db, columns: {{ a: bigint }} }}
  t: {{ connection: d, columns: {{ a: bigint }} }}
pipelines:
  copy: {{ from: d, sql: "{sql}", to: out, mode: append }}
"""


def codes(folder: Path, sql: str) -> list[str]:
    (folder / "specs").mkdir()
    (folder / "specs/s.yaml").write_text(SPEC.format(sql=sql), "utf-8")
    reporter = Reporter()
    stages.lint([folder / "specs"], reporter)
    return [each.code for each in reporter.sorted() if each.severity.name == "ERROR"]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a FROM read_csv('a.csv', header = true)",
        "SELECT a FROM read_csv('a.csv', header := true)",
        "SELECT a FROM read_csv('a.csv', delim = ';', columns = {'a': 'BIGINT'})",
        "SELECT a FROM read_parquet('a.parquet', union_by_name = true)",
        "SELECT a FROM main.my_rows(wanted = 3)",
        "SELECT t.a FROM t JOIN read_csv('a.csv', header = true) x ON x.a = t.a",
    ],
)
def test_a_parameter_is_no_column(tmp_path, sql):
    assert codes(tmp_path, sql) == []


@pytest.mark.parametrize(
    "sql", ["SELECT t.a FROM t, range(t.gone) x", "SELECT t.a FROM t, generate_series(1, t.gone) x"]
)
def test_the_columns_of_other_arguments_are_looked_up(tmp_path, sql):
    assert codes(tmp_path, sql) == ["unknown-column"]
