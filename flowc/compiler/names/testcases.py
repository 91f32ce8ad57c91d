"""Tests: what they run, and what they give to it."""

from __future__ import annotations

from collections.abc import Mapping

from flowc.compiler.front.spec import SourceColumn, TargetSpec
from flowc.compiler.front.streamspec import RowsSpec, TestSpec
from flowc.compiler.names.doubt import sure_only
from flowc.compiler.names.lookup import Lookup
from flowc.compiler.names.teststeps import check_steps
from flowc.compiler.names.windows import source_columns
from flowc.diagnostics import did_you_mean

_INPUTS = frozenset({"source", "sources", "lookups", "from"})


def check_tests(lookup: Lookup) -> None:
    """Checks every test."""
    for test in lookup.project.tests.values():
        with sure_only(lookup, test.gaps):
            _check(test, lookup)


def _check(test: TestSpec, lookup: Lookup) -> None:
    """Reports a test of nothing or of two things, rows for what does not read them, and rows that cannot be."""
    project, report = lookup.project, lookup.reporter.error
    if test.pipeline:
        lookup.entry("pipelines", test.pipeline, project.pipelines)
    if test.stream:
        lookup.entry("streams", test.stream, project.streams)
    if bool(test.pipeline) == bool(test.stream):
        message = f"test `{test.name.value}` needs either `pipeline` or `stream`"
        report("missing-key", message, test.name.span, helps=("add `pipeline: NAME`",))
    if test.expect is not None and test.expect_error is not None:
        message = "`expect` and `expect_error` exclude each other"
        report("conflicting-keys", message, test.expect_error.span, helps=("remove one of the two",))
    if test.steps_span is None and test.given_span == test.name.span:
        helps = ("add `given: { … }` with the rows of each source",)
        message = f"test `{test.name.value}` needs `given`, or `steps` for a stream"
        report("missing-key", message, test.name.span, helps=helps)
    check_steps(test, lookup)
    _check_given(test, _inputs(test, lookup), lookup)


def _inputs(test: TestSpec, lookup: Lookup) -> Mapping[str, frozenset[str] | None] | None:
    """What can be given, each with its columns where known; None where that is not known."""
    if test.stream and (found := lookup.project.streams.get(test.stream.value)):
        lookups = {each.name.value: None for each in found.lookups}
        return {**lookups, **source_columns(found)} if not found.gaps & _INPUTS else None
    if test.pipeline and (spec := lookup.project.pipelines.get(test.pipeline.value)):
        sources = spec.from_.sources if spec.from_ else ()
        return {name.value: _columns(source.columns) for name, source in sources} or None
    return None


def _written(test: TestSpec, lookup: Lookup) -> set[str]:
    """The tables that are written, by their names in their databases: they can hold rows before."""
    project, targets = lookup.project, tuple[TargetSpec, ...]()
    if test.pipeline and (spec := project.pipelines.get(test.pipeline.value)):
        targets = spec.to
    if test.stream and (found := project.streams.get(test.stream.value)):
        targets = found.to
    names = {target.table.value for target in targets if target.table}
    return names | {name.rpartition(".")[2] for name in names}


def _columns(declared: tuple[SourceColumn, ...] | None) -> frozenset[str] | None:
    return None if declared is None else frozenset(column.name.value for column in declared)


def _check_given(test: TestSpec, known: Mapping[str, frozenset[str] | None] | None, lookup: Lookup) -> None:
    if known is None:
        return
    allowed = {*known, *lookup.project.tables, *_written(test, lookup)}
    for name, rows in test.given.items():
        if name in known:
            _check_rows(rows, known[name], lookup)
        elif name not in allowed:
            message = f"test `{test.name.value}` gives rows to `{name}`, which is not read"
            listed = ", ".join(f"`{source}`" for source in known)
            helps = did_you_mean(name, allowed) or (f"rows can be given to {listed}",)
            lookup.reporter.error("unknown-table", message, rows.name.span, helps=helps)


def _check_rows(given: RowsSpec, columns: frozenset[str] | None, lookup: Lookup) -> None:
    for row in given.rows if columns is not None else ():
        for name, span in row.keys.items():
            if name not in (columns or ()):
                message = f"`{name}` is not a declared column of `{given.name.value}`"
                helps = did_you_mean(name, columns or ()) or ("declare it, or leave it out",)
                lookup.reporter.error("unknown-column", message, span, helps=helps)
