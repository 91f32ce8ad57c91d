"""Tests of pipelines: the load itself, in embedded databases that hold the rows that are given."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime

import pyarrow as pa

from flowc.catalog import Column, TableName
from flowc.compiler.dialects import RUNNER
from flowc.compiler.front.streamspec import StepSpec, TestSpec
from flowc.compiler.ir import Apply, Pipeline, Source, Sql
from flowc.compiler.lowering.lower import lower_pipeline
from flowc.compiler.names.resolve import resolve
from flowc.compiler.quote import table
from flowc.diagnostics import Reporter, Severity
from flowc.errors import DataError, FlowcError, UsageError
from flowc.service.access.sessions import Sessions
from flowc.service.loads.run import Run, Silent, run_pipelines
from flowc.service.testing.embedded import Project
from flowc.service.testing.rows import Misplaced
from flowc.service.testing.seed import UNTESTABLE, Seed

_TEXTS = re.compile(r"'(?:[^']|'')*'")
_CLOCK = re.compile(
    r"\b(?:now\s*\(|current_timestamp|current_date|current_time|localtimestamp|localtime)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Moment:
    """A step of a test, its number from 1, and where clock and watermark were behind it."""

    number: int
    step: StepSpec
    clock: datetime
    watermark: datetime | None


@dataclass(frozen=True, slots=True)
class Written:
    """What a target holds after a test.

    `emitted` are the rows that it got by each step. `failed` is the step in which the stream failed, and `error` what
    it failed with.
    """

    columns: tuple[Column, ...]
    rows: pa.Table
    emitted: tuple[tuple[Moment, pa.Table], ...] = ()
    error: FlowcError | None = None
    failed: Moment | None = None


def run_pipeline_test(test: TestSpec, name: str, project: Project, sessions: Sessions, now: datetime) -> Written:
    """Gives the rows, runs the load, and reads its target.

    Raises FlowcError for what the load refuses, and Misplaced for what cannot be tested so.
    """
    pipeline = next((found for found in project.ir.pipelines if found.name == name), None)
    if pipeline is None:
        raise _uncompiled(test, name, project)
    if len(pipeline.applies) != 1:
        message = f"pipeline `{name}` writes {len(pipeline.applies)} targets, and a test tells the rows of one"
        raise Misplaced(message, test.subject.span, code=UNTESTABLE, help="test a pipeline of one target")
    _check_clock(test, pipeline.applies[0].input)
    apply = _given(test, pipeline.applies[0], project, sessions)
    _load(replace(pipeline, applies=(apply,), depends_on=()), project, sessions, now)
    place = apply.target.connection, apply.target.name, sessions
    return Written(columns_of(*place), rows_of(*place))


def _uncompiled(test: TestSpec, name: str, project: Project) -> Misplaced:
    reporter = Reporter()
    resolve(project.checked.project, reporter)
    lower_pipeline(project.checked, name, reporter, env=project.env)
    reasons = [found.message for found in reporter.found if found.severity is Severity.ERROR]
    message = f"pipeline `{name}` cannot be tested: it does not compile for DuckDB, which tests run on"
    help = f"there, {reasons[0]}" if reasons else "run it on its own databases"
    return Misplaced(message, test.subject.span, code=UNTESTABLE, help=help)


def _check_clock(test: TestSpec, node: Sql | Source) -> None:
    """`now` sets the time of the load; what a query of a database says of the time comes from the engine."""
    text = _TEXTS.sub("", node.text) if isinstance(node, Sql) else ""
    if test.now is not None and _CLOCK.search(text):
        message = "`now` does not reach the SQL of a pipeline, and this one asks for the time"
        help = "leave `now` out, and the columns that come of it out of `expect`"
        raise Misplaced(message, test.now.span, code=UNTESTABLE, help=help)


def _given(test: TestSpec, apply: Apply, project: Project, sessions: Sessions) -> Apply:
    """The load with its sources replaced by the rows that are given."""
    seed, node = Seed(test, project, sessions), apply.input
    made: Sql | Source = node
    seed.ready(apply.target)
    if _not_read(apply):
        seed.target(apply, node.columns, read=isinstance(node, Sql) and apply.target.name in node.reads)
    if isinstance(node, Source):
        made = seed.source(node)
        listed = [node.name, *([str(node.table)] if node.table else [])]
    elif node.engine == RUNNER:
        made = replace(node, inputs=tuple(seed.source(source) for source in node.inputs))
        listed = [source.name for source in node.inputs]
    else:
        seed.reads(node)
        listed = [str(read) for read in node.reads]
    seed.check_used(listed, [apply.target])
    return replace(apply, input=made, quarantine=None)


def _not_read(apply: Apply) -> bool:
    """Whether rows under the target's name are the target's: they are, unless a source has that name."""
    node = apply.input
    sources = (node,) if isinstance(node, Source) else node.inputs if node.engine == RUNNER else ()
    return apply.target.name.name not in {source.name for source in sources}


def _load(pipeline: Pipeline, project: Project, sessions: Sessions, now: datetime) -> None:
    run = Run(project.checked, (pipeline,), sessions, Silent(), env=project.env, now=lambda: now)
    report = run_pipelines(run).pipelines[-1]
    error = report.error or next((target.error for target in report.targets if target.error), None)
    found = [d for t in report.targets for d in t.diagnostics]
    if error is not None:
        raise error
    if found:
        first, help = found[0], next(iter(found[0].helps), None)
        if first.span is not None:
            raise Misplaced(first.message, first.span, code=first.code, help=help)
        raise DataError(first.message, code=first.code, help=help)


def columns_of(connection: str, name: TableName, sessions: Sessions) -> tuple[Column, ...]:
    """The columns of a table. Raises UsageError where it is not there."""
    live = sessions.target(connection).table(name)
    if live is None:
        raise UsageError(f"`{name}` was not made", code=UNTESTABLE)
    return live.columns


def rows_of(connection: str, name: TableName, sessions: Sessions) -> pa.Table:
    """The rows of a table that is there."""
    return sessions.target(connection).query(f"SELECT * FROM {table(name)}")
