"""What PostgreSQL 15 computes and how it spells it."""

from __future__ import annotations

import re
from datetime import date

from sqlglot import exp

from flowc.compiler.meaning.core import (
    Pair,
    Rewrite,
    Rules,
    Untranslatable,
    build,
    call,
    integer_value,
    text_value,
    type_of,
)
from flowc.compiler.meaning.dates import date_difference, months_between, shifted
from flowc.compiler.meaning.formats import strftime, to_marks
from flowc.compiler.meaning.postgres_arrays import (
    array_aggregate,
    array_filter,
    comprehension,
    extreme,
    first_last,
    substring_index,
    transform,
    unnest_offset,
    within_group,
)
from flowc.compiler.meaning.relations import (
    all_columns,
    derived_alias,
    having_alias,
    in_unnest,
    lateral_view,
    no_asof,
    star_without,
)

_DIALECT = "postgres"


def regexp_extract(node: exp.Expression, pair: Pair) -> exp.Expression:
    """The match of a pattern, or one of its groups; the n-th by regexp_substr, which came with PostgreSQL 15."""
    group, nth = integer_value(node.args.get("group")) or 0, integer_value(node.args.get("occurrence")) or 1
    template = f"REGEXP_SUBSTR(:a, :p, 1, {nth}, '', {group})"
    result = build(template, _DIALECT, a=node.this, p=node.expression)
    if pair.source in ("spark", "databricks", "duckdb") and not node.args.get("nullable"):
        return build("CASE WHEN NOT :a IS NULL THEN COALESCE(:r, '') END", a=node.this, r=result)
    return result


