"""What SQLite computes and how it spells it.

Times are texts of a fixed width there (`2024-02-29 10:00:00.000000`), so that their order is that of time; everything
that makes one must keep to that form. What SQLite has no exact way for is refused.
"""

from __future__ import annotations

from sqlglot import exp

from flowc.compiler.sql import marks
from flowc.compiler.sql.rewrite.calendar import convert_zone
from flowc.compiler.sql.rewrite.common import greatest
from flowc.compiler.sql.rewrite.core import (
    COMPARISONS,
    PLAIN_WORDS,
    Answer,
    Engine,
    Pair,
    Rewrite,
    Rules,
    Test,
    Untranslatable,
    always,
    build,
    call,
    integer_value,
    negated,
    refused,
    renamed,
    template,
    text_value,
    type_of,
)
from flowc.compiler.sql.rewrite.dates import DIFFERENCES, SHIFTS
from flowc.compiler.sql.rewrite.failures import FAILURES, one_row
from flowc.compiler.sql.rewrite.numbers import QUOTIENTS, Number, number_of
from flowc.compiler.sql.rewrite.relations import fetch_first, group_by_all, order_by_all, star_without
from flowc.compiler.sql.rewrite.texts import hexadecimal, unsigned
from flowc.compiler.systems.sqlite.casts import cast, try_cast
from flowc.compiler.systems.sqlite.dates import (
    arithmetic,
    compare,
    date_add,
    date_only,
    difference,
    extract,
    extracted,
    format,
    truncate,
)
from flowc.compiler.systems.sqlite.patterns import PATTERNS

_DIALECT = "sqlite"


def _lacking(what: str, when: Test = always) -> Rewrite:
    """A rewrite that says no, always or where `when` holds for the node."""
    return refused(f"{what}, which SQLite lacks", when)


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


