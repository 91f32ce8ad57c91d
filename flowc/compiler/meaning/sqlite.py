"""What SQLite computes and how it spells it.

Times are texts of a fixed width there (`2024-02-29 10:00:00.000000`), so that their order is that of time; everything
that makes one must keep to that form. What SQLite has no exact way for is refused.
"""

from __future__ import annotations

import re
from datetime import date, datetime

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
    unit_of,
)
from flowc.compiler.meaning.dates import date_difference
from flowc.compiler.meaning.formats import strftime
from flowc.compiler.meaning.relations import all_columns, star_without

_DIALECT = "sqlite"
_TYPE = exp.DataType.Type
_TIMES = (_TYPE.TIMESTAMP, _TYPE.TIMESTAMPNTZ, _TYPE.DATETIME)
_ZONED = (_TYPE.TIMESTAMPTZ, _TYPE.TIMESTAMPLTZ)

_PARTS = {
    "YEAR": "%Y", "MONTH": "%m", "DAY": "%d", "HOUR": "%H", "MINUTE": "%M", "DOW": "%w", "DOY": "%j",
}  # fmt: skip
_FRACTION = "CAST('0' || SUBSTR(:a, 20, 7) AS REAL)"
_THURSDAY = "DATE(:a, '-3 days', 'weekday 4')"
_COMPUTED = {
    "SECOND": f"CAST(STRFTIME('%S', :a) AS INTEGER) + {_FRACTION}",
    "EPOCH": f"CAST(STRFTIME('%s', :a) AS INTEGER) + {_FRACTION}",
    "ISODOW": "(CAST(STRFTIME('%w', :a) AS INTEGER) + 6) % 7 + 1",
    "QUARTER": "(CAST(STRFTIME('%m', :a) AS INTEGER) + 2) / 3",
    "WEEK": f"(CAST(STRFTIME('%j', {_THURSDAY}) AS INTEGER) - 1) / 7 + 1",
    "ISOYEAR": f"CAST(STRFTIME('%Y', {_THURSDAY}) AS INTEGER)",
}
_TRUNCATED = {
    "YEAR": "STRFTIME('%Y-01-01 00:00:00.000000', :a)",
    "MONTH": "STRFTIME('%Y-%m-01 00:00:00.000000', :a)",
    "DAY": "STRFTIME('%Y-%m-%d 00:00:00.000000', :a)",
    "HOUR": "STRFTIME('%Y-%m-%d %H:00:00.000000', :a)",
    "MINUTE": "STRFTIME('%Y-%m-%d %H:%M:00.000000', :a)",
    "SECOND": "STRFTIME('%Y-%m-%d %H:%M:%S.000000', :a)",
    "WEEK": "STRFTIME('%Y-%m-%d 00:00:00.000000', :a, 'weekday 0', '-6 days')",
    "QUARTER": "STRFTIME('%Y-', :a) || PRINTF('%02d-01 00:00:00.000000', (CAST(STRFTIME('%m', :a) AS INTEGER) + 2) / 3 * 3 - 2)",
}
_SECONDS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86400, "WEEK": 604800}
_FORMATS = frozenset(("%Y", "%m", "%d", "%H", "%M", "%S", "%j", "%w", "%%"))


def refused(what: str) -> Rewrite:
    """A rewrite that says no."""

    def rewrite(node: exp.Expression, pair: Pair) -> exp.Expression:
        raise Untranslatable(f"{what}, which SQLite lacks")

    return rewrite


def _part(name: str) -> Rewrite:
    return lambda node, pair: _extracted(name, node.this, pair)


def _extracted(name: str, value: exp.Expression, pair: Pair) -> exp.Expression:
    value = value.this if isinstance(value, exp.TsOrDsToDate) else value
    if name in _PARTS:
        return build(f"CAST(STRFTIME('{_PARTS[name]}', :a) AS INTEGER)", _DIALECT, a=value)
    if name not in _COMPUTED:
        raise Untranslatable(f"{name} of a date, which SQLite lacks")
    return exp.paren(build(_COMPUTED[name], _DIALECT, a=value), copy=False)


