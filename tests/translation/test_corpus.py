"""Every query of the corpus means the same on every engine, or is refused, or is listed as known to fail."""

from __future__ import annotations

from collections import Counter

import pytest

from flowc.compiler.dialects import as_read
from flowc.compiler.sql.rewrite import rewrite as reword
from tests.extended import with_extended
from tests.translation.compare import same_rows
from tests.translation.corpus import DIALECTS, Case, cases
from tests.translation.engines import ENGINES, Run, open_engines
from tests.translation.outcomes import Outcome, Outcomes, Verdict, is_ordered, outcomes_of, translated, translated_once
from tests.translation.report import PAGE, page

LEAST = {"duckdb": 0.90, "datafusion": 0.90, "postgres": 0.85, "sqlite": 0.65, "mysql": 0.33}
"""The share of the corpus that must pass."""


@pytest.fixture(scope="module")
def runs(postgres_module: str, mysql_module: str) -> dict[str, Run]:
    with open_engines(postgres_module, mysql_module) as runs:
        yield runs


@pytest.fixture(scope="module")
def outcomes(runs: dict[str, Run]) -> Outcomes:
    return outcomes_of(runs)


def of(outcomes: Outcomes, engine: str, verdict: Verdict) -> dict[Case, Outcome]:
    return {case: found for (case, name), found in outcomes.items() if name == engine and found.verdict is verdict}


def test_the_corpus_is_wide():
    assert len(cases()) >= 220
    assert Counter(case.dialect for case in cases()).keys() == set(DIALECTS)
    assert len({case.id for case in cases()}) == len(cases())


@pytest.mark.parametrize("engine", ["duckdb", "postgres", "mysql"])
def test_expected_rows_are_what_the_dialects_own_engine_gives(engine: str, runs: dict[str, Run]):
    differing = {
        case.id: rows
        for case in cases()
        if case.dialect == engine
        and engine not in dict(case.known)
        and not same_rows(case.rows, rows := runs[engine](as_read(case.sql, engine)), ordered=is_ordered(case))
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


@pytest.mark.parametrize("engine", with_extended(["datafusion"], [each for each in ENGINES if each != "datafusion"]))
def test_what_a_rule_changes_is_seen_by_the_rules_after_it(engine: str, monkeypatch: pytest.MonkeyPatch):
    """A tree is looked through anew where its hash is gone, as with no hash it is before each table of rules."""
    found = {case.id: translated_once(case, engine) for case in cases()}
    monkeypatch.setattr(reword, "hash", lambda tree: None, raising=False)
    assert {case.id: translated(case, engine) for case in cases()} == found
