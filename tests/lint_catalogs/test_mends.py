"""Mends that lint shows, written where they belong: what was wrong is right then."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flowc.compiler import stages
from flowc.diagnostics import Diagnostic, Reporter

_SPEC = """
connections:
  db: {{ kind: postgres, url: "postgres://nobody@localhost/none" }}
tables:
  people:
    connection: db
    columns: {{ id: bigint primary key, customer: bigint, born: text, rows: integer }}
  report:
    connection: db
    columns: {{ id: bigint primary key, customer_id: bigint not null, day: date, score: integer }}
pipelines:
  build:
    sql: |
      {sql}
    to: report
"""
_MEND = re.compile(r": `((?:COALESCE|CAST)\((.+?)(?:, …| AS integer)\) AS (\w+))`")


def _linted(folder: Path, sql: str) -> list[Diagnostic]:
    path = folder / "specs" / "project.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(_SPEC.format(sql=sql), "utf-8")
    reporter = Reporter()
    stages.lint([path], reporter)
    return reporter.sorted()


@pytest.mark.parametrize(
    ("column", "code"),
    [
        ("customer AS customer_id", "nullable-into-not-null"),
        ("p.customer AS customer_id", "nullable-into-not-null"),
        ('p."customer" AS "customer_id"', "nullable-into-not-null"),
        ("p.customer customer_id", "nullable-into-not-null"),
        ("abs(p.customer) AS customer_id", "nullable-into-not-null"),
        ("1 AS customer_id, p.born AS score", "type-mismatch"),
    ],
)
def test_a_mend_is_of_the_expression_not_of_its_name(tmp_path, column, code):
    sql = f"SELECT id, {column} FROM people p"
    found = [d for d in _linted(tmp_path, sql) if d.code == code]
    assert found, column
    mend, words, name = _MEND.search(found[0].helps[-1]).groups()  # type: ignore[union-attr]
    assert words in sql
    mended = re.sub(rf'{re.escape(words)}( AS)? "?{name}"?', mend.replace("…", "0"), sql)
    assert mended != sql
    assert _linted(tmp_path, mended) == [], mended


def test_a_cast_that_the_database_lacks_is_not_advised(tmp_path):
    found = _linted(tmp_path, "SELECT id, 1 AS customer_id, rows AS day FROM people")
    assert [(d.code, d.helps) for d in found] == [("type-mismatch", ())]


def test_a_mend_that_cannot_be_shown_names_no_column(tmp_path):
    sql = "SELECT id, (CASE WHEN id > 1 THEN customer END) AS customer_id FROM people"
    found = [d for d in _linted(tmp_path, sql) if d.code == "nullable-into-not-null"]
    assert found[0].helps == ("give a value for NULL: `COALESCE(…, …)`",)


def test_a_copy_is_not_told_to_edit_sql_that_it_does_not_have(tmp_path):
    path = tmp_path / "project.yaml"
    source = "  given:\n    connection: db\n    columns: { id: bigint primary key, customer_id: bigint }\npipelines:"
    text = _SPEC.format(sql="").replace("sql: |\n", "from: { connection: db, table: given }\n")
    path.write_text(text.replace("pipelines:", source), "utf-8")
    reporter = Reporter()
    stages.lint([path], reporter)
    found = [d for d in reporter.sorted() if d.code == "nullable-into-not-null"]
    assert [d.helps for d in found] == [
        ("declare the column of the source NOT NULL if it never is NULL, or let the column of the table be NULL",)
    ]
