"""What DataFusion computes and how it spells it."""

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
from flowc.compiler.meaning.datafusion_queries import quantified
from flowc.compiler.meaning.dates import date_difference, months_between, shifted
from flowc.compiler.meaning.formats import strftime
from flowc.compiler.meaning.postgres_arrays import array_aggregate, comprehension, within_group
from flowc.compiler.meaning.relations import (
    all_columns,
    distinct_names,
    having_alias,
    in_unnest,
    lateral_view,
    no_asof,
    no_lateral,
    plain_cte,
    row_in_query,
    semi_join,
    unnest_as_rows,
)
from flowc.compiler.meaning.texts import is_plain

_DIALECT = "postgres"


def renamed(name: str) -> Rewrite:
    """A rewrite to a function that takes the same arguments."""

    def rewrite(node: exp.Expression, pair: Pair) -> exp.Expression:
        values = [v for key in node.arg_types for v in _list(node.args.get(key)) if isinstance(v, exp.Expression)]
        return call(name, *values)

    return rewrite


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def refused(what: str) -> Rewrite:
    """A rewrite that says no."""

    def rewrite(node: exp.Expression, pair: Pair) -> exp.Expression:
        raise Untranslatable(what)

    return rewrite


def _regexp_extract(node: exp.Expression, pair: Pair) -> exp.Expression:
    if node.args.get("occurrence") is not None and integer_value(node.args["occurrence"]) not in (None, 1):
        raise Untranslatable("a match of a pattern by its number")
    pattern, group = node.args["expression"], integer_value(node.args.get("group")) or 0
    if group == 0:
        text = text_value(pattern)
        if text is None:
            raise Untranslatable("the match of a pattern that is not a literal")
        pattern = exp.Literal.string(f"({text})")
    result = exp.Bracket(
        this=exp.Paren(this=call("regexp_match", node.this, pattern)),
        expressions=[exp.Literal.number(max(group, 1))],
        offset=1,
    )
    if pair.source in ("spark", "databricks", "duckdb") and not node.args.get("nullable"):
        missing = exp.Is(this=node.this.copy(), expression=exp.null())
        return exp.Case(
            ifs=[exp.If(this=missing, true=exp.null())],
            default=exp.Coalesce(this=result, expressions=[exp.Literal.string("")]),
        )
    return result


def _regexp_like(node: exp.Expression, pair: Pair) -> exp.Expression:
    pattern = node.expression
    if node.args.get("full_match"):
        pattern = build("'^(' || :p || ')$'", p=pattern)
        if (text := text_value(node.expression)) is not None:
            pattern = exp.Literal.string(f"^({text})$")
    return negated(node, call("regexp_like", node.this, pattern))


def _to_char(node: exp.Expression, pair: Pair) -> exp.Expression:
    return call("to_char", node.this, exp.Literal.string(strftime(node, pair)))


def _parsed(name: str, kind: str) -> Rewrite:
    def rewrite(node: exp.Expression, pair: Pair) -> exp.Expression:
        form = strftime(node, pair)
        if not any(mark in form for mark in ("%H", "%M", "%S", "%I", "%s")):
            result: exp.Expression = call("to_date", node.this, exp.Literal.string(form))
            return result if kind == "DATE" else exp.cast(result, "TIMESTAMP")
        if "%S" not in form:
            value = exp.Concat(expressions=[node.this.copy(), exp.Literal.string(":00")])
            form += ":%S"
            return exp.cast(call("to_timestamp_micros", value, exp.Literal.string(form)), kind)
        return exp.cast(call("to_timestamp_micros", node.this, exp.Literal.string(form)), kind)

    return rewrite


