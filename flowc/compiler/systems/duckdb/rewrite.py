"""What DuckDB computes and how it spells it."""

from __future__ import annotations

from sqlglot import exp

from flowc.compiler.sql import marks
from flowc.compiler.sql.rewrite.calendar import named_part, slice_width, time_slice
from flowc.compiler.sql.rewrite.core import (
    MATH_WORDS,
    PLAIN_WORDS,
    Answer,
    Engine,
    Pair,
    Rules,
    Untranslatable,
    build,
    call,
    integer_value,
    is_integer,
    renamed,
    template,
    text_value,
    type_of,
)
from flowc.compiler.sql.rewrite.dateparts import WHOLE_SECONDS, named_by_node
from flowc.compiler.sql.rewrite.dates import date_difference
from flowc.compiler.sql.rewrite.failures import FAILURES
from flowc.compiler.sql.rewrite.formats import strftime
from flowc.compiler.sql.rewrite.numbers import QUOTIENTS
from flowc.compiler.sql.rewrite.relations import no_ties, union_by_name, unnest_as_rows
from flowc.compiler.sql.rewrite.texts import contains, ends_with, position

_DIALECT = "duckdb"


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
    return (
        unnest_as_rows(node, pair)
        if node.args.get("offset") and pair.source == "bigquery" and len(node.expressions) == 1
        else None
    )


def substring_index(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """The text before the n-th separator, or after the n-th from the end."""
    count = integer_value(node.args["count"])
    if count is None or count == 0:
        raise Untranslatable("SUBSTRING_INDEX with such a count")
    part = f"[:{count}]" if count > 0 else f"[{count}:]"
    return build(f"ARRAY_TO_STRING(STRING_SPLIT(:t, :d){part}, :d)", _DIALECT, t=node.this, d=node.args["delimiter"])


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


def spark_quantile(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Spark's percentile lies between two values."""
    if pair.source not in ("spark", "databricks"):
        return None
    return build("QUANTILE_CONT(:a, :q)", _DIALECT, a=node.this, q=node.args["quantile"])


def from_epoch(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Seconds since 1970 as a timestamp without a zone."""
    if integer_value(node.args.get("scale")) or pair.source not in ("spark", "mysql", "databricks"):
        return None
    return build("MAKE_TIMESTAMP(CAST(:a AS BIGINT) * 1000000)", _DIALECT, a=node.this)


def whole_units(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Whole units between two times; DuckDB's DATE_DIFF counts boundaries."""
    return None if node.args.get("date_part_boundary") else date_difference(node, pair)


def has_key(node: exp.Expression, pair: Pair) -> exp.Expression:
    """The operator `?` of JSON."""
    return call("JSON_EXISTS", node.this, build("'$.\"' || :k || '\"'", _DIALECT, k=node.expression))


def json_array(node: exp.Expression, pair: Pair) -> exp.Expression:
    """A JSON array of the values of a group."""
    value, order = node.this.copy(), node.args.get("order")
    if isinstance(order, exp.Order):
        value = exp.Order(this=value, expressions=[e.copy() for e in order.expressions])
    return call("TO_JSON", exp.ArrayAgg(this=value))


def _time_slice(node: exp.Expression, pair: Pair) -> exp.Expression:
    return build(f"time_bucket({slice_width(node)}, :a)", _DIALECT, a=node.this)


def divide(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Integers divide to an integer in some dialects."""
    if marks.GENERATED.has(node) or not node.args.get("typed"):
        return None
    if is_integer(node.left) and is_integer(node.right):
        whole = exp.IntDiv(this=node.left.copy(), expression=node.right.copy())
        return _bracketed(whole, pair) or whole
    if type_of(node.left) is None or type_of(node.right) is None:
        raise Untranslatable(
            "a division of values whose types are not known: cast them to say whether they are integers"
        )
    return None


def second(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Seconds with their fraction, and thousandths of them, where the author's dialect has that."""
    if node.name.upper() in ("SECOND", "SECONDS") and pair.source not in WHOLE_SECONDS:
        return build("EXTRACT(MICROSECOND FROM :a) / 1000000.0", _DIALECT, a=node.expression)
    if node.name.upper() in ("MILLISECOND", "MILLISECONDS") and pair.source == "postgres":
        return build("EXTRACT(MICROSECONDS FROM :a) / 1000.0", a=node.expression)
    return None


def _bracketed(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """The operands of div() in brackets: those of `//` bind as they stand."""
    for side in ("this", "expression"):
        if isinstance(node.args[side], exp.Binary):
            node.set(side, exp.paren(node.args[side].copy(), copy=False))
    return None


_RULES: Rules = {
    exp.Div: (divide,),
    exp.Extract: (second,),
    exp.IntDiv: (_bracketed,),
    exp.Length: (lambda n, p: call("LENGTH", n.this) if n.args.get("binary") else None,),
    exp.ByteLength: (template("OCTET_LENGTH(ENCODE(:this))", _DIALECT),),
    exp.Cast: (varchar_length, decimal_default),
    exp.ArraySize: (array_size,),
    exp.TimeToStr: (date_format,),
    exp.Unnest: (bigquery_offset,),
    exp.SubstringIndex: (substring_index,),
    exp.Fetch: (no_ties,),
    exp.Quantile: (spark_quantile,),
    exp.TimestampDiff: (whole_units,),
    exp.UnixToTime: (from_epoch,),
    exp.ArrayDistinct: (template("LIST_FILTER(:this, LAMBDA x, i : LIST_POSITION(:this, x) = i)", _DIALECT),),
    exp.JSONBExtractScalar: (json_text_path,),
    exp.JSONBContainsTopKey: (has_key,),
    exp.ArrayContainsAll: (jsonb,),
    exp.RegexpSplit: (renamed("STRING_SPLIT_REGEX"),),
    exp.JSONArrayAgg: (json_array,),
}

ENGINE = Engine(
    name="duckdb",
    title="DuckDB",
    undefined=Answer.FLOAT,
    fails="CASE WHEN {0} THEN ERROR('{1}') ELSE :a END",
    rounds_away=True,
    casts_even=True,
    from_end=True,
    first=(QUOTIENTS, FAILURES),
    rules=(_RULES,),
    instead={
        named_part: None,
        time_slice: _time_slice,
        named_by_node: None,
        position: None,
        ends_with: None,
        contains: None,
        union_by_name: None,
    },
    named={
        **dict.fromkeys(("JSONB_BUILD_OBJECT", "JSON_BUILD_OBJECT"), lambda a, _: call("JSON_OBJECT", *a)),
        "JSON_ARRAY": lambda a, _: call("JSON_ARRAY", *a),
    },
    portable=PLAIN_WORDS | MATH_WORDS,
)
