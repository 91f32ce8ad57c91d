"""What SQLite computes and how it spells it.

Times are texts of a fixed width there (`2024-02-29 10:00:00.000000`), so that their order is that of time; everything
that makes one must keep to that form. What SQLite has no exact way for is refused.
"""

from __future__ import annotations

from sqlglot import exp

from flowc.compiler.meaning.core import (
    Pair,
    Rewrite,
    Rules,
    Untranslatable,
    build,
    call,
    integer_value,
    negated,
    text_value,
    type_of,
)
from flowc.compiler.meaning.relations import all_columns, star_without
from flowc.compiler.meaning.sqlite_casts import cast, try_cast
from flowc.compiler.meaning.sqlite_dates import (
    arithmetic,
    compare,
    date_add,
    date_only,
    difference,
    extract,
    extracted,
    format,
    part,
    second,
    truncate,
)

_DIALECT = "sqlite"
_TYPE = exp.DataType.Type


def refused(what: str) -> Rewrite:
    """A rewrite that says no."""

    def rewrite(node: exp.Expression, pair: Pair) -> exp.Expression:
        raise Untranslatable(f"{what}, which SQLite lacks")

    return rewrite


def _like(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """LIKE does not tell cases apart in SQLite, GLOB does."""
    escaped = isinstance(node.parent, exp.Escape)
    return None if escaped or pair.source == "mysql" else _glob(node, None)


def _escape(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    if not isinstance(node.this, exp.Like) or pair.source == "mysql":
        return None
    return _glob(node.this, text_value(node.expression))


def _glob(node: exp.Expression, escape: str | None) -> exp.Expression:
    pattern = text_value(node.expression)
    if pattern is None:
        raise Untranslatable("LIKE with a pattern that is not a literal, since SQLite's does not tell cases apart")
    out, at = "", 0
    while at < len(pattern):
        letter = pattern[at]
        if letter == escape and at + 1 < len(pattern):
            at += 1
            out += f"[{pattern[at]}]" if pattern[at] in "*?[" else pattern[at]
        else:
            out += {"%": "*", "_": "?"}.get(letter, f"[{letter}]" if letter in "*?[" else letter)
        at += 1
    return negated(node, exp.Glob(this=node.this.copy(), expression=exp.Literal.string(out)))


def _round(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    places = node.args.get("decimals")
    count = integer_value(places)
    if count is not None and count < 0:
        return build(f"ROUND(:a / {10.0**-count}) * {10**-count}", _DIALECT, a=node.this)
    return None


def _mod(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    real = exp.DataType.REAL_TYPES
    if type_of(node.this) in real or type_of(node.expression) in real:
        return call("MOD", node.this, node.expression)
    return None


def _length(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    if type_of(node.this) in exp.DataType.ARRAY_TYPES:
        return call("JSON_ARRAY_LENGTH", node.this)
    if pair.source == "mysql" and node.args.get("binary"):
        return build("LENGTH(CAST(:a AS BLOB))", _DIALECT, a=node.this)
    return None


def _array_size(node: exp.Expression, pair: Pair) -> exp.Expression:
    size = call("JSON_ARRAY_LENGTH", node.this)
    return (
        build("NULLIF(:a, 0)", _DIALECT, a=size) if pair.source == "postgres" and node.expression is not None else size
    )


def _element(node: exp.Expression, pair: Pair) -> exp.Expression:
    """An element of an array, which SQLite stores as JSON text."""
    index = integer_value(node.expressions[0]) if len(node.expressions) == 1 else None
    if index is None:
        raise Untranslatable("slices and fields of nested values, which SQLite lacks")
    offset = node.args.get("offset")
    index = (
        index - int(offset or 0) if index >= 0 else index + (offset is None and pair.source in ("duckdb", "postgres"))
    )
    place = f"$[{index}]" if index >= 0 else f"$[#{index}]"
    return call("JSON_EXTRACT", node.this, exp.Literal.string(place))


def _contains(node: exp.Expression, pair: Pair) -> exp.Expression:
    return build(
        "EXISTS(SELECT 1 FROM JSON_EACH(:a) AS _e WHERE _e.value = :b)", _DIALECT, a=node.this, b=node.expression
    )


def _fetch(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    if node.args.get("limit_options") and node.args["limit_options"].args.get("with_ties"):
        raise Untranslatable("FETCH … WITH TIES, which SQLite lacks")
    return exp.Limit(expression=node.args["count"].copy()) if node.args.get("count") else None


def _group(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    if any(node.args.get(key) for key in ("rollup", "cube", "grouping_sets")) or node.find(
        exp.Rollup, exp.Cube, exp.GroupingSets
    ):
        raise Untranslatable("GROUPING SETS, ROLLUP and CUBE, which SQLite lacks")
    return None


def _ordered(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    if isinstance(node.this, exp.Order):
        raise Untranslatable("an order inside an aggregate, which SQLite before 3.44 lacks")
    return None


def _distinct(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    if node.args.get("on"):
        raise Untranslatable("DISTINCT ON, whose rows SQLite would give in another order")
    return None


def _join(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    if (node.args.get("kind") or "").upper() in ("SEMI", "ANTI") or (node.args.get("method") or "").upper() == "ASOF":
        raise Untranslatable("SEMI, ANTI and ASOF joins, which SQLite lacks")
    if isinstance(node.this, exp.Lateral):
        raise Untranslatable("LATERAL, which SQLite lacks")
    return None


def _first_form(node: exp.Expression, pair: Pair) -> exp.Expression:
    return build(
        "flowc_regexp_replace(:a, :p, :r)",
        _DIALECT,
        a=node.this,
        p=node.expression,
        r=node.args.get("replacement") or exp.Literal.string(""),
    )


def _left(node: exp.Expression, pair: Pair) -> exp.Expression:
    count = integer_value(node.expression)
    if count is None or count < 0:
        raise Untranslatable("LEFT with a count that is not a positive number")
    return call("SUBSTR", node.this, exp.Literal.number(1), exp.Literal.number(count))


def _right(node: exp.Expression, pair: Pair) -> exp.Expression:
    count = integer_value(node.expression)
    if count is None:
        return build("SUBSTR(:a, LENGTH(:a) - :n + 1)", _DIALECT, a=node.this, n=node.expression)
    if count <= 0:
        raise Untranslatable("RIGHT with a count that is not a positive number")
    return call("SUBSTR", node.this, build(f"-{count}", _DIALECT))


def _union(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    if isinstance(node.this, exp.Subquery) or isinstance(node.expression, exp.Subquery):
        raise Untranslatable("set operations of queries in parentheses, which SQLite lacks")
    return None


_ARRAYS = refused("arrays")
_PATTERNS = refused("regular expressions")

PORTABLE: Rules = {
    exp.DateDiff: (difference,),
    exp.TimestampDiff: (difference,),
    exp.DatetimeDiff: (difference,),
    exp.TsOrDsDiff: (difference,),
    exp.StrToTime: (refused("reading times by a format"),),
    exp.StrToDate: (refused("reading dates by a format"),),
    exp.Collate: (lambda n, p: n.this.copy() if n.expression.name in ("C", "POSIX") else None,),
}
"""What can be said by parts of dates, which the next table spells."""

RULES: Rules = {
    exp.Extract: (extract,),
    exp.Year: (part("YEAR"),),
    exp.Month: (part("MONTH"),),
    exp.Day: (part("DAY"),),
    exp.DayOfMonth: (part("DAY"),),
    exp.Hour: (part("HOUR"),),
    exp.Minute: (part("MINUTE"),),
    exp.Second: (second,),
    exp.Quarter: (part("QUARTER"),),
    exp.DayOfYear: (part("DOY"),),
    exp.DayOfWeekIso: (part("ISODOW"),),
    exp.TimestampTrunc: (truncate,),
    exp.DateTrunc: (truncate,),
    exp.Cast: (cast,),
    exp.TryCast: (try_cast,),
    exp.TsOrDsToDate: (date_only,),
    exp.Add: (arithmetic,),
    exp.Sub: (arithmetic,),
    exp.Mul: (lambda n, p: refused("a number times an interval")(n, p) if n.find(exp.Interval) else None,),
    exp.DateAdd: (date_add,),
    exp.DateSub: (date_add,),
    exp.TsOrDsAdd: (date_add,),
    exp.TimestampAdd: (date_add,),
    exp.TimestampSub: (date_add,),
    exp.DatetimeAdd: (date_add,),
    exp.DatetimeSub: (date_add,),
    exp.TimeToUnix: (lambda n, p: extracted("EPOCH", n.this, p),),
    exp.UnixSeconds: (lambda n, p: build("CAST(STRFTIME('%s', :a) AS INTEGER)", _DIALECT, a=n.this),),
    exp.UnixToTime: (
        lambda n, p: (
            build("STRFTIME('%Y-%m-%d %H:%M:%S.000000', :a, 'unixepoch')", _DIALECT, a=n.this)
            if not integer_value(n.args.get("scale")) and p.source not in ("postgres", "bigquery")
            else refused("such instants")(n, p)
        ),
    ),
    exp.AtTimeZone: (refused("time zones"),),
    exp.ConvertTimezone: (refused("time zones"),),
    exp.TimeToStr: (format,),
    exp.Like: (_like,),
    exp.Escape: (_escape,),
    exp.EQ: (compare,),
    exp.NEQ: (compare,),
    exp.GT: (compare,),
    exp.GTE: (compare,),
    exp.LT: (compare,),
    exp.LTE: (compare,),
    exp.Round: (_round,),
    exp.Mod: (_mod,),
    exp.Length: (_length,),
    exp.ByteLength: (lambda n, p: build("LENGTH(CAST(:a AS BLOB))", _DIALECT, a=n.this),),
    exp.ArraySize: (_array_size,),
    exp.Bracket: (_element,),
    exp.ArrayContains: (_contains,),
    exp.Array: (
        lambda n, p: call("JSON_ARRAY", *n.expressions) if not n.find(exp.Comprehension, exp.Query) else _ARRAYS(n, p),
    ),
    exp.Unnest: (_ARRAYS,),
    exp.Explode: (_ARRAYS,),
    exp.Posexplode: (_ARRAYS,),
    exp.ArrayAgg: (_ARRAYS,),
    exp.Split: (_ARRAYS,),
    exp.Struct: (refused("structs"),),
    exp.VarMap: (refused("maps"),),
    exp.ToMap: (refused("maps"),),
    exp.Lateral: (refused("LATERAL"),),
    exp.Any: (refused("ANY"),),
    exp.All: (refused("ALL"),),
    exp.ArrayContainsAll: (_ARRAYS,),
    exp.JSONBContainsTopKey: (refused("the operator `?`"),),
    exp.RegexpReplace: (
        lambda n, p: (
            _first_form(n, p)
            if not n.args.get("single_replace")
            else refused("the replacement of the first match of a pattern")(n, p)
        ),
    ),
    exp.RegexpLike: (_PATTERNS,),
    exp.RegexpILike: (_PATTERNS,),
    exp.RegexpExtract: (_PATTERNS,),
    exp.Xor: (lambda n, p: build("((:a) <> (:b))", _DIALECT, a=n.this, b=n.expression),),
    exp.BitwiseXor: (lambda n, p: build("((:a | :b) - (:a & :b))", _DIALECT, a=n.this, b=n.expression),),
    exp.MD5: (lambda n, p: call("flowc_md5", n.this),),
    exp.Upper: (lambda n, p: call("flowc_upper", n.this),),
    exp.Lower: (lambda n, p: call("flowc_lower", n.this),),
    exp.StartsWith: (lambda n, p: build("SUBSTR(:a, 1, LENGTH(:b)) = :b", _DIALECT, a=n.this, b=n.expression),),
    exp.ApproxDistinct: (lambda n, p: build("COUNT(DISTINCT :a)", _DIALECT, a=n.this),),
    exp.Unicode: (lambda n, p: None,),
    exp.Left: (_left,),
    exp.Right: (_right,),
    exp.Star: (star_without,),
    exp.Select: (all_columns,),
    exp.JSONArrayAgg: (refused("an order inside an aggregate"),),
    exp.WindowSpec: (lambda n, p: refused("a frame of an interval")(n, p) if n.find(exp.Interval) else None,),
    exp.Union: (_union,),
    exp.Except: (_union,),
    exp.Intersect: (_union,),
    exp.Count: (lambda n, p: refused("COUNT of distinct rows")(n, p) if n.find(exp.Tuple) else None,),
    exp.Fetch: (_fetch,),
    exp.Group: (_group,),
    exp.GroupConcat: (_ordered,),
    exp.Distinct: (_distinct,),
    exp.Join: (_join,),
}
