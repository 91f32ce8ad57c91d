"""Intervals on DataFusion: it compares them by months before days before times, and counts none of them in days.

PostgreSQL's difference of two times has days and the rest of a day; compared, a month has 30 days. So each difference
becomes such an interval (`flowc_interval`), and intervals compare by their microseconds (`flowc_span`). Differences
have but one form for each length: the engine's own order and equality of them are right.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sqlglot import exp

from flowc.compiler.sql.rewrite.core import (
    COMPARISONS,
    NAIVE_TIMES,
    ZONED_TIMES,
    Pair,
    Rules,
    Untranslatable,
    build,
    call,
    integer_value,
    text_value,
    type_of,
    typed,
)
from flowc.compiler.sql.rewrite.numbers import values_of
from flowc.compiler.systems.datafusion.rules.kinds import groups_of

_TYPE = exp.DataType.Type
_TIMES = (*NAIVE_TIMES, *ZONED_TIMES, _TYPE.DATE)
_INTERVAL, _SPAN, CLOCK, DAYS, MONTHS = (
    f"flowc_interval{part}" for part in ("", "_span", "_clock", "_days", "_months")
)
MICROS = "CAST(arrow_cast(:a, 'Duration(Microsecond)') AS BIGINT)"
DAY = 86_400_000_000
_SIZES = {
    "microsecond": 1, "millisecond": 1000, "second": 1_000_000, "sec": 1_000_000, "minute": 60_000_000,
    "min": 60_000_000, "hour": 3_600_000_000, "day": DAY, "week": 7 * DAY, "month": 30 * DAY, "mon": 30 * DAY,
    "year": 360 * DAY,
}  # fmt: skip
_ONE = re.compile(r"\s*([+-]?\d+)\s+([a-z]+?)s?(?=\s|$)", re.IGNORECASE)
_CHOSEN = (exp.Coalesce, exp.Greatest, exp.Least, exp.Case)
_GIVES_ITS_OWN = (
    exp.Min, exp.Max, exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue, exp.NthValue, exp.AnyValue, exp.Window,
    exp.Filter, exp.IgnoreNulls, exp.RespectNulls, exp.Nullif,
)  # fmt: skip
_COMPUTE = "compute with its seconds: `extract(epoch FROM …)`"


def _is_interval(node: exp.Expression | None) -> bool:
    return type_of(node) is _TYPE.INTERVAL


def _is_sub(value: exp.Expression) -> bool:
    """Whether a value is the difference of two times, one of them more than a date."""
    kinds = [type_of(value.left), type_of(value.right)] if isinstance(value, exp.Sub) else []
    return bool(kinds) and set(kinds) <= {*_TIMES} and set(kinds) != {_TYPE.DATE}


def _is_difference(node: exp.Expression, seen: frozenset[str] = frozenset()) -> bool:
    """Whether each value is a difference of times, or of the form of one: no months, less than a day of time."""
    value = node.unnest()
    if isinstance(value, exp.Column):
        given = [one.this for one in value.root().find_all(exp.Alias) if one.alias == value.name]
        names = seen | {value.name}
        others = [each for each in given if not (isinstance(each, exp.Column) and each.name in names)]
        return bool(others) and all(_is_difference(each, names) for each in others)
    if isinstance(value, _CHOSEN):
        return all(_is_difference(each, seen) for each in values_of(value))
    if isinstance(value, _GIVES_ITS_OWN):
        return _is_difference(value.this, seen)
    if isinstance(value, exp.Interval | exp.Cast):
        return (micros := _written(value)) is not None and abs(micros) < 30 * DAY and not _has_months(value)
    is_ours = isinstance(value, exp.Anonymous) and value.this == _INTERVAL
    return is_ours or isinstance(value, exp.Null) or _is_sub(value)


def _text_of(value: exp.Expression) -> str:
    """What is written between the quotes of an interval, and its unit; empty for another value."""
    unit = value.args.get("unit") if isinstance(value, exp.Interval) else None
    return " ".join(filter(None, (text_value(value.this), unit.name if isinstance(unit, exp.Expression) else "")))


def _has_months(value: exp.Expression) -> bool:
    """Whether a written interval has another form than a difference: months, a whole day in hours, or two signs."""
    found = [(int(count), unit.lower()) for count, unit in _ONE.findall(_text_of(value))]
    small = sum(count * _SIZES[unit] for count, unit in found if _SIZES[unit] < DAY)
    signs = {count > 0 for count, _ in found if count}
    return any(_SIZES[unit] > 7 * DAY for _, unit in found) or abs(small) >= DAY or len(signs) > 1


def _written(value: exp.Expression) -> int | None:
    """The microseconds of an interval that is written out in whole units."""
    parts = _ONE.findall(text := _text_of(value))
    if not parts or _ONE.sub("", text).strip() or any(unit.lower() not in _SIZES for _, unit in parts):
        return None
    return sum(int(count) * _SIZES[unit.lower()] for count, unit in parts)


def _span(node: exp.Expression) -> exp.Expression:
    """The microseconds by which an interval compares."""
    value = node.unnest()
    if isinstance(value, exp.Null):
        return value.copy()
    if isinstance(value, exp.Interval | exp.Cast) and (micros := _written(value)) is not None:
        new = exp.cast(exp.Literal.number(abs(micros)), "BIGINT")
        return exp.Neg(this=new) if micros < 0 else new
    if (difference := of_difference(value)) is not None:
        return build(MICROS, a=difference)
    return _of(_SPAN, node)


def of_difference(value: exp.Expression) -> exp.Expression | None:
    """The difference that an interval is made of, where the engine has not to see that it groups by the interval."""
    select = value.parent_select
    matched = select is not None and (select.args.get("group") or select.args.get("distinct"))
    made = isinstance(value, exp.Anonymous) and value.this == _INTERVAL and _is_interval(value)
    return value.expressions[0] if made and not matched else None


def _of(name: str, node: exp.Expression) -> exp.Expression:
    return typed(call(name, node), "bigint")


def _difference(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    kinds = [type_of(node.left), type_of(node.right)]
    if None in kinds and any(kind in _TIMES for kind in kinds):
        return call(_INTERVAL, node)  # which leaves alone what is no difference of times
    if not _is_sub(node):
        return None
    return typed(call(_INTERVAL, node), "interval")


def _compared(node: exp.Expression, pair: Pair) -> None:
    """Intervals compare by their microseconds."""
    if not any(_is_interval(part) or isinstance(part, exp.Tuple | exp.Paren) for part in node.iter_expressions()):
        return
    for group in groups_of(node):
        if not any(map(_is_interval, group)):
            continue
        queries = [value for value in group if isinstance(value, exp.Query | exp.Any | exp.All)]
        if not all(isinstance(query, exp.Subquery) and _is_interval(query) for query in queries):
            raise Untranslatable("an interval beside rows of a query in this form", _COMPUTE)
        for value in group:
            value.replace(_span(value))


def _case(node: exp.Expression, pair: Pair) -> None:
    """The values that a CASE is asked for, not those that it gives."""
    if node.this is not None:
        asked = [node.this, *(branch.this for branch in node.args["ifs"])]
        for value in asked if any(map(_is_interval, asked)) else ():
            value.replace(_span(value))


def _unequal(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    if not _is_interval(node.this) and not _is_interval(node.expression):
        return None
    equal = exp.EQ(this=_span(node.this), expression=_span(node.expression))
    return exp.Case(ifs=[exp.If(this=equal, true=exp.null())], default=node.this.copy())


def _ordered(node: exp.Expression, pair: Pair) -> None:
    place = integer_value(node.this)
    if place is not None and isinstance(select := node.find_ancestor(exp.Query), exp.Select):
        _demand_differences(select.selects[place - 1 : place], "ORDER BY the number of a column", "order by its name")
    if not _is_interval(node.this):
        return
    if isinstance(node.find_ancestor(exp.WithinGroup, exp.Query), exp.WithinGroup):
        raise Untranslatable("a percentile of intervals", _COMPUTE)
    select = node.find_ancestor(exp.Query)
    if isinstance(select, exp.Select) and (distinct := select.args.get("distinct")) and not distinct.args.get("on"):
        return  # of what is selected, which are differences
    node.this.replace(_span(node.this))


def _demand_differences(values: Iterable[exp.Expression], what: str, mend: str = _COMPUTE) -> None:
    if any(_is_interval(value.unalias()) and not _is_difference(value.unalias()) for value in values):
        raise Untranslatable(f"{what} of intervals that are not known to be differences of times", mend)


def _alike(node: exp.Expression, pair: Pair) -> None:
    """Intervals of the same length are equal in whatever form; the engine's are in the same form only."""
    if isinstance(node, exp.Select):
        group, distinct = node.args.get("group"), node.args.get("distinct")
        _demand_differences(group.expressions if group is not None else (), "GROUP BY")
        _demand_differences(node.selects if distinct is not None else (), "DISTINCT")
    elif isinstance(node, exp.SetOperation):
        _demand_differences(_outputs(node) if node.args.get("distinct") is not False else (), node.key.upper())
    elif isinstance(node, exp.Distinct):
        _demand_differences(node.expressions, "DISTINCT")
        keys = node.args["on"].expressions if isinstance(node.args.get("on"), exp.Tuple) else ()
        for key in filter(_is_interval, keys):
            key.replace(_span(key))
    elif isinstance(node, exp.Window):
        _demand_differences(node.args.get("partition_by") or (), "PARTITION BY")
    elif isinstance(node, exp.Min | exp.Max):
        _demand_differences([node.this], node.key.upper())
    else:
        _demand_differences(values_of(node), node.key.upper())


