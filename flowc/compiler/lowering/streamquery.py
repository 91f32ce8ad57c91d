"""A stream's query as text for the engine: its clock is the epoch's, and a hidden column tells where rows came from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from sqlglot import exp

from flowc.compiler.lowering.functioncalls import called, with_own_calls
from flowc.compiler.lowering.functions import Functions, Untyped
from flowc.compiler.sql.relations import Field
from flowc.compiler.sql.rewrite.core import call
from flowc.compiler.sql.streams.trace import traced
from flowc.compiler.sql.text.allowance import Allowance
from flowc.compiler.sql.text.sqltext import SqlTree, copied
from flowc.compiler.sql.translate import translate, translate_expression
from flowc.compiler.sql.types.infer import infer
from flowc.compiler.sql.types.inferfrom import Find
from flowc.diagnostics import Reporter
from flowc.stream import NOW

_NAMED = ("now", "current_timestamp", "transaction_timestamp", "statement_timestamp", "clock_timestamp")


def stream_text(
    query: SqlTree, engine: str, functions: Functions, reporter: Reporter, allowance: Allowance
) -> str | None:
    """The query for `engine`; None after an error."""
    own = _with_own(query, functions)
    if own is query:
        return translate(query, engine, reporter, allowance)
    return translate_expression(own, engine, reporter, allowance)


def with_own_stars(query: SqlTree, hidden: Mapping[str, Collection[str]]) -> SqlTree:
    """The query with each `*` standing for its sources' own columns: without those that `hidden` names for a source."""
    tree = copied(query.tree)
    defined = {cte.alias for cte in tree.find_all(exp.CTE)}
    for select in tree.find_all(exp.Select):
        read = [table for table in _relations(select) if table.name in hidden and table.name not in defined]
        for item in select.expressions:
            star = item if isinstance(item, exp.Star) else item.this
            if isinstance(star, exp.Star) and (star is item or isinstance(item, exp.Column)):
                meant = [table for table in read if star is item or table.alias_or_name == item.table]
                names = dict.fromkeys(name for table in meant for name in hidden[table.name])
                without = [exp.column(exp.to_identifier(name, quoted=True)) for name in names]
                star.set("except_", [*(star.args.get("except_") or ()), *without] or None)
    return replace(query, tree=tree)


def _relations(select: exp.Select) -> Iterator[exp.Table]:
    first, joins = select.args.get("from_"), select.args.get("joins") or ()
    for part in (*([first] if first is not None else ()), *joins):
        if isinstance(part.this, exp.Table) and not part.this.db:
            yield part.this


def hidden_text(
    query: SqlTree, engine: str, read: frozenset[str], functions: Functions, columns: Sequence[str]
) -> str | None:
    """The query with hidden columns of what it reads; None where rows cannot be told from each other."""
    aggregates = frozenset(name for name, plan in functions.items() if isinstance(plan, Untyped) or plan.aggregate)
    tree = traced(query.tree, read, aggregates, columns)
    if tree is None:
        return None
    # What is wrong with it was reported of the query as it is written.
    return part_text(replace(query, tree=tree), engine, functions)


def part_text(query: SqlTree, engine: str, functions: Functions) -> str | None:
    """A part of a query of which all that is wrong was reported."""
    return translate_expression(_with_own(query, functions), engine, Reporter())


def inferred(part: SqlTree, engine: str, find: Find) -> tuple[tuple[Field, ...] | None, tuple[Field, ...] | None]:
    """The columns of a part, and the same as a query around it sees them: there, what is a decimal is known as one."""
    fields = infer(part, engine, find, Reporter()).fields
    within = exp.Subquery(this=copied(part.tree), alias=exp.TableAlias(this=exp.to_identifier("part")))
    around = exp.Select(expressions=[exp.Star()], from_=exp.From(this=within))
    read = infer(replace(part, tree=around), engine, find, Reporter()).fields
    if fields is None or read is None:
        return fields, fields
    return fields, tuple(replace(one, type=other.type) for one, other in zip(fields, read, strict=True))


def _with_own(query: SqlTree, functions: Functions) -> SqlTree:
    """The query with flowc's own functions in the place of clocks, and those of the project under their own names."""

    def own(node: exp.Expression) -> exp.Expression:
        clock = _clock(node)
        return node if clock is None else clock()

    if not called(query, functions) and not any(_clock(node) for node in query.tree.walk()):
        return query
    named = with_own_calls(query, functions)
    return replace(named, tree=named.tree.transform(own, copy=False))


def _clock(node: exp.Expression) -> Callable[[], exp.Expression] | None:
    if isinstance(node, exp.Anonymous) and str(node.this).lower() in _NAMED and not node.expressions:
        return _now
    return _CLOCKS.get(type(node))


def _now() -> exp.Expression:
    asked = call(NOW, exp.Literal.number(0))
    asked.type = exp.DataType.build("timestamptz")
    return asked


def _as(kind: str) -> Callable[[], exp.Expression]:
    return lambda: exp.cast(exp.cast(_now(), "timestamp"), kind)


_CLOCKS: Mapping[type[exp.Expression], Callable[[], exp.Expression]] = {
    exp.CurrentTimestamp: _now,
    exp.Localtimestamp: lambda: exp.cast(_now(), "timestamp"),
    exp.CurrentDate: _as("date"),
    exp.CurrentTime: _as("time"),
    exp.Localtime: _as("time"),
}