def _second(node: exp.Expression, pair: Pair) -> exp.Expression:
    return build("CAST(STRFTIME('%S', :a) AS INTEGER)", _DIALECT, a=node.this)


def _extract(node: exp.Expression, pair: Pair) -> exp.Expression:
    return _extracted(node.name.upper(), node.expression, pair)


def _truncate(node: exp.Expression, pair: Pair) -> exp.Expression:
    unit = unit_of(node)
    if unit not in _TRUNCATED:
        raise Untranslatable(f"a time cut to {unit}, which SQLite lacks")
    return build(_TRUNCATED[unit], _DIALECT, a=node.this)


def _canonical(text: str, kind: exp.DataType.Type) -> exp.Expression:
    """A literal as SQLite stores it."""
    try:
        if kind is _TYPE.DATE:
            return exp.Literal.string(date.fromisoformat(text[:10]).isoformat())
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Untranslatable(f"`{text}` as {kind.value.lower()}") from None
    if moment.tzinfo is not None or kind in _ZONED:
        raise Untranslatable("an instant with a zone, which SQLite lacks")
    return exp.Literal.string(moment.isoformat(" ", "microseconds"))


def _is_boolean(node: exp.Expression) -> bool:
    inner = node.unnest()
    return isinstance(inner, exp.Predicate | exp.Not | exp.Connector | exp.Boolean) or type_of(inner) is _TYPE.BOOLEAN


