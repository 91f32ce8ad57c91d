"""Tests: what they run, and what they give to it."""

from __future__ import annotations

from collections.abc import Mapping

from flowc.compiler.front.spec import RawSpec, SourceColumn
from flowc.compiler.names.lookup import Lookup
from flowc.compiler.names.raw import keys_at, name_at, place, value_at
from flowc.compiler.names.windows import source_columns
from flowc.diagnostics import did_you_mean

_INPUTS = frozenset({"source", "sources", "lookups", "from"})


def check_test(test: RawSpec, lookup: Lookup) -> None:
    """Reports a test of nothing or of two things, rows for what does not read them, and rows that cannot be."""
    project, report = lookup.project, lookup.reporter.error
    pipeline, stream = name_at(test, "pipeline"), name_at(test, "stream")
    if pipeline:
        lookup.entry("pipelines", pipeline, project.pipelines)
    if stream:
        lookup.entry("streams", stream, project.streams)
    if bool(pipeline) == bool(stream):
        message = f"test `{test.name.value}` needs either `pipeline` or `stream`"
        report("missing-key", message, test.name.span, helps=("add `pipeline: NAME`",))
    if "expect" in test.value and "expect_error" in test.value:
        message = "`expect` and `expect_error` exclude each other"
        report("conflicting-keys", message, place(test, "expect_error"), helps=("remove one of the two",))
    _check_given(test, _inputs(test, lookup), lookup)


def _inputs(test: RawSpec, lookup: Lookup) -> Mapping[str, frozenset[str] | None] | None:
    """What can be given, each with its columns where known; None where that is not known."""
    stream, pipeline = name_at(test, "stream"), name_at(test, "pipeline")
    if stream and (found := lookup.project.streams.get(stream.value)):
        lookups = {key.value: None for key in keys_at(found, "lookups")}
        return {**lookups, **source_columns(found)} if not found.gaps & _INPUTS else None
    if pipeline and (spec := lookup.project.pipelines.get(pipeline.value)):
        sources = spec.from_.sources if spec.from_ else ()
        return {name.value: _columns(source.columns) for name, source in sources} or None
    return None


def _written(test: RawSpec, lookup: Lookup) -> set[str]:
    """The tables that are written, by their names in their databases: they can hold rows before."""
    stream, pipeline = name_at(test, "stream"), name_at(test, "pipeline")
    names: set[str] = set()
    if pipeline and (spec := lookup.project.pipelines.get(pipeline.value)):
        names = {target.table.value for target in spec.to if target.table}
    if stream and (found := lookup.project.streams.get(stream.value)):
        to = found.value.get("to")
        targets = to if isinstance(to, list) else [to]
        names = {str(target["table"]) for target in targets if isinstance(target, Mapping) and "table" in target}
    return names | {name.rpartition(".")[2] for name in names}


def _columns(declared: tuple[SourceColumn, ...] | None) -> frozenset[str] | None:
    return None if declared is None else frozenset(column.name.value for column in declared)


def _check_given(test: RawSpec, known: Mapping[str, frozenset[str] | None] | None, lookup: Lookup) -> None:
    if known is None:
        return
    allowed = {*known, *lookup.project.tables, *_written(test, lookup)}
    for name in keys_at(test, "given"):
        if name.value in known:
            _check_rows(test, name.value, known[name.value], lookup)
        elif name.value not in allowed:
            message = f"test `{test.name.value}` gives rows to `{name.value}`, which is not read"
            listed = ", ".join(f"`{source}`" for source in known)
            helps = did_you_mean(name.value, allowed) or (f"rows can be given to {listed}",)
            lookup.reporter.error("unknown-table", message, name.span, helps=helps)


def _check_rows(test: RawSpec, source: str, columns: frozenset[str] | None, lookup: Lookup) -> None:
    rows = value_at(test, f"given.{source}")
    for number in range(len(rows) if isinstance(rows, list) and columns is not None else 0):
        for key in keys_at(test, f"given.{source}.{number}"):
            if key.value not in (columns or ()):
                message = f"`{key.value}` is not a declared column of `{source}`"
                helps = did_you_mean(key.value, columns or ()) or ("declare it, or leave it out",)
                lookup.reporter.error("unknown-column", message, key.span, helps=helps)