def _outputs(node: exp.Expression) -> Iterator[exp.Expression]:
    for side in (node.left.unnest(), node.right.unnest()) if isinstance(node, exp.SetOperation) else ():
        yield from _outputs(side) if isinstance(side, exp.SetOperation) else getattr(side, "selects", ())


def _summed(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A sum or mean of intervals: that of months, of days and of times."""
    inner = node
    while isinstance(inner, exp.Window | exp.Filter):
        inner = inner.this
    around = isinstance(node.parent, exp.Window | exp.Filter) and node.parent.this is node
    if not isinstance(inner, exp.Sum | exp.Avg) or around or not _is_interval(_summand(inner)):
        return None
    if isinstance(inner.this, exp.Distinct):
        raise Untranslatable(f"{inner.key.upper()} of DISTINCT intervals", _COMPUTE)
    sums = [_around(node, inner, exp.Sum(this=_of(part, inner.this))) for part in (MONTHS, DAYS, CLOCK)]
    if isinstance(inner, exp.Sum):
        new = call("flowc_interval_sum", *sums)
    else:
        new = call("flowc_interval_mean", *sums, _around(node, inner, exp.Count(this=inner.this.copy())))
    return typed(new, "interval")


def _summand(node: exp.Expression) -> exp.Expression:
    return node.this.expressions[0] if isinstance(node.this, exp.Distinct) else node.this


def _around(whole: exp.Expression, inner: exp.Expression, instead: exp.Expression) -> exp.Expression:
    """A copy of an aggregate and its FILTER and OVER, with another aggregate."""
    if whole is inner:
        return instead
    new = whole.copy()
    place = new
    while isinstance(place.this, exp.Window | exp.Filter):
        place = place.this
    place.set("this", instead)
    return new


def _no_number(node: exp.Expression, pair: Pair) -> None:
    written = isinstance(node, exp.Mul) and any(isinstance(s.unnest(), exp.Interval) for s in (node.left, node.right))
    if not written and (_is_interval(node.left) or _is_interval(node.right)):
        raise Untranslatable("an interval times or divided by a number", _COMPUTE)


def _negated(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Nothing minus an interval, which the engine has for differences too before they are made intervals."""
    if not _is_interval(node.this):
        return None
    nothing = exp.Interval(this=exp.Literal.string("0"), unit=exp.var("DAYS"))
    return typed(exp.paren(exp.Sub(this=nothing, expression=node.this.copy()), copy=False), "interval")


_SORTED = (exp.Select, exp.Union, exp.Intersect, exp.Except, exp.Distinct, exp.Min, exp.Max, exp.Greatest, exp.Least)

SPANS: Rules = {
    exp.Sub: (_difference,),
    **dict.fromkeys((*COMPARISONS, exp.Between, exp.In, exp.NullSafeEQ, exp.NullSafeNEQ), (_compared,)),
    exp.Case: (_case,),
    exp.Nullif: (_unequal,),
    exp.Ordered: (_ordered,),
    **dict.fromkeys(_SORTED, (_alike,)),
    exp.Window: (_alike, _summed),
    **dict.fromkeys((exp.Sum, exp.Avg, exp.Filter), (_summed,)),
    **dict.fromkeys((exp.Div, exp.Mul), (_no_number,)),
    exp.Neg: (_negated,),
}
