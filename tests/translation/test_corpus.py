"""Every query of the corpus means the same on every engine, or is refused, or is listed as known to fail."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.translation.compare import same_rows
from tests.translation.corpus import DIALECTS, Case, cases
from tests.translation.engines import ENGINES, Run, open_datafusion, open_duckdb, open_postgres, open_sqlite
from tests.translation.outcomes import Outcome, Outcomes, Verdict, is_ordered, outcome
from tests.translation.report import PAGE, page

LEAST = {"duckdb": 0.90, "datafusion": 0.90, "postgres": 0.85, "sqlite": 0.55}
"""The share of the corpus that must pass."""


@pytest.fixture(scope="module")
def runs(postgres_module: str) -> dict[str, Run]:
    with (
        open_duckdb() as duck,
        open_datafusion() as fusion,
        open_sqlite() as lite,
        open_postgres(postgres_module) as post,
    ):
        yield {"duckdb": duck, "datafusion": fusion, "sqlite": lite, "postgres": post}


@pytest.fixture(scope="module")
def outcomes(runs: dict[str, Run]) -> Outcomes:
    return {(case, engine): outcome(case, engine, runs[engine]) for case in cases() for engine in ENGINES}


def of(outcomes: Outcomes, engine: str, verdict: Verdict) -> dict[Case, Outcome]:
    return {case: found for (case, name), found in outcomes.items() if name == engine and found.verdict is verdict}


def test_the_corpus_is_wide():
    assert len(cases()) >= 220
    assert Counter(case.dialect for case in cases()).keys() == set(DIALECTS)
    assert len({case.id for case in cases()}) == len(cases())


@pytest.mark.parametrize("engine", ["duckdb", "postgres"])
def test_expected_rows_are_what_the_dialects_own_engine_gives(engine: str, runs: dict[str, Run]):
    differing = {
        case.id: rows
        for case in cases()
        if case.dialect == engine
        and not same_rows(case.rows, rows := runs[engine](case.sql), ordered=is_ordered(case), loose=False)
    }
    assert differing == {}


@pytest.mark.parametrize("engine", ENGINES)
def test_no_result_is_wrong_in_silence(engine: str, outcomes: Outcomes):
    wrong = {case.id: (found.text, found.detail) for case, found in of(outcomes, engine, Verdict.WRONG).items()}
    assert wrong == {}


@pytest.mark.parametrize("engine", ENGINES)
def test_only_listed_queries_fail(engine: str, outcomes: Outcomes):
    """A query that begins to pass must leave the list."""
    failing = {case.id: found.detail for case, found in of(outcomes, engine, Verdict.REFUSED).items()}
    known = {case.id for case in cases() if engine in dict(case.known)}
    assert failing.keys() - known == set(), failing
    assert known - failing.keys() == set(), "these no longer fail: take their `--!` line away"


@pytest.mark.parametrize("engine", ENGINES)
def test_most_queries_pass(engine: str, outcomes: Outcomes):
    assert len(of(outcomes, engine, Verdict.PASS)) >= LEAST[engine] * len(cases())


@pytest.mark.parametrize("engine", ENGINES)
def test_a_refusal_says_why(engine: str, outcomes: Outcomes):
    assert [case.id for case, found in of(outcomes, engine, Verdict.DIAGNOSED).items() if not found.detail] == []


def test_the_page_is_current(outcomes: Outcomes):
    assert PAGE.read_text("utf-8") == page(outcomes), "run `python -m tests.translation --write`"
