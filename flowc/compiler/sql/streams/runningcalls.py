"""Running aggregates in a stream's query: what groups rows outside of windows, and goes on from epoch to epoch."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from sqlglot import exp

from flowc.compiler.sql import marks
from flowc.compiler.sql.binding.catalog import postgres
from flowc.compiler.sql.streams.streamreads import behind, streams_of
from flowc.compiler.sql.streams.tablefunctions import ctes_of, free
from flowc.compiler.sql.streams.trace import NAMED_AGGREGATES
from flowc.compiler.sql.streams.windowcalls import name_items
from flowc.compiler.sql.text.sqltext import SqlTree
from flowc.diagnostics import Reporter
from flowc.source import Span

MISPLACED = "misplaced-aggregate"
WRAPPERS = (exp.Filter, exp.WithinGroup, exp.IgnoreNulls, exp.RespectNulls)
_USUAL = "running"


@dataclass(frozen=True, slots=True)
class RunningCall:
    """A SELECT that puts rows together; `ttl` is as in `flowc.nodes.RunningPlan`."""

    id: str
    name: str
    """What it reads, as people know it."""
    span: Span
    ttl: int | None
    bounds: tuple[str, ...] = ()

    code = MISPLACED
    function = "GROUP BY"
    noun = "running aggregate"
    judged = "by which its groups are forgotten"
    apart = "give each of them a stream of its own"


def read_running(
    query: SqlTree, sources: frozenset[str], own: Collection[str], ttl: int | None, reporter: Reporter
) -> tuple[RunningCall, ...] | None:
    """The running aggregates of a query, which are marked in its tree; None after an error.

    `own` are the aggregates of the project. Who groups the rows of windows is not among them.
    """
    before, found = reporter.errors, list[RunningCall]()
    for select in [*query.tree.find_all(exp.Select)]:
        if _puts_together(select, sources, own):
            call = _read(select, query, sources, ttl, reporter)
            found += [call] if call is not None else []
    return tuple(found) if reporter.errors == before else None


def running(query: SqlTree, id: str) -> exp.Select:
    """The SELECT of a call."""
    return next(node for node in query.tree.find_all(exp.Select) if marks.RUNNING.get(node) == id)


def is_aggregate(node: exp.Expression, own: Collection[str]) -> bool:
    """Whether a node is the call of an aggregate, the whole of it; `own` are those of the project."""
    inner, outer = node, node.parent
    while isinstance(inner, WRAPPERS):
        inner = inner.this
    while isinstance(outer, WRAPPERS):
        outer = outer.parent
    over = isinstance(outer, exp.Window) and node.arg_key == "this"
    named = isinstance(inner, exp.Anonymous) and _names_aggregate(inner.name.lower(), own)
    return (named or isinstance(inner, exp.AggFunc | exp.JSONArrayAgg | exp.GroupConcat)) and not over


def _names_aggregate(name: str, own: Collection[str]) -> bool:
    known = any(each.kind in ("a", "o") for each in postgres().functions(name))
    return known or name in own or name.startswith(NAMED_AGGREGATES)


def _puts_together(select: exp.Select, sources: frozenset[str], own: Collection[str]) -> bool:
    """Whether a SELECT puts rows of streams together that are not those of windows."""
    relations = [*_relations(select)]
    if not any(streams_of(each, sources) for each in relations) or any(map(_is_windowed, relations)):
        return False
    return select.args.get("group") is not None or any(_aggregates(select, own))


def _relations(select: exp.Select) -> Iterator[exp.Expression]:
    from_ = select.args.get("from_")
    yield from [from_.this] if from_ is not None else []
    yield from (join.this for join in select.args.get("joins") or ())


def _is_windowed(relation: exp.Expression) -> bool:
    return any(marks.WINDOW.has(each) for part in behind(relation) for each in part.find_all(exp.Subquery))


def _aggregates(select: exp.Select, own: Collection[str]) -> Iterator[exp.Expression]:
    parts = [*select.expressions, *([select.args["having"]] if select.args.get("having") else [])]
    for part in parts:
        for node in part.find_all(exp.Func):
            if node.find_ancestor(exp.Select) is select and is_aggregate(node, own):
                yield node


def _read(
    select: exp.Select, query: SqlTree, sources: frozenset[str], ttl: int | None, reporter: Reporter
) -> RunningCall | None:
    span = query.span(select.args.get("group") or select.expressions[0])
    cte = next((each for each in ctes_of(query.tree) if each.this is select), None)
    if select is not query.tree and cte is None:
        message = "a running aggregate stands in a query of its own, and this is a part of another one"
        helps = ("put it under WITH, and read it by its name: `WITH totals AS (SELECT …) SELECT … FROM totals`",)
        reporter.error(MISPLACED, message, span, helps=helps)
        return None
    name_items(select)
    name = re.sub(r"\W", "_", cte.alias).lower() if cte is not None else ""
    marks.RUNNING.set(select, free(name or _USUAL, sources))
    read = next(each for each in _relations(select) if streams_of(each, sources))
    return RunningCall(marks.RUNNING.of(select), read.alias_or_name, span, ttl)
