"""Words of PostgreSQL that DataFusion lacks or reads otherwise: said in its own, or refused."""

from __future__ import annotations

from sqlglot import exp

from flowc.compiler.sql.rewrite.core import (
    Pair,
    Rules,
    Untranslatable,
    build,
    call,
    integer_value,
    is_integer,
    refused,
    text_value,
    type_of,
)
from flowc.compiler.sql.rewrite.numbers import Number, number_of

_SOURCE = "postgres"
_TYPE = exp.DataType.Type


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
    to = node.args["to"]
    return _bytes_of(node.this) if isinstance(to, exp.DataType) and to.this in _BYTES else None


_BYTES = (_TYPE.VARBINARY, _TYPE.BINARY)


def _bytes_of(value: exp.Expression) -> exp.Expression | None:
    text = text_value(value) or ""
    if text.startswith("\\x"):
        return exp.HexString(this=text[2:])
    if "\\" in text:
        raise Untranslatable("such an escape in bytes")
    return None


def _beside_bytes(node: exp.Expression, pair: Pair) -> None:
    """A text between quotes beside bytes is bytes, in PostgreSQL's form."""
    values = [value for value in (node.this, node.args.get("expression"), *node.expressions) if value is not None]
    if any(type_of(value) in _BYTES for value in values):
        for value in values:
            if "\\" in (text_value(value) or "") and (made := _bytes_of(value)) is not None:
                value.replace(made)


def _of_base64(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Filled up to groups of four, in lines of 76."""
    if (text_value(node.args.get("charset")) or "").lower() != "base64":
        return None
    padded = call("encode", node.this, exp.Literal.string("base64pad"))
    return call("regexp_replace", padded, *map(exp.Literal.string, ("(.{76})", "${1}\n", "g")))


def _to_boolean(node: exp.Expression, pair: Pair) -> None:
    """PostgreSQL casts whole numbers of 32 bits alone."""
    to, value = node.args["to"], node.this.unnest()
    known = isinstance(value, exp.Column | exp.Cast) and type_of(value) in exp.DataType.NUMERIC_TYPES
    if isinstance(to, exp.DataType) and to.this is _TYPE.BOOLEAN and known and type_of(value) is not _TYPE.INT:
        raise Untranslatable("a number other than an integer as a boolean", "compare it: `x <> 0`")


def _window_of_another(node: exp.Expression, pair: Pair) -> None:
    """The engine leaves out what the other one says."""
    if node.args.get("alias") is not None and any(node.args.get(key) for key in ("partition_by", "order", "spec")):
        raise Untranslatable("a window made of another one", "write it out: `OVER (PARTITION BY … ORDER BY …)`")


def _padded(node: exp.Expression, pair: Pair) -> None:
    """To no less than nothing, where the engine panics."""
    length = node.expression
    if integer_value(length) is None:
        length.replace(build("CASE WHEN :n > 0 THEN :n ELSE 0 * :n END", n=length))


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


PLACES: Rules = {exp.ApproxDistinct: (_counted,), exp.Window: (_placed,)}
"""Of any dialect."""

POSTGRES: Rules = {
    exp.Window: (_window_of_another,),
    exp.Pad: (_padded,),
    exp.Encode: (_of_base64,),
    exp.In: (_beside_bytes,),
    exp.Between: (_between,),
    **dict.fromkeys((exp.BitString, exp.HexString), (refused("a string of bits"),)),
    exp.UnicodeString: (refused("a text with U&"),),
    exp.Bracket: (_element,),
    exp.Cast: (_bytes, _to_boolean),
    **dict.fromkeys((exp.CurrentUser, exp.SessionUser), (refused("the name of a user"),)),
    exp.Overlaps: (refused("OVERLAPS"),),
    exp.RegexpInstr: (refused("REGEXP_INSTR with so many arguments", lambda n: n.args.get("option") is not None),),
    **dict.fromkeys((exp.TimeToStr, exp.ToChar), (_shown,)),
    exp.TimestampTrunc: (refused("DATE_TRUNC of an interval", _is_interval),),
    exp.TimeFromParts: (refused("make_time"),),
    **dict.fromkeys((exp.Add, exp.Sub, exp.Mul), (_number_beside,)),
    **dict.fromkeys((exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE), (_rows, _beside_bytes)),
}
