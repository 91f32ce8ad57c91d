"""`flowc test`: given these rows, expect those."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Collection

import click

from flowc.api.choosing import expand
from flowc.cli.arguments import environment_option, format_option, specs_and_names
from flowc.cli.console import conceal, out, say, style_for
from flowc.cli.project import stopped
from flowc.compiler import stages
from flowc.compiler.checked import CheckedSpec
from flowc.compiler.front.project import ProjectSpec
from flowc.diagnostics import Reporter
from flowc.masker import Masker
from flowc.render.tests import outcome_text, outcomes_json, outcomes_summary
from flowc.runtime.lean import without_pandas

_UNDONE = "nothing was tested"


@click.command()
@click.argument("arguments", nargs=-1, metavar="[SPECS]... [NAME]...")
@format_option()
@environment_option
def command(arguments: tuple[str, ...], form: str, environment: str | None) -> int:
    """Run the tests of pipelines and streams, without any server.

    NAME is that of a test, or of what is tested. Sources hold the rows that a test gives, targets are tables of DuckDB
    in memory, and SQL is translated to it. Connects to nothing. Exit code 1 when a test failed.
    """
    paths, names = specs_and_names(arguments)
    reporter = Reporter(masker=conceal(Masker()))
    project = stages.load_project(paths, reporter, environment=environment, env=os.environ)
    if project is None:
        raise stopped(reporter.sorted(), _UNDONE)
    checked = stages.resolve(project, reporter)
    ir = stages.lower(checked, reporter, env=os.environ)
    if reporter.has_errors:
        raise stopped(reporter.sorted(), _UNDONE)
    return _run(project, expand(names, checked, ir, _tested), as_json=form == "json")


def _tested(checked: CheckedSpec) -> Collection[str]:
    """The pipelines and streams that have tests."""
    return {test.subject.value for test in checked.project.tests.values()}


def _run(project: ProjectSpec, names: list[str], *, as_json: bool) -> int:
    without_pandas()
    testing = importlib.import_module("flowc.service.testing.run")
    tests = testing.chosen_tests(project, names)
    if not tests and not as_json:
        say("the specs hold no tests")
        return 0
    reports = []
    for report in testing.run_tests(project, tests, os.environ):
        reports.append(report)
        if not as_json:
            out(outcome_text(report, style_for(sys.stdout)))
    out(outcomes_json(reports) if as_json else outcomes_summary(reports))
    return 0 if all(report.passed for report in reports) else 1