def _like(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """The backslash is the only escape character that works."""
    pattern, escape = text_value(node.this.expression), text_value(node.expression)
    if escape == "\\":
        return None
    if pattern is None or escape is None:
        raise Untranslatable("LIKE with an escape character in a pattern that is not a literal")
    text = pattern.replace("\\", "\\\\").replace(escape * 2, "\0").replace(escape, "\\").replace("\0", escape)
    like = node.this.copy()
    like.set("expression", exp.Literal.string(text))
    return like


def _struct(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    if not all(isinstance(e, exp.PropertyEQ) for e in node.expressions):
        return None
    parts = [part for e in node.expressions for part in (exp.Literal.string(e.this.name), e.expression)]
    return call("named_struct", *parts)


def _map(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    inner = node.this
    if isinstance(inner, exp.Anonymous) and str(inner.this) == "named_struct":
        return call(
            "map", exp.Array(expressions=inner.expressions[::2]), exp.Array(expressions=inner.expressions[1::2])
        )
    if isinstance(inner, exp.Struct):
        keys = [e.this for e in inner.expressions]
        return call(
            "map", exp.Array(expressions=keys), exp.Array(expressions=[e.expression for e in inner.expressions])
        )
    return None


def _array_size(node: exp.Expression, pair: Pair) -> exp.Expression:
    if pair.source == "postgres" and not isinstance(node.parent, exp.Func) and node.expression is not None:
        return build("NULLIF(CAST(cardinality(:a) AS BIGINT), 0)", a=node.this)
    return exp.cast(call("cardinality", node.this), "BIGINT")


def _length(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    kind = type_of(node.this)
    if kind in exp.DataType.ARRAY_TYPES or isinstance(node.this, exp.Split | exp.Array):
        return exp.cast(call("cardinality", node.this), "BIGINT")
    name = "octet_length" if pair.source == "mysql" and node.args.get("binary") else "character_length"
    return call(name, node.this)


def _fetch(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    if node.args.get("limit_options") and node.args["limit_options"].args.get("with_ties"):
        raise Untranslatable("FETCH … WITH TIES")
    return exp.Limit(expression=node.args["count"].copy()) if node.args.get("count") else None


def _set_operation(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    if node.args.get("distinct") is False:
        raise Untranslatable(f"{node.key.upper()} ALL, which keeps copies")
    return None


def _column_type(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Casts that DataFusion does otherwise: to a text with a length, of timestamps and decimals to text."""
    to, value = node.args["to"], node.this
    if not isinstance(to, exp.DataType):
        return None
    if to.this in exp.DataType.TEXT_TYPES:
        if to.expressions and isinstance(to.expressions[0], exp.DataTypeParam):
            return exp.Left(this=exp.cast(value.copy(), "varchar"), expression=to.expressions[0].this.copy())
        if type_of(value) in (exp.DataType.Type.TIMESTAMP, exp.DataType.Type.TIMESTAMPNTZ, exp.DataType.Type.DATETIME):
            whole = call("to_char", value, exp.Literal.string("%Y-%m-%d %H:%M:%S"))
            exact = call("to_char", value, exp.Literal.string("%Y-%m-%d %H:%M:%S%.6f"))
            return build(
                "CASE WHEN EXTRACT(MICROSECOND FROM :a) % 1000000 = 0 THEN :w ELSE rtrim(:e, '0') END",
                a=value,
                w=whole,
                e=exact,
            )
    if to.this in (exp.DataType.Type.JSON, exp.DataType.Type.JSONB):
        return value.copy()
    return None


def _json(node: exp.Expression, pair: Pair) -> exp.Expression:
    raise Untranslatable("JSON functions, which DataFusion lacks")


def _approx(node: exp.Expression, pair: Pair) -> exp.Expression:
    return call("approx_distinct", node.this)


def _regexp_split(node: exp.Expression, pair: Pair) -> exp.Expression:
    if not is_plain(text_value(node.expression)):
        raise Untranslatable("a split by a pattern, which DataFusion lacks")
    return call("string_to_array", node.this, node.expression)


def _subquery_array(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """`ARRAY(SELECT …)`: the rows' order is kept by array_agg over them."""
    query = node.expressions[0] if len(node.expressions) == 1 else None
    if not isinstance(query, exp.Select) or len(query.expressions) != 1 or query.args.get("limit"):
        return None
    rows = query.copy()
    order = rows.args.get("order")
    value = rows.expressions[0].unalias()
    rows.set("order", None)
    ordered = exp.Order(this=value.copy(), expressions=[e.copy() for e in order.expressions]) if order else value.copy()
    rows.set("expressions", [exp.ArrayAgg(this=ordered)])
    return exp.Subquery(this=rows)


def _times_interval(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    if isinstance(node.this.unnest(), exp.Interval) or isinstance(node.expression.unnest(), exp.Interval):
        raise Untranslatable("a number times an interval")
    return None


def _extract(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    if pair.source == "postgres" and node.name.upper() in ("SECOND", "SECONDS"):
        return build("(EXTRACT(MICROSECOND FROM :a) / 1000000.0)", a=node.expression)
    return None


def _first(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    return call("first_value" if isinstance(node, exp.First) else "last_value", node.this)


def _contains_all(node: exp.Expression, pair: Pair) -> exp.Expression:
    if type_of(node.this) in (exp.DataType.Type.JSON, exp.DataType.Type.JSONB):
        raise Untranslatable("JSON functions, which DataFusion lacks")
    return call("array_has_all", node.this, node.expression)


def _from_epoch(node: exp.Expression, pair: Pair) -> exp.Expression:
    scale = integer_value(node.args.get("scale")) or 0
    name = {0: "to_timestamp_seconds", 3: "to_timestamp_millis", 6: "to_timestamp_micros"}.get(scale)
    if name is None:
        raise Untranslatable(f"a timestamp of 10^-{scale} seconds")
    zoned = pair.source in ("postgres", "bigquery")
    return exp.cast(call(name, node.this), "TIMESTAMPTZ" if zoned else "TIMESTAMP")


RULES: Rules = {
    exp.Sign: (lambda n, p: call("signum", n.this),),
    exp.RegexpExtract: (_regexp_extract,),
    exp.RegexpLike: (_regexp_like,),
    exp.Escape: (_like,),
    exp.Struct: (_struct,),
    exp.ToMap: (_map,),
    exp.VarMap: (lambda n, p: call("map", n.args["keys"], n.args["values"]),),
    exp.ArraySize: (_array_size,),
    exp.Length: (_length,),
    exp.ByteLength: (renamed("octet_length"),),
    exp.Fetch: (_fetch,),
    exp.EQ: (quantified,),
    exp.NEQ: (quantified,),
    exp.GT: (quantified,),
    exp.GTE: (quantified,),
    exp.LT: (quantified,),
    exp.LTE: (quantified,),
    exp.Except: (_set_operation,),
    exp.Intersect: (_set_operation,),
    exp.Cast: (_column_type,),
    exp.JSONExtract: (_json,),
    exp.JSONExtractScalar: (_json,),
    exp.JSONBExtract: (_json,),
    exp.JSONBExtractScalar: (_json,),
    exp.JSONBContains: (_json,),
    exp.JSONObject: (_json,),
    exp.JSONArrayAgg: (_json,),
    exp.JSONFormat: (_json,),
    exp.ParseJSON: (_json,),
    exp.JSONArray: (_json,),
    exp.IntDiv: (
        lambda n, p: build("CAST(TRUNC(CAST(:a AS DOUBLE PRECISION) / :b) AS BIGINT)", a=n.this, b=n.expression),
    ),
    exp.TimeToStr: (_to_char,),
    exp.ToChar: (_to_char,),
    exp.StrToTime: (_parsed("to_timestamp_micros", "TIMESTAMP"),),
    exp.StrToDate: (_parsed("to_date", "DATE"),),
    exp.TsOrDsToDate: (
        lambda n, p: _parsed("to_date", "DATE")(n, p) if n.args.get("format") else exp.cast(n.this.copy(), "DATE"),
    ),
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
    exp.ArrayContains: (lambda n, p: call("array_has", n.this, n.expression),),
    exp.Split: (lambda n, p: call("string_to_array", n.this, n.expression),),
    exp.Transform: (lambda n, p: call("array_transform", n.this, n.expression),),
    exp.ArrayFilter: (lambda n, p: call("array_filter", n.this, n.expression),),
    exp.ArraySum: (lambda n, p: call("array_sum", n.this),),
    exp.ArgMax: (
        lambda n, p: build(
            "first_value(:a ORDER BY :b DESC NULLS LAST) FILTER (WHERE NOT :b IS NULL)", a=n.this, b=n.expression
        ),
    ),
    exp.ArgMin: (
        lambda n, p: build(
            "first_value(:a ORDER BY :b ASC NULLS LAST) FILTER (WHERE NOT :b IS NULL)", a=n.this, b=n.expression
        ),
    ),
    exp.ApproxDistinct: (_approx,),
    exp.Quantile: (
        lambda n, p: build("percentile_cont(:q) WITHIN GROUP (ORDER BY :a)", a=n.this, q=n.args["quantile"]),
    ),
    exp.Collate: (lambda n, p: n.this.copy() if n.expression.name in ("C", "POSIX", "ucs_basic") else None,),
    exp.UnixToTime: (lambda n, p: _from_epoch(n, p),),
    exp.Unnest: (unnest_as_rows,),
    exp.Lateral: (lateral_view, no_lateral),
    exp.In: (in_unnest, row_in_query),
    exp.IgnoreNulls: (array_aggregate,),
    exp.WithinGroup: (within_group,),
    exp.ArrayUniqueAgg: (lambda n, p: build("ARRAY_AGG(DISTINCT :a) FILTER (WHERE NOT :a IS NULL)", a=n.this),),
    exp.RegexpSplit: (_regexp_split,),
    exp.Array: (comprehension, _subquery_array),
    exp.DateFromParts: (lambda n, p: call("make_date", n.args["year"], n.args["month"], n.args["day"]),),
    exp.Mul: (_times_interval,),
    exp.Extract: (_extract,),
    exp.First: (_first,),
    exp.Last: (_first,),
    exp.Mode: (refused("MODE"),),
    exp.PercentileDisc: (refused("PERCENTILE_DISC"),),
    exp.CTE: (plain_cte,),
    exp.Join: (no_asof, semi_join),
    exp.Select: (all_columns, having_alias, distinct_names),
    exp.JSONBContainsTopKey: (_json,),
    exp.ArrayContainsAll: (_contains_all,),
    exp.Posexplode: (refused("POSEXPLODE"),),
    exp.WindowSpec: (lambda n, p: refused("EXCLUDE in a frame")(n, p) if n.args.get("exclude") else None,),
    exp.Explode: (
        lambda n, p: refused("the elements of a series")(n, p) if isinstance(n.this, exp.GenerateDateArray) else None,
    ),
    exp.TimeToUnix: (lambda n, p: build("EXTRACT(EPOCH FROM :a)", a=n.this),),
    exp.UnixSeconds: (lambda n, p: build("CAST(FLOOR(EXTRACT(EPOCH FROM :a)) AS BIGINT)", a=n.this),),
    exp.UnixMillis: (lambda n, p: build("CAST(FLOOR(EXTRACT(EPOCH FROM :a) * 1000) AS BIGINT)", a=n.this),),
}
