"""Combinations of a pipeline's keys that make no sense together, as one table of checks.

Each check says of one key what it needs; the message names the key, the need and the way out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flowc.compiler.checked import CheckedPipeline, CheckedTarget
from flowc.compiler.front.kinds import is_database
from flowc.compiler.front.spec import ColumnSpec
from flowc.compiler.names.badrows import check_bad_rows, check_failed_rows
from flowc.compiler.names.lookup import Lookup
from flowc.compiler.names.tables import check_repeated
from flowc.compiler.names.targets import SCD2_COLUMNS
from flowc.compiler.tables.versions import single_version
from flowc.source import Located, Span
from flowc.types import Kind

BY_KEY = ("merge", "scd2")
DEFAULT_SOFT_DELETE = "deleted_at"
_SOFT_KINDS = (Kind.TIMESTAMP, Kind.TIMESTAMPTZ, Kind.BOOL)


@dataclass(frozen=True, slots=True)
class _Need:
    """A key that was given, where, the modes it has a meaning in, and what to do otherwise."""

    key: str
    span: Span
    modes: tuple[str, ...]
    help: str


def check_combinations(pipeline: CheckedPipeline, lookup: Lookup) -> None:
    """Reports every combination that cannot mean anything."""
    for target in pipeline.targets:
        _check_modes(pipeline, target, lookup)
        _check_columns(pipeline, target, lookup)
        _check_versions(target, lookup)
    _check_deletes(pipeline, lookup)
    _check_incremental(pipeline, lookup)
    _check_statements(pipeline, lookup)
    _check_lists(pipeline, lookup)
    check_bad_rows(pipeline, lookup)
    check_failed_rows(pipeline, lookup)


def _needs(pipeline: CheckedPipeline) -> Iterator[_Need]:
    spec = pipeline.spec
    if spec.deletes and spec.deletes.value != "ignore":
        yield _Need(f"deletes: {spec.deletes.value}", spec.deletes.span, BY_KEY, "use `mode: merge` or `mode: scd2`")
    if spec.ttl:
        yield _Need("ttl", spec.ttl.span, ("scd2",), "use `mode: scd2`, or remove `ttl`")
    if spec.event_time:
        yield _Need("event_time", spec.event_time.span, ("scd2",), "use `mode: scd2`, or remove `event_time`")
    if spec.compare:
        yield _Need("compare", spec.compare[0].span, BY_KEY, "use `mode: merge` or `mode: scd2`, or remove `compare`")
    if spec.incremental:
        others = ("append", *BY_KEY)
        yield _Need("incremental", spec.incremental.span, others, "use `mode: append` or `mode: merge`")


def _check_modes(pipeline: CheckedPipeline, target: CheckedTarget, lookup: Lookup) -> None:
    for need in _needs(pipeline):
        if target.mode not in need.modes:
            modes = " or ".join(f"`{mode}`" for mode in need.modes)
            message = f"`{need.key}` needs mode {modes}; `{target.name}` is written by `{target.mode}`"
            lookup.reporter.error("conflicting-options", message, need.span, helps=(need.help,))


def _check_deletes(pipeline: CheckedPipeline, lookup: Lookup) -> None:
    spec, report = pipeline.spec, lookup.reporter.error
    if spec.deletes and spec.deletes.value == "close" and any(t.mode == "merge" for t in pipeline.targets):
        message = "`deletes: close` ends versions, which `mode: merge` does not keep"
        helps = ("use `deletes: soft` or `deletes: hard`, or `mode: scd2`",)
        report("conflicting-options", message, spec.deletes.span, helps=helps)
    if spec.soft_delete_column and pipeline.deletes != "soft":
        message = "`soft_delete_column` needs `deletes: soft`"
        helps = ("add `deletes: soft`",)
        report("conflicting-options", message, spec.soft_delete_column.span, helps=helps)


def _check_statements(pipeline: CheckedPipeline, lookup: Lookup) -> None:
    """`before` and `after` run in the target's own transaction, so it must be one that runs SQL."""
    target = next((t for t in pipeline.targets if not is_database(t.connection.kind.value)), None)
    for key, texts in (("before", pipeline.spec.before), ("after", pipeline.spec.after)):
        if target is not None and texts:
            kind = target.connection.kind.value
            message = f"`{key}` runs SQL in the target, and `{target.name}` is in a connection of kind `{kind}`"
            helps = (f"remove `{key}`, or do it in the `sql` of the pipeline",)
            lookup.reporter.error("conflicting-options", message, texts[0].span(0, 0), helps=helps)


