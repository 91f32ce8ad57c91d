"""Warnings that a project does not want are not told; the others are told by `flowc lint`, and only there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import Folder, Inside

SPECS = """{lint}
connections:
  db: {{ kind: duckdb, path: a.duckdb }}
tables:
  t: {{ connection: db, columns: {{ id: bigint not null, a: text }} }}
  u: {{ connection: db, columns: {{ id: bigint, a: text }} }}
pipelines:
  p:
    {yaml}
    sql: |
      SELECT id, a
      FROM u
      {above}
      WHERE a = NULL {sql}
    to: {{ connection: db, table: x }}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Inside(tmp_path)


def warned(folder: Folder, lint: str = "", yaml: str = "", sql: str = "", above: str = "") -> list[str]:
    folder.write("specs/a.yaml", SPECS.format(lint=lint, yaml=yaml, sql=sql, above=above))
    done = folder.flowc("lint", "--json")
    assert done.code == 0
    return [each["code"] for each in done.json]


def test_a_warning_is_told_until_it_is_disabled(folder):
    assert warned(folder) == ["null-comparison"]
    assert warned(folder, lint="lint: { disable: [null-comparison] }") == []
    assert warned(folder, lint="lint: { disable: [select-star] }") == ["null-comparison"]


@pytest.mark.parametrize(
    "where",
    [
        {"sql": "-- flowc: disable=null-comparison"},
        {"sql": "-- flowc: disable = select-star, null-comparison"},
        {"above": "-- flowc: disable=null-comparison"},
    ],
)
def test_a_comment_disables_a_line(folder, where):
    assert warned(folder, **where) == []


def test_a_comment_elsewhere_disables_nothing(folder):
    assert warned(folder, yaml="# flowc: disable=null-comparison") == ["null-comparison"]
    assert warned(folder, sql="-- flowc: disable=select-star") == ["null-comparison"]


def test_a_comment_in_yaml_disables_its_line(folder):
    secret = "  pg: { kind: postgres, url: 'postgres://u:geheim@h/d' }"
    folder.write("specs/b.yaml", f"connections:\n{secret}\n")
    assert warned(folder, sql="-- flowc: disable=null-comparison") == ["secret-literal"]
    folder.write("specs/b.yaml", f"connections:\n{secret}  # flowc: disable=secret-literal\n")
    assert warned(folder, sql="-- flowc: disable=null-comparison") == []


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("unknown-column", "error-not-disabled] `unknown-column` is an error, and only warnings can be disabled"),
        ("null-comparisson", "unknown-code] there is no code `null-comparisson`"),
    ],
)
def test_what_names_no_warning_is_told_where_it_is_written(folder, code, said):
    both = f"select-star, {code}"
    yaml, sql = f"# flowc: disable={both}", f"-- flowc: disable={both}"
    specs = SPECS.format(lint=f"lint: {{ disable: [{both}] }}", yaml=yaml, sql=sql, above="")
    folder.write("specs/a.yaml", specs.replace("sql: |", "sql_file: a.sql\n    description: |"))
    folder.write("a.sql", f"SELECT id, a FROM u\n-- flowc: disable={both}\nWHERE id = 1")
    out = folder.flowc("lint", "--format", "concise").out
    for place in ("specs/a.yaml:1:32", "specs/a.yaml:9:35", "specs/a.yaml:15:53", "a.sql:2:32"):
        assert f"{place}: warning[{said}" in out, out


def test_errors_are_never_disabled(folder):
    folder.write("specs/b.yaml", "lint: { disable: [unknown-column] }\n")
    folder.write(
        "specs/a.yaml",
        SPECS.format(lint="", yaml="", sql="AND zz = 1  -- flowc: disable=unknown-column", above=""),
    )
    assert "error[unknown-column]" in folder.flowc("lint").out


def test_a_code_that_is_none_is_told(folder):
    folder.write("specs/b.yaml", "lint: { disable: [null-comparision] }\n")
    folder.write("specs/a.yaml", SPECS.format(lint="", yaml="", sql="", above=""))
    shown = folder.flowc("lint").out
    assert "warning[unknown-code]: there is no code `null-comparision`" in shown
    assert "did you mean `null-comparison`?" in shown


@pytest.mark.parametrize("command", [("run", "--once"), ("status",), ("plan",), ("compile",), ("graph",), ("test",)])
def test_only_lint_tells_warnings(folder, command):
    assert warned(folder) == ["null-comparison"]
    folder.flowc("apply", "--yes")
    done = folder.flowc(*command)
    assert done.code == 0 or command[0] == "run", done.err
    assert "warning[" not in done.err + done.out
