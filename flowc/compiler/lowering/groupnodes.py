"""Nodes that put rows together: windows and running aggregates, and what is wrong with what goes into them."""

from __future__ import annotations

import json
from dataclasses import dataclass

from sqlglot import exp

from flowc.catalog import Column
from flowc.compiler.changelog import NO_KEYS
from flowc.compiler.ir import Aggregate, Running, Sql, Window
from flowc.compiler.lowering.windowaggregates import DISTINCT, has_parts
from flowc.compiler.lowering.windowcut import Cut, is_null, said
from flowc.compiler.sql.streams.runningcalls import RunningCall
from flowc.compiler.sql.text.sqltext import SqlTree
from flowc.diagnostics import Reporter
from flowc.nodes import Late
from flowc.types import TEXT, TIMESTAMPTZ, UNKNOWN, DataType, Kind


@dataclass(frozen=True, slots=True)
class WindowSettings:
    """What the block `window` says of a stream's windows; lengths are in microseconds."""

    offset: int = 0
    timezone: str | None = None
    late: Late = "drop"
    allowed_lateness: int = 0
    max_groups: int | None = None
    emit: int | None = None


def check_groups(cut: Cut, before: Sql, query: SqlTree, reporter: Reporter) -> None:
    """Reports what cannot be grouped by, or put together, of what the query before gives."""
    _check_told_apart(cut, before, reporter)
    _check_arguments(cut, before, reporter)
    _check_typed(cut, before, query, reporter)


def _check_told_apart(cut: Cut, before: Sql, reporter: Reporter) -> None:
    kinds = _kinds(cut, before)
    distinct = (
        (each.arguments[0], each.span)
        for each in cut.aggregates
        if each.said.distinct or each.said.function == DISTINCT
    )
    for name, span in (*((key.name, key.span) for key in cut.keys), *distinct):
        kind = kinds.get(name or "")
        if kind is not None and kind.kind in NO_KEYS:
            message = f"this is `{kind}`, whose values cannot be told apart"
            helps = ("group by values of a simple type: by a part of it, or by its text",)
            reporter.error("unusable-keys", message, span, helps=helps)


def _kinds(cut: Cut, before: Sql) -> dict[str, DataType]:
    """The types of what goes into groups; what the engine takes for a row of parts is a document outside of it."""
    kinds = {column.name: column.type for column in before.columns or ()}
    values = [(key.name, key.value) for key in cut.keys]
    values += [pair for each in cut.aggregates for pair in zip(each.arguments, each.values, strict=True)]
    documents = [name for name, value in values if isinstance(value.unnest(), exp.Tuple) or has_parts(value)]
    return kinds | dict.fromkeys(documents, DataType(Kind.JSON))


def _check_arguments(cut: Cut, before: Sql, reporter: Reporter) -> None:
    kinds = _kinds(cut, before)
    for each in cut.aggregates:
        kind, function = kinds.get(next(iter(each.arguments), "")), each.said.function
        message = help = ""
        if kind is not None and kind.kind is Kind.INTERVAL and function in ("sum", "avg", "min", "max"):
            message = f"`{function}` is not for intervals in a {cut.call.noun}"
            help = f"compute with seconds: `{function}(extract(epoch FROM …))`"
        elif kind is not None and kind.kind is Kind.JSON and function in ("min", "max"):
            message = f"`{function}` is of values that have an order, and this is `{kind}`"
            help = "compare by a part of it, or by its text: `doc ->> 'key'`, `doc::text`"
        elif each.said.level is not None and kind is not None and not (kind.is_number or kind.kind is Kind.UNKNOWN):
            message = f"a percentile is one of numbers, and this is `{kind}`"
            help = "compute with a number: of a time, with `extract(epoch FROM …)`"
        if message:
            reporter.error("unsupported-aggregate", message, each.span, helps=(help,))


