"""What is wrong with one huge value is told in little, and of thousands of problems alike some are shown."""

from __future__ import annotations

import json

import pytest

from flowc.diagnostics import Diagnostic, Note, Reporter, Severity
from flowc.errors import DataError
from flowc.render.diagnostics import FORMATS, render
from flowc.render.failure import failure
from flowc.render.style import Style
from tests.commands import Inside

HUGE = "x" * 200_000
SPEC = f"""
connections: {{ db: {{ kind: sqlite, path: a.db }}, odd: {{ kind: "{HUGE}" }} }}
tables: {{ t: {{ connection: db, columns: {{ a: bigint, b: "{HUGE}" }} }} }}
pipelines:
  p: {{ sql: SELECT 1 AS a, to: t, mode: "{HUGE}" }}
  q: {{ sql: "SELECT {HUGE} AS a", to: t, mode: append }}
  r: {{ sql: "SELECT a FROM {HUGE}", to: "{HUGE}", mode: append, expect: ["{HUGE}"], depends_on: ["{HUGE}"] }}
  s: {{ sql: "SELECT '{HUGE}' + + FROM", to: t, mode: append, schedule: "{HUGE}", tags: [{", ".join(["1"] * 3000)}] }}
"""


@pytest.fixture
def folder(tmp_path) -> Inside:
    folder = Inside(tmp_path)
    folder.write("specs/a.yaml", SPEC)
    return folder


@pytest.mark.parametrize("form", FORMATS)
def test_one_huge_value_makes_little_output(folder: Inside, form: str):
    done = folder.flowc("lint", "--format", form)
    assert done.code == 1
    assert len(done.out) < 150_000
    assert "2,901 more problems" in done.out


def test_a_run_says_as_little_of_it(folder: Inside):
    done = folder.flowc("run", "--once")
    assert (done.code, len(done.out) + len(done.err) < 150_000) == (1, True)


def test_all_of_a_diagnostic_is_bounded_and_the_end_of_its_message_stays():
    reporter = Reporter()
    notes = [Note(HUGE)] * 100
    reporter.error("a-code", f"`{HUGE}` does not fit", label=HUGE, notes=notes, helps=[HUGE] * 100)
    (shown,) = reporter.found
    assert shown.message.endswith("x` does not fit")
    assert len(repr(shown)) < 150_000


def test_every_code_is_shown_however_often_another_one_occurs():
    many = [Diagnostic("many", Severity.ERROR, f"problem {i}") for i in range(100_000)]
    shown = json.loads(render([*many, Diagnostic("one", Severity.ERROR, "another")], "json", Style()))
    assert [each["code"] for each in shown] == ["many"] * 100 + ["one"]
    assert "99,900 more problems of this code" in shown[99]["message"]


def test_what_a_failure_says_is_bounded():
    error = DataError(f"`{HUGE}` does not fit", code="x", help=HUGE, details=(HUGE,) * 1000)
    assert len(failure(error, Style())) < 450_000
    error.mask(lambda text: text.replace("fit", "***"))
    assert error.message.endswith("does not ***")
    assert len(failure(error, Style())) < 250_000
