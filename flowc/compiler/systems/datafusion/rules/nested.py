"""JSON, structs, maps and arrays in DataFusion."""

from __future__ import annotations

from sqlglot import exp

from flowc.compiler.sql.rewrite.core import Pair, Untranslatable, build, call, refused, type_of

JSON = (
    exp.JSONExtract, exp.JSONExtractScalar, exp.JSONBExtract, exp.JSONBExtractScalar, exp.JSONBContains,
    exp.JSONBContainsTopKey, exp.JSONObject, exp.JSONArray, exp.JSONArrayAgg, exp.JSONFormat, exp.ParseJSON,
)  # fmt: skip
no_json = refused("JSON functions, which DataFusion lacks: declare the column as `struct(…)` and name its parts")


def struct(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A struct from its named fields."""
    if not all(isinstance(e, exp.PropertyEQ) for e in node.expressions):
        return None
    parts = [part for e in node.expressions for part in (exp.Literal.string(e.this.name), e.expression)]
    return call("named_struct", *parts)


def map_of(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A map from its keys and values."""
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


def array_size(node: exp.Expression, pair: Pair) -> exp.Expression:
    """The number of elements; array_length of an empty array is NULL in PostgreSQL."""
    if pair.source == "postgres" and node.expression is not None:
        return build("NULLIF(CAST(cardinality(:a) AS BIGINT), 0)", a=node.this)
    return exp.cast(call("cardinality", node.this), "BIGINT")


_NOT_PLAIN = ("group", "having", "distinct", "limit", "offset", "fetch", "qualify")
_IN_FROM = "select from them: `ARRAY(SELECT q.x FROM (SELECT DISTINCT x FROM t) q)`"


def subquery_array(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """`ARRAY(SELECT …)`: the rows' order is kept by array_agg over them."""
    query = node.expressions[0] if len(node.expressions) == 1 else None
    if not isinstance(query, exp.Query) or len(query.selects) != 1:
        return None
    if not isinstance(query, exp.Select) or query.is_star or any(query.args.get(part) for part in _NOT_PLAIN):
        raise Untranslatable("an array of rows that are grouped, distinct, limited or of a set operation", _IN_FROM)
    rows = query.copy()
    order = rows.args.get("order")
    value = rows.expressions[0].unalias()
    rows.set("order", None)
    ordered = exp.Order(this=value.copy(), expressions=[e.copy() for e in order.expressions]) if order else value.copy()
    rows.set("expressions", [exp.ArrayAgg(this=ordered)])
    return call("coalesce", exp.Subquery(this=rows), call("make_array"))


def contains_all(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """`@>` of arrays."""
    if type_of(node.this) in (exp.DataType.Type.JSON, exp.DataType.Type.JSONB):
        return no_json(node, pair)
    return call("array_has_all", node.this, node.expression)
