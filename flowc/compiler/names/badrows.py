"""`on_bad_row` and checks of severity `quarantine`: whether they can do what they say, and what they mean."""

from __future__ import annotations

from flowc.catalog import TableName
from flowc.compiler.checked import CheckedPipeline, CheckedSource, CheckedTarget
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.front.spec import BadRowsSpec
from flowc.compiler.ir import Quarantine
from flowc.compiler.names.lookup import Lookup
from flowc.compiler.names.paths import check_below
from flowc.compiler.names.sources import format_of
from flowc.compiler.names.tablenames import table_name
from flowc.formats import text_formats
from flowc.loadplan import BadRows
from flowc.source import Span

BAD_ROWS = "bad_rows"
"""The table beside the target in which bad rows are kept, where the pipeline names none."""


def file_format(source: CheckedSource) -> str | None:
    """The format of a source's files; None for a source that is none of files."""
    if source.spec.path is None:
        return None
    given = source.spec.format.value if source.spec.format else source.connection.options.get("format")
    return str(given) if given else format_of(source.spec.path.value)


def skips_bad(spec: BadRowsSpec | None) -> bool:
    """Whether bad rows are set aside."""
    return spec is not None and spec.action.value != "fail"


def check_bad_rows(pipeline: CheckedPipeline, lookup: Lookup) -> None:
    """Reports what has no meaning, and what would change more than it seems to."""
    spec = pipeline.spec.bad_rows
    if spec is None:
        return
    action, checks = spec.action.value, quarantines(pipeline)
    if not skips_bad(spec):
        if spec.limit is not None or (spec.kept is not None and not checks):
            helps = ("add `on_bad_row: skip` or `on_bad_row: quarantine`",)
            _report("bad rows fail the load, so that there is none to allow or to keep", _place(spec), helps, lookup)
        return
    if spec.kept is not None and action == "skip" and not checks:
        helps = ("write `on_bad_row: quarantine`",)
        _report("`on_bad_row: skip` keeps no rows, so `quarantine` has no meaning", spec.kept.span, helps, lookup)
    if not any(file_format(source) in text_formats() for source in pipeline.sources):
        message = f"`on_bad_row: {action}` is for rows of CSV and JSON files, and this pipeline reads none"
        _report(message, spec.action.span, ("remove it",), lookup)
    elif pipeline.deletes != "ignore":
        message = f"`deletes: {pipeline.deletes}` would delete what a bad row holds, as if the source no longer had it"
        _report(message, spec.action.span, ("let bad rows fail the load, or leave `deletes` out",), lookup)
    source = next((source for source in pipeline.sources if file_format(source) in text_formats()), None)
    if spec.in_files and spec.kept is not None and source is not None:
        check_below(spec.kept, source.connection, lookup)
    for target in pipeline.targets if action == "quarantine" else ():
        _check_place(spec, target, lookup)


def _check_place(spec: BadRowsSpec, target: CheckedTarget, lookup: Lookup) -> None:
    kind = target.connection.kind.value
    dialect = DIALECTS.get(kind)
    if spec.in_files:
        return
    if dialect is None or dialect.attached:
        message = f"no table of bad rows can be kept beside `{target.name}`, in a connection of kind `{kind}`"
        _report(message, spec.action.span, ("keep them in files: `quarantine: { path: bad }`",), lookup)
    elif spec.kept is not None:
        table_name(spec.kept, lookup.reporter, kind)


def quarantines(pipeline: CheckedPipeline) -> bool:
    """Whether rows that fail checks are kept and not loaded."""
    return any(expect.quarantine is not None for expect in pipeline.spec.expect)


def check_failed_rows(pipeline: CheckedPipeline, lookup: Lookup) -> None:
    """Reports checks of severity `quarantine` that have no table to keep rows in, in the transaction of the load."""
    spec = pipeline.spec.bad_rows
    place = next((expect.quarantine for expect in pipeline.spec.expect if expect.quarantine is not None), None)
    if place is None:
        return
    if spec is not None and spec.in_files and spec.kept is not None:
        message = "rows that fail a check are kept in a table, in the transaction of the load, and this is a folder"
        _report(
            message, spec.kept.span, ("name a table beside the target: `quarantine: { table: ops.bad_rows }`",), lookup
        )
    for target in pipeline.targets:
        kind = target.connection.kind.value
        dialect = DIALECTS.get(kind)
        if dialect is None or dialect.attached:
            message = (
                f"no table of quarantined rows can be kept beside `{target.name}`, in a connection of kind `{kind}`"
            )
            _report(message, place, ("let the check fail the load, or leave the rows out in the `sql`",), lookup)
        elif spec is not None and spec.kept is not None and not spec.in_files and spec.action.value != "quarantine":
            table_name(spec.kept, lookup.reporter, kind)


def failed_rows_of(pipeline: CheckedPipeline, target: CheckedTarget) -> TableName | None:
    """The table beside a target that takes rows which fail checks; None where no check sets rows aside."""
    spec, dialect = pipeline.spec.bad_rows, DIALECTS.get(target.connection.kind.value)
    if not quarantines(pipeline) or dialect is None:
        return None
    named = spec.kept if spec is not None and not spec.in_files else None
    return TableName.parse(named.value) if named else dialect.state_table(BAD_ROWS)


def _place(spec: BadRowsSpec) -> Span:
    return spec.limit or (spec.kept.span if spec.kept is not None else spec.action.span)


def _report(message: str, span: Span, helps: tuple[str, ...], lookup: Lookup) -> None:
    lookup.reporter.error("conflicting-options", message, span, helps=helps)


def quarantine_of(pipeline: CheckedPipeline, target: CheckedTarget) -> Quarantine | None:
    """What a load does with bad rows; None where they fail it."""
    spec = pipeline.spec.bad_rows
    if spec is None or not skips_bad(spec):
        return None
    kept = spec.action.value == "quarantine"
    rules = BadRows(kept, spec.max_count, spec.max_ratio)
    if kept and spec.in_files and spec.kept is not None:
        source = next((source for source in pipeline.sources if file_format(source) in text_formats()), None)
        return Quarantine(rules, None, (source.connection.name.value, spec.kept.value) if source else None)
    dialect = DIALECTS.get(target.connection.kind.value)
    if not kept or dialect is None or dialect.attached:
        return Quarantine(rules)
    return Quarantine(rules, TableName.parse(spec.kept.value) if spec.kept else dialect.state_table(BAD_ROWS))
