"""Runs the tests of a project: the same compiler and runtime, with rows that are given and databases in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from time import monotonic

from flowc.compiler.front.project import ProjectSpec
from flowc.compiler.front.spec import Name
from flowc.compiler.front.streamspec import RowSpec, RowsSpec, TestSpec
from flowc.compiler.names.teststeps import INSTANT
from flowc.diagnostics import did_you_mean
from flowc.durations import parse_instant
from flowc.errors import FlowcError, UsageError
from flowc.service.loads.planning import LOAD_TIME
from flowc.service.testing.compare import Difference, Missing, compare
from flowc.service.testing.embedded import Project, embedded, memory_sessions
from flowc.service.testing.pipelines import Moment, Written, run_pipeline_test
from flowc.service.testing.rows import Misplaced
from flowc.service.testing.streams import run_stream_test
from flowc.source import Span


@dataclass(frozen=True, slots=True)
class StepReport:
    """A step by which the target got other rows than the test says."""

    moment: Moment
    difference: Difference


@dataclass(frozen=True, slots=True)
class TestReport:
    """One test. `error` is what it failed with, `difference` what differs at its end; neither when it passed.

    `steps` are those in which something differs, `failed` is the one in which the error came.
    """

    __test__ = False

    name: str
    subject: str
    span: Span
    seconds: float
    error: FlowcError | None = None
    difference: Difference | None = None
    steps: tuple[StepReport, ...] = ()
    failed: Moment | None = None

    @property
    def passed(self) -> bool:
        """Whether all was as expected."""
        return self.error is None and not self.difference and not self.steps


def chosen_tests(project: ProjectSpec, names: Sequence[str]) -> tuple[TestSpec, ...]:
    """The named tests and those of named pipelines and streams, or all of them.

    Raises UsageError for a name that none has.
    """
    known = project.tests
    subjects = {test.subject.value for test in known.values()}
    for name in names:
        if name not in known and name not in subjects:
            helps = did_you_mean(name, [*known, *subjects]) or ("name a test, or what it tests",)
            raise UsageError(f"there is no test `{name}`", code="unknown-selection", help=helps[0])
    return tuple(test for name, test in known.items() if not names or name in names or test.subject.value in names)


def run_tests(project: ProjectSpec, tests: Sequence[TestSpec], env: Mapping[str, str]) -> Iterator[TestReport]:
    """Runs one after the other, each in databases of its own."""
    made = embedded(project, env)
    for test in tests:
        yield _report(test, made)


def _report(test: TestSpec, project: Project) -> TestReport:
    began = monotonic()
    report = _judged(TestReport(test.name.value, test.subject.value, test.name.span, 0.0), test, project)
    return replace(report, seconds=monotonic() - began)


def _judged(report: TestReport, test: TestSpec, project: Project) -> TestReport:
    """The report of a test with what it comes to."""
    try:
        written = _run(test, project)
    except FlowcError as error:
        return replace(report, error=_unexpected(error, test.expect_error))
    try:
        report = replace(report, steps=tuple(_differing(written)))
        if test.expect_error is not None or written.error is not None:
            told = _unexpected(written.error, test.expect_error)
            return replace(report, error=told, failed=written.failed if told is written.error else None)
        expected = test.expect
        found = None if expected is None else compare(expected, written.columns, written.rows)
        return replace(report, difference=found)
    except FlowcError as error:
        return replace(report, error=error)


def _differing(written: Written) -> Iterator[StepReport]:
    for moment, rows in written.emitted:
        emits = moment.step.emits
        if emits is not None and (found := compare(emits, written.columns, rows)):
            missing = tuple(replace(each, step=_came(each, moment, written)) for each in found.missing)
            yield StepReport(moment, replace(found, missing=missing))


def _came(missing: Missing, expected: Moment, written: Written) -> int | None:
    """The number of another step by which the target got a row that it did not get by the one that says so.

    Of several it is the next one behind that, else the last one before it.
    """
    alone = RowsSpec(expected.step.action, (RowSpec(missing.row, {}, {}, missing.span),), missing.span)
    steps = {moment.number: rows for moment, rows in written.emitted if moment is not expected}
    order = sorted(steps, key=lambda number: (number < expected.number, abs(number - expected.number)))
    return next((number for number in order if not compare(alone, written.columns, steps[number]).missing), None)


def _unexpected(error: FlowcError | None, expected: Name | None) -> FlowcError | None:
    """What is to be told of what a test failed with, or did not, where it may expect that it fails."""
    if isinstance(error, Misplaced):
        return error
    if error is None and expected is not None:
        message = f"nothing failed, and the test expects an error that says `{expected.value}`"
        return Misplaced(message, expected.span, code="test-failed")
    return None if error is not None and expected is not None and _says(error, expected.value) else error


def _says(error: FlowcError, text: str) -> bool:
    return any(text in part for part in (error.code, error.message, *error.details))


def _run(test: TestSpec, project: Project) -> Written:
    now = _now(test)
    run: Callable[..., Written] = run_pipeline_test if test.pipeline is not None else run_stream_test
    sessions = memory_sessions(project.checked)
    try:
        return run(test, test.subject.value, project, sessions, now)
    finally:
        sessions.end()


def _now(test: TestSpec) -> datetime:
    given = test.now
    if given is None:
        return LOAD_TIME
    found = parse_instant(given.value)
    if found is None:
        message = f"`now` is no time: `{given.value}`"
        raise Misplaced(message, given.span, code="not-testable", help=INSTANT)
    return found
