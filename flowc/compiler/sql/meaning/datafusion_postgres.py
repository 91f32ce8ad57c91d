"""Words of PostgreSQL that DataFusion lacks or reads otherwise: said in its own, or refused."""

from __future__ import annotations

from sqlglot import exp

from flowc.compiler.sql.meaning.core import (
    Pair,
    Rewrite,
    Rules,
    Test,
    Untranslatable,
    build,
    call,
    integer_value,
    is_integer,
    refused,
    text_value,
    type_of,
)
from flowc.compiler.sql.meaning.datafusion_numbers import Number, number_of

_SOURCE = "postgres"
_TYPE = exp.DataType.Type


def _ours(rewrite: Rewrite) -> Rewrite:
    """The rewrite for SQL of PostgreSQL alone."""
    return lambda node, pair: rewrite(node, pair) if pair.source == _SOURCE else None


def _lacking(what: str, when: Test = lambda _: True) -> Rewrite:
    return _ours(refused(what, when))


def _between(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    if not node.args.get("symmetric"):
        return None
    return build(
        "((:a BETWEEN :l AND :h) OR (:a BETWEEN :h AND :l))", a=node.this, l=node.args["low"], h=node.args["high"]
    )


def _rows(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A comparison of rows, part by part: NULL in one of them leaves it open."""
    left, right = node.left.unnest(), node.right.unnest()
    if not isinstance(left, exp.Tuple) or not isinstance(right, exp.Tuple):
        return None
    pairs = list(zip(left.expressions, right.expressions, strict=True))
    equal = [exp.EQ(this=a.copy(), expression=b.copy()) for a, b in pairs]
    if isinstance(node, exp.EQ):
        return exp.paren(exp.and_(*equal), copy=False)
    if isinstance(node, exp.NEQ):
        return exp.Not(this=exp.paren(exp.and_(*equal), copy=False))
    strict = {exp.GT: exp.GT, exp.GTE: exp.GT, exp.LT: exp.LT, exp.LTE: exp.LT}[type(node)]
    tests = []
    for place, (a, b) in enumerate(pairs):
        kind = type(node) if place == len(pairs) - 1 else strict
        before = [test.copy() for test in equal[:place]]
        tests.append(exp.and_(*before, kind(this=a.copy(), expression=b.copy())))
    return exp.paren(exp.or_(*tests), copy=False)


def _element(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """No element is at a place before the first; DataFusion counts those from the end."""
    index = node.expressions[0] if len(node.expressions) == 1 else None
    if isinstance(index, exp.Slice):
        new = node.copy()
        if index.this is None:
            new.expressions[0].set("this", exp.Literal.number(1))
        if index.expression is None or any(_before(part) for part in (index.this, index.expression)):
            raise Untranslatable("a part of an array without an end, or that begins before its first element")
        return new
    number = integer_value(index)
    if number is not None and number + 1 - int(node.args.get("offset") or 0) <= 0:
        return exp.null()
    return None


def _before(place: exp.Expression | None) -> bool:
    return (number := integer_value(place)) is not None and number < 1


def _bytes(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A text of hexadecimal digits as bytes."""
    text, to = text_value(node.this), node.args["to"]
    if text is None or not isinstance(to, exp.DataType) or to.this not in (_TYPE.VARBINARY, _TYPE.BINARY):
        return None
    if text.startswith("\\x"):
        return exp.HexString(this=text[2:])
    if "\\" in text:
        raise Untranslatable("such an escape in bytes")
    return None


def _number_beside(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A text between quotes beside a number is one of its type."""
    for side, other in (("this", "expression"), ("expression", "this")):
        text = text_value(node.args[side].unnest())
        if text is None or type_of(node.args[other]) not in exp.DataType.NUMERIC_TYPES:
            continue
        if not is_integer(node.args[other]) or not text.strip().lstrip("+-").isdigit():
            raise Untranslatable(f"`'{text}'` used as a number: write it without quotes")
        new = node.copy()
        new.set(side, exp.cast(exp.Literal.string(text.strip()), "BIGINT"))
        return new
    return None


def _is_number(node: exp.Expression) -> bool:
    value = node.this.unnest()
    return type_of(value) in exp.DataType.NUMERIC_TYPES or integer_value(value) is not None


def _is_interval(node: exp.Expression) -> bool:
    value = node.this.unnest()
    return isinstance(value, exp.Interval) or type_of(value) is _TYPE.INTERVAL


def _shown(node: exp.Expression, pair: Pair) -> None:
    if _is_interval(node):
        raise Untranslatable("to_char of an interval", "take its parts: `extract(day FROM …)`, or all of it: `::text`")
    if _is_number(node):
        raise Untranslatable("to_char of a number", "round it and write it as a text: `round(x, 2)::text`")


_COMPARED = (_ours(_rows),)
_NO_WINDOWS = {exp.Where: "WHERE", exp.Having: "HAVING", exp.Join: "ON", exp.Group: "GROUP BY"}


def _placed(node: exp.Expression, pair: Pair) -> None:
    """Window functions are computed after those clauses."""
    clause = node.find_ancestor(*_NO_WINDOWS, exp.Query)
    if (name := _NO_WINDOWS.get(type(clause))) is not None:
        raise Untranslatable(f"a window function in {name}", "compute it in a subquery, and ask for its column outside")


def _counted(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """DataFusion counts no floats roughly, but texts; -0.0 is 0.0."""
    if number_of(node.this) in (Number.FLOAT, Number.FRACTION):
        return call("approx_distinct", exp.cast(build("(:a + 0.0)", "datafusion", a=node.this), "TEXT"))
    return call("approx_distinct", exp.cast(node.this.copy(), "TEXT")) if type_of(node.this) is None else None


POSTGRES: Rules = {
    exp.ApproxDistinct: (_counted,),
    exp.Window: (_placed,),
    exp.ArrayOverlaps: (_ours(lambda n, p: call("array_has_any", n.this, n.expression)),),
    exp.ArrayRemove: (_ours(lambda n, p: call("array_remove_all", n.this, n.expression)),),
    exp.Between: (_ours(_between),),
    exp.BitString: (_lacking("a string of bits"),),
    exp.HexString: (_lacking("a string of bits"),),
    exp.UnicodeString: (_lacking("a text with U&"),),
    exp.Bracket: (_ours(_element),),
    exp.Cast: (_ours(_bytes),),
    exp.CurrentUser: (_lacking("the name of a user"),),
    exp.SessionUser: (_lacking("the name of a user"),),
    exp.Overlaps: (_lacking("OVERLAPS"),),
    exp.RegexpInstr: (_lacking("REGEXP_INSTR with so many arguments", lambda n: n.args.get("option") is not None),),
    **dict.fromkeys((exp.TimeToStr, exp.ToChar), (_ours(_shown),)),
    exp.TimestampTrunc: (_lacking("DATE_TRUNC of an interval", _is_interval),),
    exp.TimeFromParts: (_lacking("make_time"),),
    exp.Add: (_ours(_number_beside),),
    exp.Sub: (_ours(_number_beside),),
    exp.Mul: (_ours(_number_beside),),
    **dict.fromkeys((exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE), _COMPARED),
}
