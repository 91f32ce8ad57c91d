"""What DuckDB computes and how it spells it."""

from __future__ import annotations

from sqlglot import exp

from flowc.compiler.meaning.core import Pair, Rules, Untranslatable, build, call, integer_value, text_value, type_of
from flowc.compiler.meaning.dates import date_difference
from flowc.compiler.meaning.formats import strftime
from flowc.compiler.meaning.relations import unnest_as_rows

_DIALECT = "duckdb"


def length(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Bytes where MySQL counts them."""
    if pair.source == "mysql" and node.args.get("binary"):
        return build("OCTET_LENGTH(ENCODE(:a))", _DIALECT, a=node.this)
    return call("LENGTH", node.this) if node.args.get("binary") else None


def varchar_length(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """DuckDB ignores the length of a text; a cast elsewhere cuts."""
    to = node.args["to"]
    if not isinstance(to, exp.DataType) or to.this not in exp.DataType.TEXT_TYPES or not to.expressions:
        return None
    if not isinstance(to.expressions[0], exp.DataTypeParam):
        return None
    return exp.Left(this=exp.cast(node.this.copy(), "TEXT"), expression=to.expressions[0].this.copy())


def decimal_default(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A decimal without precision keeps every digit in PostgreSQL; DuckDB would keep three places."""
    to = node.args["to"]
    if (
        isinstance(to, exp.DataType)
        and to.this is exp.DataType.Type.DECIMAL
        and not to.expressions
        and pair.source == "postgres"
    ):
        if type_of(node.this) in exp.DataType.INTEGER_TYPES:
            return None
        return exp.cast(node.this.copy(), exp.DataType.build("DECIMAL(38, 10)", dialect=_DIALECT))
    return None


def array_size(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """array_length of an empty array is NULL in PostgreSQL."""
    if pair.source == "postgres" and node.expression is not None:
        return build("NULLIF(LEN(:a), 0)", _DIALECT, a=node.this)
    return None


def date_format(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A date as text; DuckDB lacks nothing that strftime has but fractions of other lengths."""
    form = strftime(node, pair).replace("%6f", "%f").replace("%3f", "%g")
    return call("STRFTIME", node.this, exp.Literal.string(form))


def bigquery_offset(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """BigQuery counts the offset from 0."""
    return unnest_as_rows(node, pair) if node.args.get("offset") and pair.source == "bigquery" else None


def substring_index(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """The text before the n-th separator, or after the n-th from the end."""
    count = integer_value(node.args["count"])
    if count is None or count == 0:
        raise Untranslatable("SUBSTRING_INDEX with such a count")
    part = f"[:{count}]" if count > 0 else f"[{count}:]"
    return build(f"ARRAY_TO_STRING(STRING_SPLIT(:t, :d){part}, :d)", _DIALECT, t=node.this, d=node.args["delimiter"])


def no_ties(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """FETCH … WITH TIES."""
    if node.args.get("limit_options") and node.args["limit_options"].args.get("with_ties"):
        raise Untranslatable("FETCH … WITH TIES")
    return None


def jsonb(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """`@>` of JSON."""
    if isinstance(node.this, exp.Cast) and node.this.is_type("jsonb", "json"):
        return call("JSON_CONTAINS", node.this, node.expression)
    return None


def json_text_path(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """`#>>` with the path as a literal."""
    path = text_value(node.expression)
    if path is None or not path.startswith("{"):
        raise Untranslatable("a JSON path that is not a literal")
    keys = [part.strip('"') for part in path[1:-1].split(",")]
    steps = "".join(f"[{key}]" if key.isdigit() else f'."{key}"' for key in keys)
    return call("JSON_EXTRACT_STRING", node.this, exp.Literal.string("$" + steps))


RULES: Rules = {
    exp.Length: (length,),
    exp.ByteLength: (lambda n, p: build("OCTET_LENGTH(ENCODE(:a))", _DIALECT, a=n.this),),
    exp.Cast: (varchar_length, decimal_default),
    exp.ArraySize: (array_size,),
    exp.TimeToStr: (date_format,),
    exp.Unnest: (bigquery_offset,),
    exp.SubstringIndex: (substring_index,),
    exp.Fetch: (no_ties,),
    exp.Quantile: (
        lambda n, p: (
            build("QUANTILE_CONT(:a, :q)", _DIALECT, a=n.this, q=n.args["quantile"])
            if p.source in ("spark", "databricks")
            else None
        ),
    ),
    exp.TimestampDiff: (lambda n, p: date_difference(n, p) if not n.args.get("date_part_boundary") else None,),
    exp.UnixToTime: (
        lambda n, p: (
            build("MAKE_TIMESTAMP(CAST(:a AS BIGINT) * 1000000)", _DIALECT, a=n.this)
            if integer_value(n.args.get("scale")) in (None, 0) and p.source in ("spark", "mysql", "databricks")
            else None
        ),
    ),
    exp.ArrayDistinct: (
        lambda n, p: (
            build("LIST_SORT(LIST_DISTINCT(:a))", _DIALECT, a=n.this)
            if False
            else build("LIST_FILTER(:a, LAMBDA x, i : LIST_POSITION(:a, x) = i)", _DIALECT, a=n.this)
        ),
    ),
    exp.JSONBExtractScalar: (json_text_path,),
    exp.JSONBContainsTopKey: (
        lambda n, p: call("JSON_EXISTS", n.this, build("'$.\"' || :k || '\"'", _DIALECT, k=n.expression)),
    ),
    exp.ArrayContainsAll: (jsonb,),
    exp.RegexpSplit: (lambda n, p: call("STRING_SPLIT_REGEX", n.this, n.expression),),
    exp.JSONFormat: (lambda n, p: exp.cast(call("TO_JSON", n.this), "TEXT"),),
    exp.JSONArrayAgg: (
        lambda n, p: (
            call("TO_JSON", exp.ArrayAgg(this=n.this.copy()))
            if not isinstance(n.args.get("order"), exp.Order)
            else call(
                "TO_JSON",
                exp.ArrayAgg(
                    this=exp.Order(this=n.this.copy(), expressions=[e.copy() for e in n.args["order"].expressions])
                ),
            )
        ),
    ),
}
