"""Intervals on DataFusion as PostgreSQL compares and measures them: a month has 30 days, and a day 24 hours.

DataFusion compares months, days and the rest one by one.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from flowc.compiler.sql.meaning.core import COMPARISONS, Pair, Rewrite, Rules, Untranslatable, build, call, type_of
from flowc.compiler.sql.meaning.datafusion_spans import is_interval, is_span

_TYPE = exp.DataType.Type
_SIZE = "date_part('epoch', :a)"
_EPOCH = "(date_part('epoch', :a) + date_part('year', :a) * 453600)"
"""A year of twelve months has 365.25 days where seconds are counted."""
_OF_DAYS = ("HOUR", "MINUTE", "SECOND", "MILLISECOND", "MICROSECOND")


def _ours(rewrite: Rewrite) -> Rewrite:
    return lambda node, pair: rewrite(node, pair) if pair.source == "postgres" else None


def _is_ours(node: exp.Expression) -> bool:
    """Whether a value is an interval, and not the difference of two times, which the engine compares by its size."""
    return is_interval(node) and not is_span(node)


def _put(value: exp.Expression) -> None:
    value.replace(call("date_part", exp.Literal.string("epoch"), value.copy()))


def _compared(node: exp.Expression, pair: Pair) -> None:
    """By their sizes; beside the difference of two times they are compared before this."""
    values = list(_values(node))
    if not any(map(_is_ours, values)):
        return
    if (isinstance(node, exp.In) and node.args.get("query") is not None) or any(map(is_span, values)):
        raise Untranslatable("an interval among others in IN", "compare extract(epoch FROM …) of each")
    for value in values:
        if not isinstance(value.unnest(), exp.Null):
            _put(value)


def _values(node: exp.Expression) -> Iterator[exp.Expression]:
    if isinstance(node, exp.Case):
        yield from () if node.this is None else (node.this, *(branch.this for branch in node.args["ifs"]))
    elif isinstance(node, exp.Ordered):
        yield node.this
    else:
        single = [node.args.get(key) for key in ("this", "expression", "low", "high")]
        yield from (value for value in (*single, *node.expressions) if isinstance(value, exp.Expression))


def _nullif(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    if not any(map(_is_ours, (node.this, node.expression))):
        return None
    return build(f"CASE WHEN {_SIZE} IS DISTINCT FROM {_SIZE.replace(':a', ':b')} THEN :a END",
                 a=node.this, b=node.expression)  # fmt: skip


def _grouped(node: exp.Expression, pair: Pair) -> None:
    values = node.expressions if not isinstance(node, exp.Window) else node.args.get("partition_by") or ()
    if isinstance(node, exp.Distinct) and not values and isinstance(node.parent, exp.Select):
        values = [value.unalias() for value in node.parent.selects]
    _demand_none(values)


def _chosen(node: exp.Expression, pair: Pair) -> None:
    _demand_none([node.this, *node.expressions])


def _demand_none(values: list[exp.Expression] | tuple[()]) -> None:
    if any(map(_is_ours, values)):
        raise Untranslatable(
            "intervals that are grouped or of which one is chosen: PostgreSQL has '1 day' equal to '24 hours'",
            "take extract(epoch FROM …) of them",
        )


def _part(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    name = node.name.upper()
    if type_of(node.expression) is _TYPE.DATE and name.rstrip("S") in _OF_DAYS:
        raise Untranslatable(f"the part {name.lower()} of a date", "CAST it to timestamp")
    return build(_EPOCH, a=node.expression) if name == "EPOCH" and _is_ours(node.expression) else None


def _bin(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """With what bins are counted from, which the library writes for no engine."""
    origin = node.args.get("unit")
    if origin is None:
        return None
    width = node.this if not isinstance(node.this, exp.Literal) else exp.cast(node.this.copy(), "INTERVAL")
    new = call("date_bin", width, node.expression, origin)
    new.type = node.type
    return new


INTERVALS: Rules = {
    **dict.fromkeys(
        (*COMPARISONS, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Between, exp.In, exp.Case, exp.Ordered), (_ours(_compared),)
    ),
    exp.Nullif: (_ours(_nullif),),
    **dict.fromkeys((exp.Group, exp.Distinct, exp.Window), (_ours(_grouped),)),
    **dict.fromkeys((exp.Max, exp.Min, exp.Greatest, exp.Least), (_ours(_chosen),)),
    exp.Extract: (_ours(_part),),
    exp.DateBin: (_ours(_bin),),
}
