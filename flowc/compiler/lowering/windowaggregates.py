"""What a call of an aggregate over a window says: which one it is, and of what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from sqlglot import exp

from flowc.compiler.sql import marks
from flowc.compiler.sql.streams.windowcalls import PERCENTILES, tell_percentiles
from flowc.loadplan import FunctionPlan

DISTINCT = "approx_count_distinct"
PERCENTILE, _MEDIAN = PERCENTILES
_STRUCTS = ("named_struct", "struct")
_EXACT = {"percentile_cont", "percentile_disc", "median", "quantile_cont"}
FUNCTIONS: dict[type[exp.Expression], str] = {
    exp.Count: "count", exp.Sum: "sum", exp.Avg: "avg", exp.Min: "min", exp.Max: "max", exp.First: "first",
    exp.FirstValue: "first", exp.Last: "last", exp.LastValue: "last", exp.ArrayAgg: "array_agg",
    exp.ApproxDistinct: DISTINCT,
}  # fmt: skip
_CALLS: dict[str, Callable[..., exp.Expression]] = {
    "count": exp.Count, "sum": exp.Sum, "avg": exp.Avg, "min": exp.Min, "max": exp.Max, "first": exp.FirstValue,
    "last": exp.LastValue, "array_agg": exp.ArrayAgg,
}  # fmt: skip
_KNOWN = (
    "they have count, count(DISTINCT …), approx_count_distinct, approx_percentile_cont, approx_median, sum, avg, min, "
    "max, first, last, array_agg and json_agg, and aggregate functions of the project"
)
_LEVEL = f"write `{PERCENTILE}(x, 0.9)`, with a number from 0 to 1"
Why = tuple[str, str]
"""What is wrong with a call, and what to write."""


@dataclass(frozen=True, slots=True)
class Said:
    """An aggregate: its function, its arguments, the level of a percentile, and the project's function that it is.

    Where its values are to be a JSON document, `document` is the function that makes it of the array that comes out.
    """

    function: str
    values: tuple[exp.Expression, ...]
    distinct: bool = False
    level: float | None = None
    declared: FunctionPlan | None = None
    document: str = ""


def read(call: exp.Expression, name: str, own: Mapping[str, FunctionPlan], noun: str) -> Said | Why:
    """What a call says, without its FILTER.

    `name` is its function as it is written, `own` are those of the project; `noun` is what puts rows together.
    """
    inner = call.this if isinstance(call, exp.WithinGroup) else call
    if isinstance(inner, exp.Anonymous):
        called = inner.name.lower()
        if called in own:
            return _of_own(call, name, own[called], noun)
        if called == PERCENTILE:
            return _percentile(call, inner, name, noun)
        if called == _MEDIAN and len(inner.expressions) == 1 and inner is call:
            return _told(name, Said(PERCENTILE, tuple(inner.expressions), level=0.5), noun)
        if called == "jsonb_agg" and len(inner.expressions) == 1 and inner is call:
            return _told(name, Said("array_agg", tuple(inner.expressions), document="to_jsonb"), noun)
    if isinstance(call, exp.JSONArrayAgg) and not call.args.get("order"):
        return _told(name, Said("array_agg", (call.this,), document="to_json"), noun)
    function = FUNCTIONS.get(type(call))
    if function is None:
        more = f"compute others of these behind, or of what `array_agg` gives; {_LEVEL}" if name in _EXACT else ""
        return f"`{name}` is no aggregate that {noun}s have", f"{_KNOWN}; {more or 'compute others of these behind'}"
    return _of_sql(call, name, function, noun)


def engine_call(said: Said, columns: tuple[str, ...]) -> exp.Expression:
    """An aggregate over columns, of the type that it has: as the engine calls it, or one that gives the same type."""
    given: list[exp.Expression] = [exp.column(exp.to_identifier(name, quoted=True)) for name in columns]
    if not given:
        return exp.Count(this=exp.Star(), big_int=True)
    if said.declared is not None:
        call = exp.Anonymous(this=said.declared.name, expressions=given)
        marks.RETURNS.set(call, said.declared.returns)
        return call
    if said.level is not None:
        call = exp.Anonymous(this=PERCENTILE, expressions=[*given, exp.Literal.number(said.level)])
        tell_percentiles(call)
        return exp.cast(call, "double")  # of `real` numbers, the engine gives such
    if said.function == DISTINCT:  # which the engine does not have for values of any type
        return exp.Count(this=exp.Distinct(expressions=given))
    return _CALLS[said.function](this=exp.Distinct(expressions=given) if said.distinct else given[0])


def _of_sql(call: exp.Expression, name: str, function: str, noun: str) -> Said | Why:
    given = call.this
    distinct = isinstance(given, exp.Distinct)
    values = given.expressions if distinct else [given] if given is not None else []
    if any(each.is_star and (distinct or not isinstance(each, exp.Star) or function != "count") for each in values):
        return _all_of(name)
    if isinstance(given, exp.Order):
        return f"`{name}` has an order of its own", "`first`, `last` and `array_agg` go by event time: leave it out"
    if call.args.get("expressions") or len(values) > 1 or call.args.get("count") or call.args.get("accuracy"):
        return f"`{name}` takes one argument in a {noun}", "put several together: `concat_ws('|', a, b)`"
    if distinct and function != "count":
        return f"`{name}(DISTINCT …)` is no aggregate of {noun}s", "use `dedupe` before, or `count(DISTINCT …)`"
    document = "to_json" if function == "array_agg" and has_parts(values[0]) else ""
    return Said(function, tuple(values), distinct, document=document)


def has_parts(value: exp.Expression) -> bool:
    """Whether a value is made of parts that have names: outside the engine, it is JSON."""
    value = value.unnest()
    return isinstance(value, exp.Struct) or (isinstance(value, exp.Anonymous) and value.name.lower() in _STRUCTS)


def _percentile(call: exp.Expression, inner: exp.Anonymous, name: str, noun: str) -> Said | Why:
    """`approx_percentile_cont(x, 0.9)`, or `approx_percentile_cont(0.9) WITHIN GROUP (ORDER BY x)`."""
    given, turned = list(inner.expressions), False
    if call is not inner:
        items = call.expression.expressions
        turned = bool(items[0].args.get("desc"))
        given = [*(item.this for item in items), *given]
    level = given[1] if len(given) == 2 else None
    if not isinstance(level, exp.Literal) or level.is_string or not 0 <= Decimal(level.name) <= 1:
        return f"`{name}` takes a value and which part of all values is below the result", _LEVEL
    number = Decimal(level.name)
    return _told(name, Said(PERCENTILE, (given[0],), level=float(1 - number if turned else number)), noun)


def _of_own(call: exp.Expression, name: str, declared: FunctionPlan, noun: str) -> Said | Why:
    if isinstance(call, exp.WithinGroup) or not call.expressions:
        return f"`{name}` is called with arguments, in no order of its own", f"write `{name}(…)`"
    return _told(name, Said(declared.name.lower(), tuple(call.expressions), declared=declared), noun)


def _all_of(name: str) -> Why:
    return f"`{name}` looks at one value of each row, and this is all of them", "write `count(*)`, or a column"


def _told(name: str, said: Said, noun: str) -> Said | Why:
    if any(each.is_star for each in said.values):
        return _all_of(name)
    if any(isinstance(each, exp.Distinct) for each in said.values):
        return f"`{name}(DISTINCT …)` is no aggregate of {noun}s", "use `dedupe` before"
    if any(isinstance(each, exp.Order) for each in said.values):
        return f"`{name}` has an order of its own", "leave it out"
    return said
