"""Loads planned without connecting, for people to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from flowc.catalog import Column, Table
from flowc.compiler.checked import CheckedSpec
from flowc.compiler.dialects import DIALECTS, RUNNER
from flowc.compiler.front.kinds import LOAD_TARGET, able
from flowc.compiler.ir import Apply, Ir, Pipeline, Source, Sql
from flowc.compiler.loads.reads import queried
from flowc.compiler.loads.sqlplan import check_load, plan_load
from flowc.diagnostics import Reporter
from flowc.errors import FlowcError
from flowc.loadplan import LoadPlan
from flowc.service.loads.blame import blame
from flowc.types import TEXT, TIMESTAMPTZ, UNKNOWN

LOAD_TIME = datetime(2000, 1, 1, tzinfo=UTC)
"""Stands for the time of the load, so that the same specs always give the same text."""


def home(node: Sql | Source) -> str | None:
    """The connection of the one database that a pipeline reads by a query; None for what DataFusion reads."""
    if isinstance(node, Source):
        return node.connection if queried(node.kind) else None
    if node.engine == RUNNER:
        return None
    return node.inputs[0].connection if node.inputs else None


def connections(node: Sql | Source) -> tuple[str, ...]:
    """The connections that a pipeline reads."""
    return tuple(source.connection for source in ((node,) if isinstance(node, Source) else node.inputs))


def offline_plans(
    pipelines: Sequence[Pipeline], tables: Mapping[str, Table], reporter: Reporter, *, new: bool
) -> tuple[LoadPlan, ...]:
    """One plan for each target, as if declared tables existed as declared, or not at all when `new`.

    A load that cannot be planned without connecting is reported and left out.
    """
    plans = (_offline(apply, tables, reporter, new) for pipeline in pipelines for apply in pipeline.applies)
    return tuple(plan for plan in plans if plan is not None)


def refuse_unplannable(checked: CheckedSpec, ir: Ir, reporter: Reporter) -> None:
    """Reports loads that no plan can be made of, whatever is in the databases.

    A load that has errors of its own, or depends on what has, is not judged, nor what only a live system knows.
    """
    blamed = blame(reporter.found, checked.project.pipelines)
    sound = () if blamed.shared else tuple(each for each in ir.pipelines if each.name not in blamed.own)
    for apply in (apply for pipeline in sound for apply in pipeline.applies):
        if apply.target.kind in DIALECTS and (columns := _assumed(apply)) is not None:
            with _reporting(apply, reporter):
                check_load(apply, columns=columns, live=apply.target.table, now=LOAD_TIME)


def _offline(apply: Apply, tables: Mapping[str, Table], reporter: Reporter, new: bool) -> LoadPlan | None:
    if apply.target.kind not in DIALECTS:
        known = ", ".join(f"`{kind}`" for kind in able(LOAD_TARGET) if kind in DIALECTS)
        message = f"the load of `{apply.pipeline}` cannot run yet: it writes to `{apply.target.kind}`"
        reporter.error("not-runnable-yet", message, apply.span, helps=(f"this version loads into {known}",))
        return None
    columns = _assumed(apply)
    if columns is None:
        _report_unknown(apply, tables, reporter)
        return None
    with _reporting(apply, reporter):
        return plan_load(
            apply,
            columns=columns,
            live=None if new else apply.target.table,
            watermark=None,
            now=LOAD_TIME,
            same_database=home(apply.input) == apply.target.connection,
            beside=apply.target.connection in connections(apply.input),
        )
    return None


@contextmanager
def _reporting(apply: Apply, reporter: Reporter) -> Iterator[None]:
    """Reports a failure where the load says what it writes."""
    try:
        yield
    except FlowcError as error:
        reporter.error(error.code, error.message, apply.span, helps=(error.help,) if error.help else ())


def _assumed(apply: Apply) -> tuple[Column, ...] | None:
    """The source's columns; where only the live system knows a type, the declared target's stands for it.

    An event time that nobody declares is taken for a time, and everything else for a text.

    None where there is one that only the live system knows, or has a name for.
    """
    columns, table = apply.input.columns, apply.target.table
    if columns is None or not all(column.name for column in columns):
        return None
    known = {apply.event_time.lower(): TIMESTAMPTZ} if apply.event_time is not None else {}
    known |= {column.name.lower(): column.type for column in table.columns} if table else {}
    typed = [
        replace(column, type=known.get(column.name.lower(), TEXT)) if column.type == UNKNOWN else column
        for column in columns
    ]
    return tuple(typed)


def _report_unknown(apply: Apply, tables: Mapping[str, Table], reporter: Reporter) -> None:
    message = f"the load of `{apply.pipeline}` cannot be shown: the columns of its source are not known"
    known = {str(table.name) for table in tables.values()}
    unnamed = ["name each column of the query: `… AS column_name`"] if apply.input.columns else []
    helps = [*unnamed, *_undeclared(apply.input, known), f"ask the live system with `flowc validate {apply.pipeline}`"]
    reporter.error("unknown-source-columns", message, apply.span, helps=helps)


def _undeclared(node: Sql | Source, known: set[str]) -> list[str]:
    if isinstance(node, Source):
        return [_help(node)] if node.columns is None else []
    if node.engine == RUNNER:
        return [_help(source) for source in node.inputs if source.columns is None]
    return [f"declare `{name}` under `tables:`" for name in map(str, node.reads) if name not in known]


def _help(source: Source) -> str:
    if source.table is not None:
        return f"declare `{source.table}` under `tables:`"
    return f"give `{source.name}` its `columns:`, for instance `columns: {{ id: bigint }}`"