def _cast(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    to, value = node.args["to"], node.this
    if not isinstance(to, exp.DataType):
        return None
    kind, text, known = to.this, text_value(value), type_of(value)
    if kind is _TYPE.DATE:
        return _canonical(text, kind) if text is not None else call("DATE", value)
    if kind in _TIMES or kind in _ZONED:
        if text is not None:
            return _canonical(text, kind)
        if known in _TIMES and kind in _TIMES:
            return value.copy()
        if known is _TYPE.DATE and kind in _TIMES:
            return build(":a || ' 00:00:00.000000'", _DIALECT, a=value)
        raise Untranslatable("a cast to a timestamp of what is not known to be one")
    if kind is _TYPE.BOOLEAN and known not in exp.DataType.NUMERIC_TYPES and not _is_boolean(value):
        word = (text or "").lower()
        if word in ("true", "t", "yes", "y", "on", "1", "false", "f", "no", "n", "off", "0"):
            return exp.true() if word in ("true", "t", "yes", "y", "on", "1") else exp.false()
        raise Untranslatable("a text as a boolean, which SQLite lacks")
    if kind is _TYPE.BOOLEAN:
        return build("(:a <> 0)", _DIALECT, a=value)
    if kind in exp.DataType.TEXT_TYPES:
        return _to_text(node, known, pair)
    if kind is _TYPE.DECIMAL:
        places = integer_value(to.expressions[1].this) if len(to.expressions) > 1 else 0 if to.expressions else None
        number = exp.cast(value.copy(), "REAL") if known in exp.DataType.TEXT_TYPES else value.copy()
        return number if places is None else exp.Round(this=number, decimals=exp.Literal.number(places))
    if kind in exp.DataType.ARRAY_TYPES or kind in exp.DataType.STRUCT_TYPES:
        raise Untranslatable("nested types, which SQLite lacks")
    return None


def _to_text(node: exp.Expression, known: exp.DataType.Type | None, pair: Pair) -> exp.Expression | None:
    to, value = node.args["to"], node.this
    if _is_boolean(value):
        return build("CASE WHEN :a THEN 'true' WHEN NOT :a THEN 'false' END", _DIALECT, a=value)
    if known is _TYPE.DECIMAL and not isinstance(value.unnest(), exp.Literal):
        raise Untranslatable("a decimal as text, whose zeros SQLite drops")
    if known in _TIMES or known in _ZONED:
        raise Untranslatable("a timestamp as text, which SQLite stores with six digits of a second")
    if to.expressions and isinstance(to.expressions[0], exp.DataTypeParam):
        return build("SUBSTR(CAST(:a AS TEXT), 1, :n)", _DIALECT, a=value, n=to.expressions[0].this)
    return None


def _try_cast(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    to, value = node.args["to"], node.this
    known = type_of(value)
    if known is not None and known not in exp.DataType.TEXT_TYPES or to.this in exp.DataType.TEXT_TYPES:
        plain = exp.Cast(this=value.copy(), to=to.copy())
        return _cast(plain, pair) or plain
    if to.this is _TYPE.DATE:
        return call("flowc_temporal", value, exp.Literal.string("date"))
    if to.this in exp.DataType.INTEGER_TYPES and pair.source in ("bigquery", "snowflake"):
        return call("flowc_parse_int", value)
    number = call("flowc_parse_numeric", value)
    if to.this in exp.DataType.INTEGER_TYPES:
        return exp.cast(exp.Round(this=number) if pair.source == "duckdb" else number, "INTEGER")
    if to.this in exp.DataType.FLOAT_TYPES:
        return exp.cast(number, "REAL")
    if to.this is _TYPE.DECIMAL:
        return (
            number
            if not to.expressions
            else exp.Round(
                this=exp.cast(number, "REAL"),
                decimals=to.expressions[1].this.copy() if len(to.expressions) > 1 else exp.Literal.number(0),
            )
        )
    raise Untranslatable(f"a cast to {to.sql()} that may fail, which SQLite lacks")


def _interval(node: exp.Expression) -> tuple[int, str] | None:
    """An interval's number and unit."""
    if not isinstance(node, exp.Interval):
        return None
    unit = node.args.get("unit")
    number = node.this.name if node.this is not None else ""
    if unit is None or not number.lstrip("-").isdigit():
        raise Untranslatable("such an interval, which SQLite lacks")
    return int(number), unit.name.upper().removesuffix("S")


def _arithmetic(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Plus and minus of dates."""
    left, right = node.left.unnest(), node.right.unnest()
    interval = _interval(right)
    sign = -1 if isinstance(node, exp.Sub) else 1
    kind = type_of(left)
    if interval is None:
        if kind is _TYPE.DATE and type_of(right) is _TYPE.DATE and sign < 0:
            return build("CAST(JULIANDAY(:a) - JULIANDAY(:b) AS INTEGER)", _DIALECT, a=left, b=right)
        if kind is _TYPE.DATE:
            return build(f"DATE(:a, ({'-' if sign < 0 else ''}(:b)) || ' days')", _DIALECT, a=left, b=right)
        if (
            kind in exp.DataType.TEMPORAL_TYPES
            or type_of(right) in exp.DataType.TEMPORAL_TYPES
            or isinstance(left, exp.Interval)
        ):
            raise Untranslatable("arithmetic of times, which SQLite lacks")
        return None
    return _shifted(left, sign * interval[0], interval[1], pair)


def _shifted(value: exp.Expression, number: int, unit: str, pair: Pair) -> exp.Expression:
    kind = type_of(value)
    if unit not in _SECONDS:
        raise Untranslatable(f"an interval in {unit.lower()}s, which SQLite would carry over the end of the month")
    if kind is _TYPE.DATE and unit in ("DAY", "WEEK"):
        days = call("DATE", value, exp.Literal.string(f"{number * _SECONDS[unit] // 86400:+d} days"))
        return (
            days if pair.source not in ("postgres", "duckdb") else build(":a || ' 00:00:00.000000'", _DIALECT, a=days)
        )
    if kind is _TYPE.DATE:
        value = build(":a || ' 00:00:00.000000'", _DIALECT, a=value)
    elif kind not in _TIMES:
        raise Untranslatable("an interval added to what is not known to be a date or timestamp")
    return call("flowc_add_seconds", value, exp.Literal.number(number * _SECONDS[unit]))


def _date_add(node: exp.Expression, pair: Pair) -> exp.Expression:
    amount = node.expression
    sign = -1 if isinstance(node, exp.DateSub | exp.TimestampSub | exp.DatetimeSub) else 1
    text = (
        amount.this.name if isinstance(amount, exp.Interval) else amount.name if isinstance(amount, exp.Literal) else ""
    )
    if isinstance(amount, exp.Neg):
        sign, text = -sign, amount.this.name
    if not text.lstrip("-").isdigit():
        raise Untranslatable("a date plus a number of units that is not a literal")
    unit = unit_of(amount) if isinstance(amount, exp.Interval) else unit_of(node)
    value = node.this.this if isinstance(node.this, exp.TsOrDsToDate) else node.this
    if isinstance(node, exp.TsOrDsAdd) and type_of(value) is not _TYPE.DATE:
        value = exp.cast(value, "DATE")
    if type_of(value) is _TYPE.DATE and unit in ("DAY", "WEEK"):
        return call("DATE", value, exp.Literal.string(f"{sign * int(text) * _SECONDS[unit] // 86400:+d} days"))
    return _shifted(value, sign * int(text), unit, pair)


def _difference(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Counted from whole seconds and days."""
    for side in ("this", "expression"):
        value = node.args[side]
        inner = value.this if isinstance(value, exp.TsOrDsToDate) else value
        if type_of(inner) in exp.DataType.TEXT_TYPES and (text := text_value(inner)) is not None:
            kind = _TYPE.DATE if len(text) == 10 else _TYPE.TIMESTAMP
            inner.replace(exp.cast(_canonical(text, kind), kind))
    return date_difference(node, pair)


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


def _compare(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A timestamp compared with a text: the text in the form in which times are stored."""
    for side, other in (("this", "expression"), ("expression", "this")):
        kind, text = type_of(node.args[side]), text_value(node.args[other])
        if text is not None and (kind in _TIMES or kind is _TYPE.DATE):
            node.set(other, _canonical(text, kind))
        if kind in _TIMES and type_of(node.args[other]) is _TYPE.DATE and text is None:
            node.set(other, build(":a || ' 00:00:00.000000'", _DIALECT, a=node.args[other]))
    return None


def _format(node: exp.Expression, pair: Pair) -> exp.Expression:
    form = strftime(node, pair)
    for mark in re.findall(r"%-?.", form):
        if mark not in _FORMATS:
            raise Untranslatable(f"`{mark}` in a format, which SQLite lacks")
    return call("STRFTIME", exp.Literal.string(form), node.this)


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


def _date_only(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    return None if node.args.get("format") else call("DATE", node.this)


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
    exp.DateDiff: (_difference,), exp.TimestampDiff: (_difference,), exp.DatetimeDiff: (_difference,), exp.TsOrDsDiff: (_difference,),
    exp.StrToTime: (refused("reading times by a format"),), exp.StrToDate: (refused("reading dates by a format"),),
    exp.Collate: (lambda n, p: n.this.copy() if n.expression.name in ("C", "POSIX") else None,),
}  # fmt: skip
"""What can be said by parts of dates, which the next table spells."""

RULES: Rules = {
    exp.Extract: (_extract,), exp.Year: (_part("YEAR"),), exp.Month: (_part("MONTH"),), exp.Day: (_part("DAY"),),
    exp.DayOfMonth: (_part("DAY"),), exp.Hour: (_part("HOUR"),), exp.Minute: (_part("MINUTE"),), exp.Second: (_second,),
    exp.Quarter: (_part("QUARTER"),), exp.DayOfYear: (_part("DOY"),), exp.DayOfWeekIso: (_part("ISODOW"),),
    exp.TimestampTrunc: (_truncate,), exp.DateTrunc: (_truncate,),
    exp.Cast: (_cast,), exp.TryCast: (_try_cast,), exp.TsOrDsToDate: (_date_only,),
    exp.Add: (_arithmetic,), exp.Sub: (_arithmetic,),
    exp.Mul: (lambda n, p: refused("a number times an interval")(n, p) if n.find(exp.Interval) else None,),
    exp.DateAdd: (_date_add,), exp.DateSub: (_date_add,), exp.TsOrDsAdd: (_date_add,), exp.TimestampAdd: (_date_add,),
    exp.TimestampSub: (_date_add,), exp.DatetimeAdd: (_date_add,), exp.DatetimeSub: (_date_add,),
    exp.TimeToUnix: (lambda n, p: _extracted("EPOCH", n.this, p),),
    exp.UnixSeconds: (lambda n, p: build("CAST(STRFTIME('%s', :a) AS INTEGER)", _DIALECT, a=n.this),),
    exp.UnixToTime: (lambda n, p: build("STRFTIME('%Y-%m-%d %H:%M:%S.000000', :a, 'unixepoch')", _DIALECT, a=n.this) if not integer_value(n.args.get("scale")) and p.source not in ("postgres", "bigquery") else refused("such instants")(n, p),),
    exp.AtTimeZone: (refused("time zones"),), exp.ConvertTimezone: (refused("time zones"),),
    exp.TimeToStr: (_format,),
    exp.Like: (_like,), exp.Escape: (_escape,),
    exp.EQ: (_compare,), exp.NEQ: (_compare,), exp.GT: (_compare,), exp.GTE: (_compare,), exp.LT: (_compare,), exp.LTE: (_compare,),
    exp.Round: (_round,), exp.Mod: (_mod,),
    exp.Length: (_length,), exp.ByteLength: (lambda n, p: build("LENGTH(CAST(:a AS BLOB))", _DIALECT, a=n.this),),
    exp.ArraySize: (_array_size,), exp.Bracket: (_element,), exp.ArrayContains: (_contains,),
    exp.Array: (lambda n, p: call("JSON_ARRAY", *n.expressions) if not n.find(exp.Comprehension, exp.Query) else _ARRAYS(n, p),),
    exp.Unnest: (_ARRAYS,), exp.Explode: (_ARRAYS,), exp.Posexplode: (_ARRAYS,), exp.ArrayAgg: (_ARRAYS,), exp.Split: (_ARRAYS,),
    exp.Struct: (refused("structs"),), exp.VarMap: (refused("maps"),), exp.ToMap: (refused("maps"),),
    exp.Lateral: (refused("LATERAL"),), exp.Any: (refused("ANY"),), exp.All: (refused("ALL"),),
    exp.ArrayContainsAll: (_ARRAYS,), exp.JSONBContainsTopKey: (refused("the operator `?`"),),
    exp.RegexpReplace: (lambda n, p: _first_form(n, p) if not n.args.get("single_replace") else refused("the replacement of the first match of a pattern")(n, p),),
    exp.RegexpLike: (_PATTERNS,), exp.RegexpILike: (_PATTERNS,), exp.RegexpExtract: (_PATTERNS,),
    exp.Xor: (lambda n, p: build("((:a) <> (:b))", _DIALECT, a=n.this, b=n.expression),),
    exp.BitwiseXor: (lambda n, p: build("((:a | :b) - (:a & :b))", _DIALECT, a=n.this, b=n.expression),),
    exp.MD5: (lambda n, p: call("flowc_md5", n.this),),
    exp.Upper: (lambda n, p: call("flowc_upper", n.this),), exp.Lower: (lambda n, p: call("flowc_lower", n.this),),
    exp.StartsWith: (lambda n, p: build("SUBSTR(:a, 1, LENGTH(:b)) = :b", _DIALECT, a=n.this, b=n.expression),),
    exp.ApproxDistinct: (lambda n, p: build("COUNT(DISTINCT :a)", _DIALECT, a=n.this),),
    exp.Unicode: (lambda n, p: None,),
    exp.Left: (_left,), exp.Right: (_right,), exp.Star: (star_without,), exp.Select: (all_columns,), exp.JSONArrayAgg: (refused("an order inside an aggregate"),),
    exp.WindowSpec: (lambda n, p: refused("a frame of an interval")(n, p) if n.find(exp.Interval) else None,),
    exp.Union: (_union,), exp.Except: (_union,), exp.Intersect: (_union,),
    exp.Count: (lambda n, p: refused("COUNT of distinct rows")(n, p) if n.find(exp.Tuple) else None,),
    exp.Fetch: (_fetch,), exp.Group: (_group,), exp.GroupConcat: (_ordered,), exp.Distinct: (_distinct,), exp.Join: (_join,),
}  # fmt: skip
