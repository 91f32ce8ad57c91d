"""Compares pipelines with the live systems without changing anything."""

from __future__ import annotations

from dataclasses import dataclass

from flowc.catalog import Column
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.ir import Apply, Pipeline, Source
from flowc.compiler.loads.reads import read_of
from flowc.compiler.tables.difference import Difference, differences
from flowc.diagnostics import Diagnostic, Reporter, Severity
from flowc.errors import FlowcError
from flowc.loadplan import QueryRead
from flowc.migration import LoadFailure
from flowc.runtime.stores.files import Files
from flowc.service.loads.run import Run, prepare, require_runnable, target_label


@dataclass(slots=True)
class Validation:
    """What was found for one target of a pipeline. `waits_for` names a pipeline whose table is not there yet."""

    pipeline: str
    target: str
    declared: bool = False
    exists: bool = False
    columns: tuple[Column, ...] = ()
    engine_plan: str = ""
    differences: tuple[Difference, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    error: FlowcError | None = None
    waits_for: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the load can run as things are."""
        return self.error is None and not _errors(self.diagnostics) and all(d.harmless for d in self.differences)


def _errors(diagnostics: tuple[Diagnostic, ...]) -> bool:
    return any(diagnostic.severity is Severity.ERROR for diagnostic in diagnostics)


def validate(run: Run) -> tuple[Validation, ...]:
    """Connects, describes and explains each source, and compares each target with its declaration."""
    try:
        return tuple(
            _validate(run, pipeline, index, apply)
            for pipeline in run.pipelines
            for index, apply in enumerate(pipeline.applies)
        )
    finally:
        run.sessions.close()


def failing_copies(run: Run) -> tuple[LoadFailure, ...]:
    """What keeps whole-table copies into declared tables from running: their sources have other columns by now.

    A source that cannot be asked is no error here. Where the table itself is another one than declared, a plan says so.
    """
    try:
        return tuple(
            _failure(pipeline.name, apply, diagnostic)
            for pipeline in run.pipelines
            for index, apply in enumerate(pipeline.applies)
            if isinstance(apply.input, Source) and apply.input.table is not None and apply.target.table is not None
            for diagnostic in _validate(run, pipeline, index, apply).diagnostics
            if diagnostic.code in _OF_COLUMNS
        )
    finally:
        run.sessions.close()


def _failure(pipeline: str, apply: Apply, found: Diagnostic) -> LoadFailure:
    place = found.span.place if found.span else None
    notes = tuple(note.message for note in found.notes)
    return LoadFailure(
        pipeline, target_label(apply), found.code, message=found.message, place=place, notes=notes, help=found.help
    )


_OF_COLUMNS = ("unknown-output-column", "missing-column", "incompatible-types")
"""The codes of sources whose columns do not fit their tables."""


def _validate(run: Run, pipeline: Pipeline, index: int, apply: Apply) -> Validation:
    found = Validation(pipeline.name, target_label(apply))
    reporter = Reporter()
    try:
        require_runnable(pipeline)
        _compare(run, apply, found)
        found.waits_for = _missing_upstream(run, pipeline)
        if found.waits_for is None:
            _check_source(run, pipeline.name, index, apply=apply, reporter=reporter, found=found)
    except FlowcError as error:
        found.error = run.sessions.redacted(error)
    found.diagnostics = tuple(reporter.sorted())
    return found


def _compare(run: Run, apply: Apply, found: Validation) -> None:
    live = run.sessions.target(apply.target.connection).table(apply.target.name)
    found.declared, found.exists = apply.target.table is not None, live is not None
    if live is not None and apply.target.table is not None:
        found.differences = differences(apply.target.table, live, DIALECTS[apply.target.kind])


def _check_source(run: Run, pipeline: str, index: int, *, apply: Apply, reporter: Reporter, found: Validation) -> None:
    prepared = prepare(run, pipeline, index, apply, reporter)
    if prepared is None:
        return
    apply, found.columns = prepared.apply, prepared.columns
    read = read_of(apply.input)
    if isinstance(read, QueryRead):
        source = run.sessions.source(read.connection)
        found.engine_plan = "" if isinstance(source, Files) else source.explain(read.sql)


def _missing_upstream(run: Run, pipeline: Pipeline) -> str | None:
    """An upstream pipeline that has not made its table yet, so that the source cannot be looked at."""
    upstream = (p for p in run.pipelines if p.name in pipeline.depends_on)
    missing = (
        p.name
        for p in upstream
        for apply in p.applies
        if run.sessions.target(apply.target.connection).table(apply.target.name) is None
    )
    return next(missing, None)