def _check_incremental(pipeline: CheckedPipeline, lookup: Lookup) -> None:
    spec = pipeline.spec
    if spec.incremental and spec.deletes and spec.deletes.value != "ignore":
        message = f"`deletes: {spec.deletes.value}` needs the whole source; `incremental` reads only a part of it"
        helps = ("remove `incremental` or `deletes`",)
        lookup.reporter.error("conflicting-options", message, spec.deletes.span, helps=helps)
    if spec.dedupe and not all(target.keys for target in pipeline.targets):
        message = "`dedupe` keeps one row for each key, and there are no keys"
        span = spec.dedupe.order_by.span(0, len(spec.dedupe.order_by.text))
        lookup.reporter.error("missing-keys", message, span, helps=("add `keys: [ … ]`",))


def _check_lists(pipeline: CheckedPipeline, lookup: Lookup) -> None:
    spec = pipeline.spec
    lists = [spec.keys, spec.compare, *(t.keys for t in spec.to), *(t.primary_key for t in spec.to)]
    lists += [expect.columns for expect in spec.expect]
    for names in lists:
        check_repeated(names, lookup.reporter)
    check_repeated([target for target, _ in spec.columns], lookup.reporter)


def _check_columns(pipeline: CheckedPipeline, target: CheckedTarget, lookup: Lookup) -> None:
    """Whether columns that the pipeline names are in the declared table, and have a sensible role."""
    spec = pipeline.spec
    for column in spec.compare:
        if column.value in target.keys:
            message = f"`{column.value}` is a key, so it never differs between two versions of a row"
            helps = ("remove it from `compare`",)
            lookup.reporter.error("conflicting-options", message, column.span, helps=helps)
    if target.table is None:
        return
    columns = [column.name.value for column in target.table.columns]
    for column in spec.compare:
        lookup.column(column, target.table, columns, "compare column")
    added = SCD2_COLUMNS if target.mode == "scd2" else ()
    for expect in spec.expect:
        for column in expect.columns:
            lookup.column(column, target.table, (*columns, *added), "checked column")
    _check_soft(pipeline, target, lookup)


def _check_versions(target: CheckedTarget, lookup: Lookup) -> None:
    """Whether unique indexes let a key have versions; the primary key is widened by `valid_from`."""
    for index in target.table.indexes if target.table is not None and target.mode == "scd2" else ():
        columns = [column.value for column in index.columns]
        if index.unique and single_version(columns, target.keys):
            shown = ", ".join(columns)
            message = f"`{target.name}` would have one row for each `{shown}`, so no key could have two versions"
            helps = (f"declare `valid_from` and write `columns: [{shown}, valid_from]`", "or leave `unique` out")
            lookup.reporter.error("single-version-key", message, index.span, helps=helps)


def _can_mark(column: ColumnSpec) -> bool:
    kind = column.type.value.kind
    return kind in _SOFT_KINDS and (column.nullable or kind is Kind.BOOL)


def _check_soft(pipeline: CheckedPipeline, target: CheckedTarget, lookup: Lookup) -> None:
    spec, table = pipeline.spec, target.table
    if pipeline.deletes != "soft" or target.mode not in BY_KEY or table is None or spec.deletes is None:
        return
    name = spec.soft_delete_column or Located(DEFAULT_SOFT_DELETE, spec.deletes.span)
    column = next((c for c in table.columns if c.name.value == name.value), None)
    if column is None:
        message = f"`deletes: soft` sets `{name.value}`, which table `{table.key.value}` does not have"
        helps = (f"add `{name.value}: timestamptz` to its columns, or name another `soft_delete_column`",)
        lookup.reporter.error("unknown-column", message, name.span, helps=helps)
    elif not _can_mark(column):
        message = f"`{name.value}` must be a nullable timestamp or a boolean to mark deleted rows"
        lookup.reporter.error("conflicting-options", message, column.type.span, helps=("use `timestamptz`",))
