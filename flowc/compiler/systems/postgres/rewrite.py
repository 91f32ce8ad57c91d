"""What PostgreSQL 15 computes and how it spells it."""

from __future__ import annotations

from sqlglot import exp

from flowc.compiler.sql.rewrite.common import width_bucket
from flowc.compiler.sql.rewrite.core import (
    MATH_WORDS,
    PLAIN_WORDS,
    Answer,
    Engine,
    Pair,
    Rewrite,
    Rules,
    Untranslatable,
    build,
    call,
    integer_value,
    refused,
    renamed,
    template,
    type_of,
)
from flowc.compiler.sql.rewrite.dateparts import named_by_node
from flowc.compiler.sql.rewrite.dates import DATES
from flowc.compiler.sql.rewrite.failures import FAILURES
from flowc.compiler.sql.rewrite.formats import strftime, to_marks
from flowc.compiler.sql.rewrite.named import json_sizes
from flowc.compiler.sql.rewrite.relations import (
    derived_alias,
    group_by_all,
    having_alias,
    in_unnest,
    lateral_view,
    no_asof,
    order_by_all,
    star_without,
)
from flowc.compiler.sql.rewrite.texts import from_start, unmatched
from flowc.compiler.systems.postgres.arrays import (
    array_aggregate,
    array_filter,
    array_sort,
    extreme,
    first_last,
    substring_index,
    transform,
    transformed,
    unnest_offset,
    within_group,
)
from flowc.compiler.systems.postgres.casts import no_try, text_cast


def regexp_extract(node: exp.Expression, pair: Pair) -> exp.Expression:
    """The match of a pattern, or one of its groups; the n-th by regexp_substr, which came with PostgreSQL 15."""
    group, nth = integer_value(node.args.get("group")) or 0, integer_value(node.args.get("occurrence")) or 1
    found = build(f"REGEXP_SUBSTR(:a, :p, 1, {nth}, '', {group})", a=node.this, p=node.expression)
    return unmatched(node, pair, found)


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
    """Characters or elements."""
    return call("CARDINALITY", node.this) if type_of(node.this) in exp.DataType.ARRAY_TYPES else None


