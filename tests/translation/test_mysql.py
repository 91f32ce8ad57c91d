"""SQL of PostgreSQL on MySQL: the rows that PostgreSQL gives, an error, or refused; never others."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from decimal import Decimal
from random import Random

import pytest

from tests.translation.compare import same_rows
from tests.translation.corpus import Case
from tests.translation.engines import LOOSE, Failed, Rows, Run, open_mysql, open_postgres
from tests.translation.outcomes import translated
from tests.translation.queries import Queries
from tests.translation.test_postgres import CHAPTERS, lines, query

EXAMPLES = int(os.environ.get("FLOWC_MODEL_EXAMPLES", "150"))
"""Of random queries, of which most are refused."""
OTHERWISE = ("payload", "x * 0")
"""In what differs for the form of a document, or for rows that PostgreSQL takes in no certain order."""


@pytest.fixture(scope="module")
def runs(postgres_module: str, mysql_module: str) -> Iterator[tuple[Run, Run]]:
    with open_postgres(postgres_module) as postgres, open_mysql(mysql_module) as mysql:
        yield postgres, mysql


def _agreed(queries: Iterable[str], runs: tuple[Run, Run]) -> int:
    """How many queries both give the same rows for; none may have others."""
    agreed, wrong = 0, {}
    for sql in queries:
        text, why = translated(Case("mysql", "postgres", sql, sql, ()), "mysql")
        assert text is not None or why, sql
        found, expected = (None, None) if text is None else (_rows(runs[1], text), _rows(runs[0], sql))
        if found is None or expected is None:
            continue
        if same_rows(_exact(expected), found, ordered=" ORDER BY " in sql, loose=LOOSE["mysql"]):
            agreed += 1
        elif not any(mark in sql for mark in OTHERWISE):
            wrong[sql] = (text, expected, found)
    assert wrong == {}
    return agreed


def _rows(run: Run, sql: str) -> Rows | None:
    """What an engine gives; None where it fails."""
    try:
        return run(sql)
    except Failed:
        return None


def _exact(rows: Rows) -> Rows:
    return [tuple(Decimal(repr(v)) if type(v) in (int, float) else v for v in row) for row in rows]


def test_expressions_and_queries(runs: tuple[Run, Run]):
    assert _agreed((query(line) for chapter in CHAPTERS for line in lines(chapter)), runs) > 400


def test_random_queries(runs: tuple[Run, Run]):
    assert _agreed((Queries(Random(seed)).query() for seed in range(EXAMPLES)), runs) > EXAMPLES / 8