def _check_typed(cut: Cut, before: Sql, query: SqlTree, reporter: Reporter) -> None:
    """Reports conditions that are none, and values that are NULL in each row, which have no type."""
    kinds = {column.name: column.type for column in before.columns or ()}
    for each in cut.aggregates:
        kind = kinds.get(each.where or "", UNKNOWN)
        if each.condition is not None and kind.kind not in (Kind.BOOL, Kind.UNKNOWN):
            message = f"FILTER takes the rows for which a condition is true, and this is `{kind}`"
            helps = ("compare it with something: `FILTER (WHERE n > 0)`",)
            reporter.error("wrong-arguments", message, query.span(each.condition), helps=helps)
    values = [(key.name, key.value, key.span) for key in cut.keys]
    values += [(*pair, a.span) for a in cut.aggregates for pair in zip(a.arguments, a.values, strict=True)]
    for name, value, span in values:
        if kinds.get(name, UNKNOWN) == UNKNOWN and is_null(value):
            helps = ("leave it out, or say which type it has: `CAST(NULL AS text)`",)
            reporter.error("wrong-arguments", "this is NULL in each row, and of no type", span, helps=helps)


def group_node(
    cut: Cut, input: str, columns: tuple[Column, ...] | None, text: str, given: WindowSettings, *, plain: bool
) -> Window | Running:
    """The node of a cut, which gives these columns; with `plain` it reads one relation alone."""

    def told(value: exp.Expression | None) -> str:
        return said(value, plain=plain) if value is not None else ""

    aggregates = tuple(
        Aggregate(
            a.name, a.said.function, argument=next(iter(a.arguments), None), value=", ".join(map(told, a.values)),
            distinct=a.said.distinct, where=a.where, condition=told(a.condition), level=a.said.level,
            more=a.arguments[1:], declared=a.said.declared,
        )
        for a in cut.aggregates
    )  # fmt: skip
    keys, values = tuple(key.name for key in cut.keys), tuple(told(key.value) for key in cut.keys)
    call, settings = cut.call, given if cut.last else WindowSettings()
    if isinstance(call, RunningCall):
        return Running(
            call.id, (input,), keys=keys, aggregates=aggregates, columns=columns, text=text, span=call.span,
            values=values, ttl=call.ttl,
        )  # fmt: skip
    return Window(
        call.id, (input,), kind=call.kind, size=call.size, step=call.step, keys=keys, aggregates=aggregates,
        columns=columns, text=text, span=call.span, values=values, offset=settings.offset, timezone=settings.timezone,
        late=settings.late, allowed_lateness=settings.allowed_lateness, max_groups=settings.max_groups,
        emit=settings.emit,
    )  # fmt: skip


def told_of(node: Window) -> str:
    """What a window gives of the rows before it, as text."""
    aggregates = [
        [each.name, each.function, each.value, each.distinct, each.condition, *_further(each)]
        for each in node.aggregates
    ]
    lies = [node.kind, node.size, node.step, node.offset, node.timezone]
    return json.dumps([*lies, node.values, aggregates, node.before])


def _further(aggregate: Aggregate) -> list[object]:
    """What else an aggregate hangs on."""
    if aggregate.declared is not None:
        return [aggregate.declared.keeps, str(aggregate.declared.returns)]
    return [] if aggregate.level is None else [aggregate.level]


def grouping(cut: Cut, relation: str) -> exp.Select:
    """The same without windows, with a moment in the place of their bounds."""
    kinds = [("1970-01-01 00:00:00+00", TIMESTAMPTZ), ("1970-01-01 00:00:00+00", TIMESTAMPTZ), ("", TEXT)]
    items: list[exp.Expression] = [
        exp.alias_(exp.cast(exp.Literal.string(value), str(kind)), name)
        for (value, kind), name in zip(kinds, cut.call.bounds, strict=False)
    ]
    keys = [exp.column(exp.to_identifier(key.name, quoted=True)) for key in cut.keys]
    items += [*keys, *(exp.alias_(each.call, each.name, quoted=True) for each in cut.aggregates)]
    table = exp.Table(this=exp.to_identifier(relation, quoted=True))
    made = exp.Select(expressions=items, from_=exp.From(this=table))
    if keys:
        made.set("group", exp.Group(expressions=[key.copy() for key in keys]))
    return made