def _divide(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """SQLite divides what it stores as integers to an integer, and a decimal without a fraction is one."""
    kinds = {number_of(node.left), number_of(node.right)}
    if marks.GENERATED.has(node) or not kinds & {Number.DECIMAL, Number.FRACTION, Number.FLOAT}:
        return None
    return build("CAST(:a AS REAL) / :b", _DIALECT, a=node.left, b=node.right)


def _mod(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    real = exp.DataType.REAL_TYPES
    if type_of(node.this) in real or type_of(node.expression) in real:
        return call("MOD", node.this, node.expression)
    return None


def _length(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    return call("JSON_ARRAY_LENGTH", node.this) if type_of(node.this) in exp.DataType.ARRAY_TYPES else None


def _array_size(node: exp.Expression, pair: Pair) -> exp.Expression:
    size = call("JSON_ARRAY_LENGTH", node.this)
    null_when_empty = pair.source == "postgres" and node.expression is not None
    return build("NULLIF(:a, 0)", _DIALECT, a=size) if null_when_empty else size


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


def _has_sets(group: exp.Expression) -> bool:
    keys = ("rollup", "cube", "grouping_sets")
    return any(map(group.args.get, keys)) or group.find(exp.Rollup, exp.Cube, exp.GroupingSets) is not None


def _has_bracketed(node: exp.Expression) -> bool:
    return isinstance(node.this, exp.Subquery) or isinstance(node.expression, exp.Subquery)


def _join(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    if (node.args.get("kind") or "").upper() in ("SEMI", "ANTI") or (node.args.get("method") or "").upper() == "ASOF":
        raise Untranslatable("SEMI, ANTI and ASOF joins, which SQLite lacks")
    if isinstance(node.this, exp.Lateral):
        raise Untranslatable("LATERAL, which SQLite lacks")
    return None


def _from_epoch(node: exp.Expression, pair: Pair) -> exp.Expression:
    if integer_value(node.args.get("scale")) or pair.source in ("postgres", "bigquery"):
        raise Untranslatable("such instants, which SQLite lacks")
    return build("STRFTIME('%Y-%m-%d %H:%M:%S.000000', :a, 'unixepoch')", _DIALECT, a=node.this)


def _array(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    return _ARRAYS(node, pair) if node.find(exp.Comprehension, exp.Query) else call("JSON_ARRAY", *node.expressions)


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


def _extreme(node: exp.Expression, pair: Pair) -> exp.Expression:
    """GREATEST and LEAST: MAX and MIN, which are NULL for any NULL."""
    arguments, name = [node.this, *node.expressions], "MAX" if isinstance(node, exp.Greatest) else "MIN"
    if not node.args.get("ignore_nulls") or len(arguments) < 2:
        return call(name, *arguments)
    if len(arguments) > _ROTATED:
        raise Untranslatable(f"`{node.key}` of more than {_ROTATED} values")
    rotated = [arguments[i:] + arguments[:i] for i in range(len(arguments))]
    return call(name, *[exp.Coalesce(this=r[0].copy(), expressions=[a.copy() for a in r[1:]]) for r in rotated])


_ROTATED = 40
"""Each value is written once for each of them, and SQLite gives a function few more arguments."""


def _hexadecimal(node: exp.Expression, pair: Pair) -> exp.Expression:
    value = unsigned(node.this, pair)
    text = call("PRINTF", exp.Literal.string("%x" if pair.source == "postgres" else "%X"), value)
    return build("CASE WHEN NOT :a IS NULL THEN :t END", a=value, t=text)


_JSON_TEXT = (
    "CASE JSON_TYPE(:this, :expression) WHEN 'text' THEN :this ->> :expression"
    " WHEN 'null' THEN NULL ELSE :this -> :expression END"
)
"""A value inside JSON as text; SQLite's own `->>` makes numbers of numbers, and of true and false too."""

_ARRAYS = _lacking("arrays")

_PORTABLE: Rules = {
    **dict.fromkeys(DIFFERENCES, (difference,)),
    exp.StrToTime: (_lacking("reading times by a format"),),
    exp.StrToDate: (_lacking("reading dates by a format"),),
    exp.Collate: (lambda n, p: n.this.copy() if n.expression.name in ("C", "POSIX") else None,),
}
"""What can be said by parts of dates, which the next table spells."""

_RULES: Rules = {
    exp.Extract: (extract,),
    exp.Second: (template("CAST(STRFTIME('%S', :this) AS INTEGER)", _DIALECT),),
    exp.TimestampTrunc: (truncate,),
    exp.DateTrunc: (truncate,),
    exp.Cast: (cast,),
    exp.TryCast: (try_cast,),
    exp.TsOrDsToDate: (date_only,),
    exp.Add: (arithmetic,),
    exp.Sub: (arithmetic,),
    exp.Mul: (_lacking("a number times an interval", lambda n: n.find(exp.Interval)),),
    **dict.fromkeys(SHIFTS, (date_add,)),
    exp.TimeToUnix: (lambda n, p: extracted("EPOCH", n.this),),
    exp.UnixSeconds: (template("CAST(STRFTIME('%s', :this) AS INTEGER)", _DIALECT),),
    exp.UnixToTime: (_from_epoch,),
    exp.AtTimeZone: (_lacking("time zones"),),
    exp.ConvertTimezone: (_lacking("time zones"),),
    exp.TimeToStr: (format,),
    exp.Like: (_like,),
    exp.Escape: (_escape,),
    **dict.fromkeys(COMPARISONS, (compare,)),
    exp.Div: (_divide,),
    exp.Round: (_round,),
    exp.Mod: (_mod,),
    exp.Length: (_length,),
    exp.ByteLength: (template("LENGTH(CAST(:this AS BLOB))", _DIALECT),),
    exp.ArraySize: (_array_size,),
    exp.Bracket: (_element,),
    exp.ArrayContains: (
        template("EXISTS(SELECT 1 FROM JSON_EACH(:this) AS _e WHERE _e.value = :expression)", _DIALECT),
    ),
    exp.Array: (_array,),
    **dict.fromkeys(
        (exp.Unnest, exp.Explode, exp.Posexplode, exp.ArrayAgg, exp.ArrayContainsAll, exp.Split), (_ARRAYS,)
    ),
    exp.Struct: (_lacking("structs"),),
    exp.VarMap: (_lacking("maps"),),
    exp.ToMap: (_lacking("maps"),),
    exp.Lateral: (_lacking("LATERAL"),),
    exp.Any: (_lacking("ANY"),),
    exp.All: (_lacking("ALL"),),
    exp.JSONExtractScalar: (template(_JSON_TEXT, _DIALECT),),
    exp.JSONBContainsTopKey: (_lacking("the operator `?`"),),
    **PATTERNS,
    exp.Xor: (template("((:this) <> (:expression))", _DIALECT),),
    exp.BitwiseXor: (template("((:this | :expression) - (:this & :expression))", _DIALECT),),
    exp.MD5: (renamed("flowc_md5"),),
    exp.Upper: (renamed("flowc_upper"),),
    exp.Lower: (renamed("flowc_lower"),),
    exp.StartsWith: (template("SUBSTR(:this, 1, LENGTH(:expression)) = :expression", _DIALECT),),
    exp.ApproxDistinct: (template("COUNT(DISTINCT :this)", _DIALECT),),
    exp.Left: (_left,),
    exp.Right: (_right,),
    exp.Star: (star_without,),
    exp.Select: (order_by_all, group_by_all),
    exp.Subquery: (one_row,),
    exp.JSONArrayAgg: (_lacking("an order inside an aggregate"),),
    exp.WindowSpec: (_lacking("a frame of an interval", lambda n: n.find(exp.Interval)),),
    **dict.fromkeys(
        (exp.Union, exp.Except, exp.Intersect),
        (_lacking("set operations of queries in parentheses", _has_bracketed),),
    ),
    exp.Count: (_lacking("COUNT of distinct rows", lambda n: n.find(exp.Tuple)),),
    exp.Fetch: (fetch_first,),
    exp.Group: (_lacking("GROUPING SETS, ROLLUP and CUBE", _has_sets),),
    exp.GroupConcat: (
        refused(
            "an order inside an aggregate, which SQLite before 3.44 lacks", lambda n: isinstance(n.this, exp.Order)
        ),
    ),
    exp.Distinct: (refused("DISTINCT ON, whose rows SQLite would give in another order", lambda n: n.args.get("on")),),
    exp.Join: (_join,),
}

ENGINE = Engine(
    name="sqlite",
    title="SQLite",
    undefined=Answer.NULL,
    fails="CASE WHEN {0} THEN FLOWC_FAIL('{1}', :a) ELSE :a END",
    cuts=True,
    rounds_away=True,
    from_end=True,
    first=(QUOTIENTS, FAILURES),
    rules=(_PORTABLE, _RULES),
    instead={greatest: _extreme, hexadecimal: _hexadecimal, convert_zone: None},
    named={
        **dict.fromkeys(("JSONB_BUILD_OBJECT", "JSON_BUILD_OBJECT"), lambda a, _: call("JSON_OBJECT", *a)),
        "JSON_ARRAY": lambda a, _: call("JSON_ARRAY", *a),
    },
    portable=PLAIN_WORDS,
)
