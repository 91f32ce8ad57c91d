"""Rules over the SQL of pipelines."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowc.compiler import stages
from flowc.diagnostics import Reporter
from tests.unit.project import BASE, Found, found, write


@pytest.mark.parametrize("dialect", ["datafusion", "duckdb", "bigquery"])
@pytest.mark.parametrize(
    ("sql", "word"),
    [
        ("SELECT id FROM x JOIN y USING name()", "name"),
        ("SELECT id FROM x JOIN y USING (id, 1 + 1)", "+"),
        ("SELECT * REPLACE (upper(name)) FROM x", "upper(name"),
        ("SELECT x.* REPLACE y (upper(name) AS name) FROM x", "y (upper(name) AS name"),
    ],
)
def test_what_has_to_be_a_name_is_one(tmp_path: Path, dialect: str, sql: str, word: str):
    text = f'{BASE}pipelines:\n  p: {{ sql: "{sql}", dialect: {dialect}, to: {{ connection: db, table: out }} }}\n'
    reporter = Reporter()
    stages.lint([write(tmp_path, text)], reporter)
    assert ("sql-syntax", word) in [(code, shown) for code, shown in found(reporter.sorted())]


@pytest.mark.parametrize(
    ("sql", "problems"),
    [
        (
            "SELECT id FROM x WHERE a = NULL OR b <> NULL",
            [("null-comparison", "= NULL"), ("null-comparison", "<> NULL")],
        ),
        ("SELECT id FROM x WHERE a IS NULL AND b = ' = NULL' /* = NULL */", []),
        ("SELECT id FROM x LIMIT 5", [("limit-without-order", "5")]),
        ("SELECT id FROM (SELECT id FROM x LIMIT 5) q ORDER BY id", [("limit-without-order", "5")]),
        ("SELECT id FROM x WHERE EXISTS (SELECT 1 FROM y LIMIT 1) ORDER BY id LIMIT 5", []),
        ('SELECT id AS \\"limit\\" FROM x', []),
    ],
)
def test_a_trap_is_a_warning(tmp_path: Path, sql: str, problems: list[Found]):
    text = f'{BASE}pipelines:\n  p: {{ sql: "{sql}", to: {{ connection: db, table: out }} }}\n'
    reporter = Reporter()
    linted = stages.lint([write(tmp_path, text)], reporter)
    assert found(reporter.sorted()) == problems
    assert linted is not None
    assert linted[1].pipeline("p") is not None