def negative_place(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Elements counted from the end."""
    place = node.expressions[0] if len(node.expressions) == 1 else None
    if (integer_value(place) or 0) < 0 and type_of(node.this) is not exp.DataType.Type.JSON:
        raise Untranslatable("an element of an array from its end")
    return None


def lacking(what: str) -> Rewrite:
    """A rewrite that says no."""
    return refused(f"{what}, which PostgreSQL lacks")


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
    seconds = build(f"(:a / {10**scale}.0)", a=node.this) if scale else node.this
    instant = call("TO_TIMESTAMP", seconds)
    return instant if pair.source == "bigquery" else build("(:a AT TIME ZONE 'UTC')", a=instant)


def round_float(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """round(double, places) does not exist; a half of a double goes to the even number."""
    kind, places = type_of(node.this), node.args.get("decimals")
    if pair.source == "mysql" and places is None:
        return None
    if kind is not None and kind not in exp.DataType.FLOAT_TYPES:
        return None
    if places is None and kind is None:
        return None
    return exp.Round(this=exp.cast(node.this.copy(), "DECIMAL"), decimals=places.copy() if places is not None else None)


def date_bin(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """DuckDB's buckets start on a Monday."""
    if node.args.get("origin") or pair.source != "duckdb":
        return None
    return build("DATE_BIN(:w, :a, TIMESTAMP '2000-01-03 00:00:00')", w=node.this, a=node.expression)


def _milliseconds(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Thousandths of a second; PostgreSQL has microseconds behind their point."""
    if node.name.upper() not in ("MILLISECOND", "MILLISECONDS"):
        return None
    return build("CAST(TRUNC(EXTRACT(MILLISECONDS FROM :a)) AS INT)", a=node.expression)


def any_value(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A value of the group that is not NULL."""
    if isinstance(node.this, exp.HavingMax):
        return None
    return build("(ARRAY_AGG(:a) FILTER (WHERE NOT :a IS NULL))[1]", a=node.this)


_RULES: Rules = {
    **DATES,
    exp.Extract: (_milliseconds,),
    exp.Bracket: (negative_place,),
    exp.Struct: (lacking("structs"),),
    exp.ToMap: (lacking("maps"),),
    exp.VarMap: (lacking("maps"),),
    exp.Join: (no_asof,),
    exp.Explode: (lambda n, p: n.this.copy() if isinstance(n.this, exp.GenerateSeries) else None,),
    exp.Second: (template("CAST(TRUNC(EXTRACT(SECOND FROM :this)) AS INT)"),),
    exp.DateBin: (date_bin,),
    exp.RegexpExtract: (from_start, regexp_extract),
    exp.RegexpExtractAll: (
        template("ARRAY(SELECT m[1] FROM REGEXP_MATCHES(:this, '(' || :expression || ')', 'g') AS _t(m))"),
    ),
    exp.JSONExtract: (json_path,),
    exp.JSONExtractScalar: (json_path,),
    exp.JSONFormat: (template("CAST(TO_JSON(:this) AS TEXT)"),),
    exp.JSONObject: (
        lambda n, p: call("JSONB_BUILD_OBJECT", *[v for kv in n.expressions for v in (kv.this, kv.expression)]),
    ),
    exp.Length: (length,),
    exp.ByteLength: (renamed("OCTET_LENGTH"),),
    exp.IgnoreNulls: (array_aggregate,),
    exp.WithinGroup: (within_group,),
    exp.ArrayUniqueAgg: (template("ARRAY_AGG(DISTINCT :this) FILTER (WHERE NOT :this IS NULL)"),),
    exp.ArraySort: (array_sort,),
    exp.ArrayDistinct: (
        template("ARRAY(SELECT _x FROM UNNEST(:this) WITH ORDINALITY AS _t(_x, _n) GROUP BY _x ORDER BY MIN(_n))"),
    ),
    exp.ArrayMax: (template("(SELECT MAX(_x) FROM UNNEST(:this) AS _t(_x))"),),
    exp.ArrayMin: (template("(SELECT MIN(_x) FROM UNNEST(:this) AS _t(_x))"),),
    exp.ArraySum: (template("(SELECT SUM(_x) FROM UNNEST(:this) AS _t(_x))"),),
    exp.ArrayReverse: (template("ARRAY(SELECT _x FROM UNNEST(:this) WITH ORDINALITY AS _t(_x, _n) ORDER BY _n DESC)"),),
    exp.ArgMax: (extreme("DESC"),),
    exp.ArgMin: (extreme("ASC"),),
    exp.First: (first_last,),
    exp.Last: (first_last,),
    exp.AnyValue: (any_value,),
    exp.Mode: (lambda n, p: build("MODE() WITHIN GROUP (ORDER BY :a)", a=n.this) if n.this is not None else None,),
    exp.ApproxDistinct: (template("COUNT(DISTINCT :this)"),),
    exp.Quantile: (template("PERCENTILE_CONT(:quantile) WITHIN GROUP (ORDER BY :this)"),),
    exp.TryCast: (no_try,),
    exp.Cast: (text_cast,),
    exp.TimeToStr: (format_date,),
    exp.StrToTime: (parse_date("TIMESTAMP"),),
    exp.StrToDate: (parse_date("DATE"),),
    exp.TsOrDsToDate: (parse_date("DATE"),),
    exp.UnixToTime: (from_epoch,),
    exp.Round: (round_float,),
    exp.Transform: (transform,),
    exp.ArrayFilter: (array_filter,),
    exp.Array: (transformed,),
    exp.Split: (lambda n, p: exp.paren(call("STRING_TO_ARRAY", n.this, n.expression)),),
    exp.RegexpSplit: (lambda n, p: exp.paren(call("REGEXP_SPLIT_TO_ARRAY", n.this, n.expression)),),
    exp.SubstringIndex: (substring_index,),
    exp.Unnest: (unnest_offset,),
    exp.Lateral: (lateral_view,),
    exp.In: (in_unnest,),
    exp.Subquery: (derived_alias,),
    exp.Select: (order_by_all, group_by_all, having_alias),
    exp.Star: (star_without,),
}

ENGINE = Engine(
    name="postgres",
    title="PostgreSQL",
    undefined=Answer.FAILS,
    casts_even=True,
    skips_null=True,
    joins_numbers=False,
    escapes_like=True,
    first=(FAILURES,),
    rules=(_RULES,),
    instead={width_bucket: None, named_by_node: lambda n, p: exp.cast(named_by_node(n, p), "INT")},
    named={"JSON_ARRAY": lambda a, _: call("JSONB_BUILD_ARRAY", *a), **json_sizes("JSONB_ARRAY_LENGTH")},
    portable=PLAIN_WORDS | MATH_WORDS | {"btrim", "every"},
)
