"""What dialects mean, in terms that every engine has: functions without a common name, units, NULL, rounding."""

from __future__ import annotations

from sqlglot import exp

from flowc.compiler.sql.rewrite.core import (
    INTEGERS,
    Pair,
    Rules,
    Untranslatable,
    build,
    call,
    integer_value,
    text_value,
    type_of,
    with_part,
)
from flowc.compiler.sql.rewrite.dateparts import DATE_PARTS
from flowc.compiler.sql.rewrite.named import named
from flowc.compiler.sql.rewrite.numbers import EXACT, Number, number_of

_CUTS = ("spark", "databricks", "sqlite", "datafusion")
"""Dialects of authors whose cast of a fraction to an integer cuts; the others round."""


def window(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Functions that only exist over a window; and Snowflake's frames, which are whole where others stop at the row."""
    function = node.this
    name = function.name.upper() if isinstance(function, exp.Anonymous) else ""
    if name == "RATIO_TO_REPORT":
        value = function.expressions[0]
        return build("(:a * 1.0) / :b", a=value, b=with_part(node, this=exp.Sum(this=value.copy())))
    if name == "CONDITIONAL_TRUE_EVENT":
        return with_part(node, this=build("SUM(CASE WHEN :a THEN 1 ELSE 0 END)", a=function.expressions[0]))
    inner = function.this if isinstance(function, exp.IgnoreNulls | exp.RespectNulls) else function
    places = isinstance(inner, exp.LastValue | exp.FirstValue | exp.NthValue)
    if pair.source == "snowflake" and places and not node.args.get("spec"):
        return with_part(node, spec=exp.WindowSpec(kind="ROWS", **_WHOLE))
    return None


_WHOLE = {"start": "UNBOUNDED", "start_side": "PRECEDING", "end": "UNBOUNDED", "end_side": "FOLLOWING"}


def sum_of_condition(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """MySQL and SQLite count conditions by adding them."""
    if pair.source in ("mysql", "sqlite") and isinstance(node.this, exp.Predicate | exp.Not | exp.Connector):
        return build("SUM(CASE WHEN :a THEN 1 WHEN NOT :a THEN 0 END)", a=node.this)
    return None


def substring(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Positions from the end, at zero and before the start, as the author's dialect counts them."""
    text, start = node.this, node.args.get("start")
    if start is not None and text_value(start) is not None:
        return exp.RegexpExtract(this=text, expression=start, group=_first_group(start), nullable=exp.true())
    value = integer_value(start)
    if value is None or value > 0:
        return None
    if pair.source in ("postgres", "datafusion"):
        return _before_start(node, value) if pair.engine.from_end else None
    if value == 0:
        return _from_zero(node, pair)
    if pair.engine.from_end:
        return None
    begin = build("LENGTH(:a) + 1 - :n", a=text, n=-value)
    return exp.Substring(this=text, start=begin, length=node.args.get("length"))


def _before_start(node: exp.Expression, start: int) -> exp.Expression:
    """Positions before the text count: those that are left of the length are in it."""
    length = node.args.get("length")
    size = integer_value(length)
    if length is not None and size is None:
        raise Untranslatable("a substring that starts before the text with a length that is not a number")
    rest = None if size is None else exp.Literal.number(max(0, size + start - 1))
    return exp.Substring(this=node.this, start=exp.Literal.number(1), length=rest)


def _from_zero(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    if pair.source == "mysql":
        return exp.Literal.string("")
    if pair.source == "duckdb":
        return None
    return exp.Substring(this=node.this, start=exp.Literal.number(1), length=node.args.get("length"))


def _first_group(pattern: exp.Expression) -> exp.Expression:
    text = (text_value(pattern) or "").replace("\\(", "").replace("(?", "")
    return exp.Literal.number(1 if "(" in text else 0)


def greatest(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """NULL makes the result NULL in some dialects and is skipped in others."""
    arguments = [node.this, *node.expressions]
    if node.args.get("ignore_nulls") or not pair.engine.skips_null:
        return None
    nulls = exp.or_(*[exp.Is(this=a.copy(), expression=exp.null()) for a in arguments])
    bare = type(node)(this=node.this.copy(), expressions=[a.copy() for a in node.expressions], ignore_nulls=True)
    return exp.Case(ifs=[exp.If(this=nulls, true=exp.null())], default=bare)


def cast_to_own_type(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Types that its author's database alone has, such as `regclass`; SQLite takes any name for one of numbers."""
    to = node.args["to"]
    if not isinstance(to.this, exp.DataType.Type) or to.this is exp.DataType.Type.USERDEFINED:
        raise Untranslatable(f"a cast to `{to.sql(pair.source).lower()}`")
    return None


def cast_to_integer(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A fraction becomes an integer by rounding or by cutting, as the author's dialect does it."""
    to, value = node.args["to"], node.this
    if not isinstance(to, exp.DataType) or to.this not in INTEGERS:
        return None
    whole = _as_cut_or_rounded(value, pair) if (pair.source in _CUTS) != pair.engine.cuts else _half(value, pair)
    return None if whole is None else with_part(node, this=whole)


def _as_cut_or_rounded(value: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Between an engine that cuts and one that rounds."""
    number = number_of(value)
    if number is Number.INTEGER or (number is None and type_of(value) is not None):
        return None
    if number in (None, Number.FRACTION) and pair.source in EXACT and pair.engine.exact:
        return None if isinstance(value.unnest(), _WITHOUT_PLACES) else call("flowc_whole", value)
    if number is None:
        return None
    if pair.source in _CUTS:
        return exp.Trunc(this=value.copy())
    if number is Number.FLOAT and pair.source in ("postgres", "duckdb"):
        return build(_HALF_TO_EVEN, x=value)
    return exp.Round(this=value.copy())


_WITHOUT_PLACES = (exp.Null, exp.Predicate, exp.Connector, exp.Not)


_HALF_TO_EVEN = "CASE WHEN ABS(:x - TRUNC(:x)) = 0.5 THEN ROUND(:x / 2) * 2 ELSE ROUND(:x) END"
"""A float rounded on an engine that rounds its halves away from zero."""


def round_float(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A half of a float goes to the even number where the author's dialect rounds it so."""
    even = pair.source in ("postgres", "mysql")
    if not even or not pair.engine.rounds_away or node.args.get("decimals"):
        return None
    number = number_of(node.this)
    if number in (None, Number.FRACTION) and pair.source in EXACT and pair.engine.exact:
        return call("flowc_round", node.this)
    return build(_HALF_TO_EVEN, x=node.this) if number is Number.FLOAT else None


def _half(value: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Between two engines that round: a half of a float goes to the even number or away from zero."""
    away = pair.source in ("bigquery", "snowflake", "mysql")
    if not away or not pair.engine.casts_even or type_of(value) not in exp.DataType.FLOAT_TYPES:
        return None
    return build("SIGN(:x) * FLOOR(ABS(:x) + 0.5)", x=value)


def straight_join(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A hint for MySQL's planner."""
    if "STRAIGHT_JOIN" not in (node.args.get("kind"), node.args.get("method"), node.args.get("side")):
        return None
    return exp.Join(this=node.this.copy(), on=node.args.get("on") and node.args["on"].copy())


def rollup(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """MySQL's WITH ROLLUP."""
    marks = [r for r in node.args.get("rollup") or [] if not r.expressions]
    if not marks:
        return None
    new = node.copy()
    new.set("rollup", [exp.Rollup(expressions=[e.copy() for e in node.expressions])])
    new.set("expressions", [])
    return new


def width_bucket(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """The number of the bucket of equal widths."""
    x, low, high, count = node.this, node.args["min_value"], node.args["max_value"], node.args["num_buckets"]
    return build(
        "CASE WHEN :x < :low THEN 0 WHEN :x >= :high THEN :n + 1 ELSE CAST(FLOOR((:x - :low) * :n / (:high - :low)) AS INT) + 1 END",  # noqa: E501
        x=x, low=low, high=high, n=count,
    )  # fmt: skip


def length(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """DuckDB's len of a list, and MySQL's of bytes."""
    if isinstance(node.this, exp.Split | exp.Array):
        return exp.ArraySize(this=node.this.copy())
    return exp.ByteLength(this=node.this.copy()) if pair.source == "mysql" and node.args.get("binary") else None


def first_value(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """`first` and `last` over a window."""
    around = node.parent.parent if isinstance(node.parent, exp.IgnoreNulls) else node.parent
    if not isinstance(around, exp.Window):
        return None
    return (exp.FirstValue if isinstance(node, exp.First) else exp.LastValue)(this=node.this.copy())


def no_text_number(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """MySQL counts with the number that a text starts with."""
    if pair.source == "mysql" and any(type_of(node.args[s]) in exp.DataType.TEXT_TYPES for s in ("this", "expression")):
        raise Untranslatable("a text used as a number")
    return None


def decode(node: exp.Expression, pair: Pair) -> exp.Expression:
    """CASE whose NULL is equal to NULL."""
    value, *rest = node.expressions
    default = rest[-1].copy() if len(rest) % 2 else None
    pairs = zip(rest[::2], rest[1::2], strict=False)
    tests = [exp.If(this=exp.NullSafeEQ(this=value.copy(), expression=s.copy()), true=r.copy()) for s, r in pairs]
    return exp.Case(ifs=tests, default=default)


COMMON: Rules = {
    **DATE_PARTS,
    exp.Anonymous: (named,),
    exp.DecodeCase: (decode,),
    exp.Length: (length,),
    exp.First: (first_value,),
    exp.Last: (first_value,),
    exp.Add: (no_text_number,),
    exp.Sub: (no_text_number,),
    exp.Mul: (no_text_number,),
    exp.Window: (window,),
    exp.Sum: (sum_of_condition,),
    exp.Substring: (substring,),
    exp.Greatest: (greatest,),
    exp.Least: (greatest,),
    **dict.fromkeys((exp.Cast, exp.TryCast), (cast_to_own_type, cast_to_integer)),
    exp.Round: (round_float,),
    exp.Join: (straight_join,),
    exp.Group: (rollup,),
    exp.WidthBucket: (width_bucket,),
}
