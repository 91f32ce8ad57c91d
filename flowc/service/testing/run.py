"""Runs the tests of a project: the same compiler and runtime, with rows that are given and databases in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic

from flowc.compiler.front.project import ProjectSpec
from flowc.compiler.front.streamspec import TestSpec
from flowc.diagnostics import did_you_mean
from flowc.errors import FlowcError, UsageError
from flowc.service.loads.planning import LOAD_TIME
from flowc.service.testing.compare import Difference, compare
from flowc.service.testing.embedded import embedded, memory_sessions
from flowc.service.testing.pipelines import Project, Written, run_pipeline_test
from flowc.service.testing.rows import Misplaced
from flowc.service.testing.streams import run_stream_test
from flowc.source import Span


@dataclass(frozen=True, slots=True)
class TestReport:
    """One test. `error` is what it failed with, `difference` what differs; neither when it passed."""

    __test__ = False

    name: str
    subject: str
    span: Span
    seconds: float
    error: FlowcError | None = None
    difference: Difference | None = None

    @property
    def passed(self) -> bool:
        """Whether all was as expected."""
        return self.error is None and not self.difference


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
    checked, ir = embedded(project, env)
    made = Project(checked, ir, env)
    for test in tests:
        yield _report(test, made)


def _report(test: TestSpec, project: Project) -> TestReport:
    began = monotonic()
    error, difference = _outcome(test, project)
    return TestReport(test.name.value, test.subject.value, test.name.span, monotonic() - began, error, difference)


def _outcome(test: TestSpec, project: Project) -> tuple[FlowcError | None, Difference | None]:
    expected = test.expect_error
    try:
        written = _run(test, project)
    except Misplaced as error:
        return error, None
    except FlowcError as error:
        return (None if expected is not None and _says(error, expected.value) else error), None
    if expected is not None:
        message = f"nothing failed, and the test expects an error that says `{expected.value}`"
        return Misplaced(message, expected.span, code="test-failed"), None
    try:
        return None, compare(test.expect, written.columns, written.rows) if test.expect is not None else None
    except Misplaced as error:
        return error, None


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
    try:
        found = datetime.fromisoformat(given.value)
    except ValueError as error:
        message = f"`now` is no time: `{given.value}`"
        raise Misplaced(message, given.span, code="not-testable", help="write `2026-01-01T00:00:00Z`") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)