def json_path(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A value inside JSON, by a path of keys and positions."""
    path = node.expression
    if not isinstance(path, exp.JSONPath):
        return None
    steps = []
    for part in path.expressions[1:]:
        if isinstance(part, exp.JSONPathKey | exp.JSONPathSubscript) and isinstance(part.this, str | int):
            steps.append(exp.Literal.string(str(part.this)))
        else:
            raise Untranslatable("a JSON path of anything but keys and positions")
    name = "JSONB_EXTRACT_PATH_TEXT" if isinstance(node, exp.JSONExtractScalar) else "JSONB_EXTRACT_PATH"
    value = node.this
    if isinstance(value, exp.ParseJSON):
        value = value.this
    if isinstance(value, exp.Cast) and value.is_type("json"):
        value = value.this
    return call(name, exp.cast(value.copy(), "JSONB"), *steps)


def length(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Characters, bytes where MySQL counts them, or elements."""
    kind = type_of(node.this)
    if kind in exp.DataType.ARRAY_TYPES:
        return call("CARDINALITY", node.this)
    return call("OCTET_LENGTH", node.this) if pair.source == "mysql" and node.args.get("binary") else None


_REAL = r"^\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?\s*$"
_WHOLE = r"^\s*[+-]?\d+\s*$"
_BITS = {exp.DataType.Type.SMALLINT: 15, exp.DataType.Type.INT: 31, exp.DataType.Type.BIGINT: 63}


def no_try(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """PostgreSQL 15 has no cast that may fail; where it cannot fail, a cast does it."""
    to, kind = node.args["to"], type_of(node.this)
    if (
        pair.source in ("spark", "databricks")
        and not node.args.get("safe")
        and node.args.get("requires_string") is None
    ):
        return _plain_cast(node)
    if (kind is not None and kind not in exp.DataType.TEXT_TYPES) or to.this in exp.DataType.TEXT_TYPES:
        return _plain_cast(node)
    value = node.this
    if (text := text_value(value)) is not None:
        return _literal_cast(text, node)
    if (bits := _BITS.get(to.this)) is not None:
        fits = build(f"CAST(:a AS DECIMAL) BETWEEN {-(2**bits)} AND {2**bits - 1}", _DIALECT, a=value)
        inner = exp.Case(ifs=[exp.If(this=fits, true=exp.cast(value.copy(), to.copy()))])
        return exp.Case(ifs=[exp.If(this=call_match(value, _WHOLE), true=inner)])
    if to.this not in (exp.DataType.Type.DOUBLE, exp.DataType.Type.DECIMAL) or to.expressions:
        raise Untranslatable(f"a cast to {to.sql()} that may fail")
    return exp.Case(ifs=[exp.If(this=call_match(value, _REAL), true=exp.cast(value.copy(), to.copy()))])


def _literal_cast(text: str, node: exp.Expression) -> exp.Expression:
    """A literal can be judged at once; PostgreSQL would fail while it plans."""
    to = node.args["to"]
    if (bits := _BITS.get(to.this)) is not None:
        fits = re.fullmatch(_WHOLE, text) is not None and -(2**bits) <= int(text) < 2**bits
    elif to.this is exp.DataType.Type.DATE:
        try:
            fits = date.fromisoformat(text) is not None
        except ValueError:
            fits = False
    elif to.this in (exp.DataType.Type.DOUBLE, exp.DataType.Type.DECIMAL):
        fits = re.fullmatch(_REAL, text) is not None
    else:
        raise Untranslatable(f"a cast to {to.sql()} that may fail")
    return _plain_cast(node) if fits else exp.cast(exp.null(), to.copy())


def negative_place(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Elements counted from the end."""
    place = node.expressions[0] if len(node.expressions) == 1 else None
    if (integer_value(place) or 0) < 0 and type_of(node.this) is not exp.DataType.Type.JSON:
        raise Untranslatable("an element of an array from its end")
    return None


def refused(what: str) -> Rewrite:
    """A rewrite that says no."""

    def rewrite(node: exp.Expression, pair: Pair) -> exp.Expression:
        raise Untranslatable(f"{what}, which PostgreSQL lacks")

    return rewrite


def part(name: str) -> Rewrite:
    """A part of a date."""
    return lambda node, pair: build(
        f"CAST(EXTRACT({name} FROM :a) AS INT)",
        _DIALECT,
        a=node.this.this if isinstance(node.this, exp.TsOrDsToDate) else node.this,
    )


def _plain_cast(node: exp.Expression) -> exp.Expression:
    return exp.Cast(this=node.this.copy(), to=node.args["to"].copy())


def call_match(value: exp.Expression, pattern: str) -> exp.Expression:
    """Whether a text matches a pattern."""
    return exp.RegexpLike(this=value.copy(), expression=exp.Literal.string(pattern))


def text_cast(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """MySQL's CHAR without a length is a text of any length."""
    to = node.args["to"]
    if (
        isinstance(to, exp.DataType)
        and to.this in (exp.DataType.Type.CHAR, exp.DataType.Type.NCHAR)
        and not to.expressions
    ):
        return exp.cast(node.this.copy(), "TEXT")
    return None


def format_date(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A date as text."""
    return call("TO_CHAR", node.this, exp.Literal.string(to_marks(strftime(node, pair))))


def parse_date(kind: str) -> Rewrite:
    """A text as date or timestamp."""

    def rewrite(node: exp.Expression, pair: Pair) -> exp.Expression | None:
        if not node.args.get("format"):
            return None
        form = exp.Literal.string(to_marks(strftime(node, pair)))
        if kind == "DATE":
            return call("TO_DATE", node.this, form)
        return exp.cast(call("TO_TIMESTAMP", node.this, form), "TIMESTAMP")

    return rewrite


def from_epoch(node: exp.Expression, pair: Pair) -> exp.Expression:
    """Seconds since 1970 as a timestamp, zoned where the dialect's is."""
    scale = integer_value(node.args.get("scale")) or 0
    seconds = build(f"(:a / {10**scale}.0)", _DIALECT, a=node.this) if scale else node.this
    instant = call("TO_TIMESTAMP", seconds)
    return instant if pair.source == "bigquery" else build("(:a AT TIME ZONE 'UTC')", _DIALECT, a=instant)


def round_float(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """round(double, places) does not exist; a half of a double goes to the even number."""
    kind, places = type_of(node.this), node.args.get("decimals")
    if kind is not None and kind not in exp.DataType.FLOAT_TYPES:
        return None
    if places is None and kind is None:
        return None
    return exp.Round(this=exp.cast(node.this.copy(), "DECIMAL"), decimals=places.copy() if places is not None else None)


RULES: Rules = {
    exp.Bracket: (negative_place,),
    exp.Struct: (refused("structs"),),
    exp.ToMap: (refused("maps"),),
    exp.VarMap: (refused("maps"),),
    exp.Join: (no_asof,),
    exp.Explode: (lambda n, p: n.this.copy() if isinstance(n.this, exp.GenerateSeries) else None,),
    exp.Hour: (part("HOUR"),),
    exp.Minute: (part("MINUTE"),),
    exp.Second: (lambda n, p: build("CAST(TRUNC(EXTRACT(SECOND FROM :a)) AS INT)", _DIALECT, a=n.this),),
    exp.Quarter: (part("QUARTER"),),
    exp.DayOfYear: (part("DOY"),),
    exp.DayOfWeekIso: (part("ISODOW"),),
    exp.DayOfMonth: (part("DAY"),),
    exp.DateBin: (
        lambda n, p: (
            build("DATE_BIN(:w, :a, TIMESTAMP '2000-01-03 00:00:00')", _DIALECT, w=n.this, a=n.expression)
            if not n.args.get("origin") and p.source == "duckdb"
            else None
        ),
    ),
    exp.RegexpExtract: (regexp_extract,),
    exp.RegexpExtractAll: (
        lambda n, p: build(
            "ARRAY(SELECT m[1] FROM REGEXP_MATCHES(:a, '(' || :p || ')', 'g') AS _t(m))",
            _DIALECT,
            a=n.this,
            p=n.expression,
        ),
    ),
    exp.JSONExtract: (json_path,),
    exp.JSONExtractScalar: (json_path,),
    exp.JSONFormat: (lambda n, p: build("CAST(TO_JSON(:a) AS TEXT)", _DIALECT, a=n.this),),
    exp.JSONObject: (
        lambda n, p: call("JSONB_BUILD_OBJECT", *[v for kv in n.expressions for v in (kv.this, kv.expression)]),
    ),
    exp.Length: (length,),
    exp.ByteLength: (lambda n, p: call("OCTET_LENGTH", n.this),),
    exp.IgnoreNulls: (array_aggregate,),
    exp.WithinGroup: (within_group,),
    exp.ArrayUniqueAgg: (
        lambda n, p: build("ARRAY_AGG(DISTINCT :a) FILTER (WHERE NOT :a IS NULL)", _DIALECT, a=n.this),
    ),
    exp.ArraySort: (
        lambda n, p: (
            build("ARRAY(SELECT _x FROM UNNEST(:a) AS _t(_x) ORDER BY _x NULLS FIRST)", _DIALECT, a=n.this)
            if n.args.get("expression") is None and n.args.get("nulls_first") is not None
            else None
        ),
    ),
    exp.ArrayDistinct: (
        lambda n, p: build(
            "ARRAY(SELECT _x FROM UNNEST(:a) WITH ORDINALITY AS _t(_x, _n) GROUP BY _x ORDER BY MIN(_n))",
            _DIALECT,
            a=n.this,
        ),
    ),
    exp.ArrayMax: (lambda n, p: build("(SELECT MAX(_x) FROM UNNEST(:a) AS _t(_x))", _DIALECT, a=n.this),),
    exp.ArrayMin: (lambda n, p: build("(SELECT MIN(_x) FROM UNNEST(:a) AS _t(_x))", _DIALECT, a=n.this),),
    exp.ArraySum: (lambda n, p: build("(SELECT SUM(_x) FROM UNNEST(:a) AS _t(_x))", _DIALECT, a=n.this),),
    exp.ArrayReverse: (
        lambda n, p: build(
            "ARRAY(SELECT _x FROM UNNEST(:a) WITH ORDINALITY AS _t(_x, _n) ORDER BY _n DESC)", _DIALECT, a=n.this
        ),
    ),
    exp.ArgMax: (extreme("DESC"),),
    exp.ArgMin: (extreme("ASC"),),
    exp.First: (first_last,),
    exp.Last: (first_last,),
    exp.AnyValue: (
        lambda n, p: (
            None
            if isinstance(n.this, exp.HavingMax)
            else build("(ARRAY_AGG(:a) FILTER (WHERE NOT :a IS NULL))[1]", _DIALECT, a=n.this)
        ),
    ),
    exp.Mode: (
        lambda n, p: build("MODE() WITHIN GROUP (ORDER BY :a)", _DIALECT, a=n.this) if n.this is not None else None,
    ),
    exp.ApproxDistinct: (lambda n, p: build("COUNT(DISTINCT :a)", _DIALECT, a=n.this),),
    exp.Quantile: (
        lambda n, p: build("PERCENTILE_CONT(:q) WITHIN GROUP (ORDER BY :a)", _DIALECT, a=n.this, q=n.args["quantile"]),
    ),
    exp.TryCast: (no_try,),
    exp.Cast: (text_cast,),
    exp.TimeToStr: (format_date,),
    exp.StrToTime: (parse_date("TIMESTAMP"),),
    exp.StrToDate: (parse_date("DATE"),),
    exp.TsOrDsToDate: (parse_date("DATE"),),
    exp.UnixToTime: (from_epoch,),
    exp.TimeToUnix: (lambda n, p: build("EXTRACT(EPOCH FROM :a)", _DIALECT, a=n.this),),
    exp.UnixSeconds: (lambda n, p: build("CAST(FLOOR(EXTRACT(EPOCH FROM :a)) AS BIGINT)", _DIALECT, a=n.this),),
    exp.UnixMillis: (lambda n, p: build("CAST(FLOOR(EXTRACT(EPOCH FROM :a) * 1000) AS BIGINT)", _DIALECT, a=n.this),),
    exp.DateDiff: (date_difference,),
    exp.TimestampDiff: (date_difference,),
    exp.DatetimeDiff: (date_difference,),
    exp.TsOrDsDiff: (date_difference,),
    exp.MonthsBetween: (months_between,),
    exp.DateAdd: (shifted,),
    exp.DateSub: (shifted,),
    exp.TsOrDsAdd: (shifted,),
    exp.TimestampAdd: (shifted,),
    exp.TimestampSub: (shifted,),
    exp.DatetimeAdd: (shifted,),
    exp.DatetimeSub: (shifted,),
    exp.Round: (round_float,),
    exp.Transform: (transform,),
    exp.ArrayFilter: (array_filter,),
    exp.Array: (comprehension,),
    exp.Split: (lambda n, p: exp.paren(call("STRING_TO_ARRAY", n.this, n.expression)),),
    exp.RegexpSplit: (lambda n, p: call("REGEXP_SPLIT_TO_ARRAY", n.this, n.expression),),
    exp.SubstringIndex: (substring_index,),
    exp.Unnest: (unnest_offset,),
    exp.Lateral: (lateral_view,),
    exp.In: (in_unnest,),
    exp.Subquery: (derived_alias,),
    exp.Select: (all_columns, having_alias),
    exp.Star: (star_without,),
    exp.DateFromParts: (lambda n, p: call("MAKE_DATE", n.args["year"], n.args["month"], n.args["day"]),),
}
