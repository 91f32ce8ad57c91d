"""Arrays in PostgreSQL: aggregates that make them, and expressions over their elements."""

from __future__ import annotations

from sqlglot import exp

from flowc.compiler.sql.rewrite.core import (
    Pair,
    Rewrite,
    Untranslatable,
    build,
    call,
    integer_value,
)


def array_aggregate(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """ARRAY_AGG without NULL."""
    inner = node.this
    return without_null(inner) if isinstance(inner, exp.ArrayAgg) else None


def without_null(aggregate: exp.Expression) -> exp.Expression:
    """An array of the values that are not NULL."""
    value = aggregate.this
    bare = value.this if isinstance(value, exp.Order) else value
    if isinstance(bare, exp.Distinct):
        bare = bare.expressions[0]
    test = exp.Not(this=exp.Is(this=bare.copy(), expression=exp.null()))
    plain = exp.ArrayAgg(this=value.copy())
    return exp.Filter(this=plain, expression=exp.Where(this=test))


def within_group(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """ARRAY_AGG(x) WITHIN GROUP (ORDER BY y)."""
    aggregate = node.this
    if not isinstance(aggregate, exp.ArrayAgg):
        return None
    order = node.expression
    ordered = exp.ArrayAgg(
        this=exp.Order(this=aggregate.this.copy(), expressions=[e.copy() for e in order.expressions])
    )
    return without_null(ordered) if aggregate.args.get("nulls_excluded") else ordered


def extreme(direction: str) -> Rewrite:
    """The value of the row in which another is greatest or least."""

    def rewrite(node: exp.Expression, pair: Pair) -> exp.Expression:
        return build(
            f"(ARRAY_AGG(:a ORDER BY :b {direction}) FILTER (WHERE NOT :b IS NULL))[1]",
            a=node.this,
            b=node.expression,
        )

    return rewrite


def first_last(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """The first or last value in an order."""
    ordered = node.this
    if isinstance(node.parent, exp.Window) or not isinstance(ordered, exp.Order):
        return None
    keys = [e.copy() for e in ordered.expressions]
    if isinstance(node, exp.Last):
        for key in keys:
            key.set("desc", not key.args.get("desc"))
            key.set("nulls_first", not key.args.get("nulls_first"))
    order = exp.Order(this=ordered.this.copy(), expressions=keys)
    return exp.Bracket(this=exp.paren(exp.ArrayAgg(this=order)), expressions=[exp.Literal.number(1)], offset=1)


def transform(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """An expression of each element, in order."""
    name, function = _of_element(node.expression)
    elements = f'UNNEST(:a) WITH ORDINALITY AS _t("{name}", _n)'
    return build(f"ARRAY(SELECT :b FROM {elements} ORDER BY _n)", a=node.this, b=function)


def _of_element(function: exp.Expression) -> tuple[str, exp.Expression]:
    """The name that a lambda gives to an element, and what it makes of it."""
    if not isinstance(function, exp.Lambda) or len(function.expressions) != 1:
        raise Untranslatable("a function of more than the element")
    return function.expressions[0].name, function.this


def array_filter(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """The elements for which a condition holds, in order."""
    name, function = _of_element(node.expression)
    elements = f'UNNEST(:a) WITH ORDINALITY AS _t("{name}", _n)'
    return build(f'ARRAY(SELECT "{name}" FROM {elements} WHERE :b ORDER BY _n)', a=node.this, b=function)


def comprehension(node: exp.Expression) -> exp.Transform | None:
    """`[f(x) FOR x IN list]` as a function of each element of the list."""
    inner = node.expressions[0] if len(node.expressions) == 1 else None
    if not isinstance(inner, exp.Comprehension) or inner.args.get("condition"):
        return None
    function = exp.Lambda(this=inner.this.copy(), expressions=[exp.to_identifier(inner.expression.name)])
    return exp.Transform(this=inner.args["iterator"].copy(), expression=function)


def transformed(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """The same as an array of PostgreSQL."""
    made = comprehension(node)
    return None if made is None else transform(made, pair)


def substring_index(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """The text before the n-th separator, or after the n-th from the end."""
    text, mark, count = node.this, node.args["delimiter"], integer_value(node.args["count"])
    if count is None:
        raise Untranslatable("SUBSTRING_INDEX with a count that is not a number")
    if count >= 0:
        return build(f"ARRAY_TO_STRING((STRING_TO_ARRAY(:t, :d))[1:{count}], :d)", t=text, d=mark)
    return build(
        f"REVERSE(ARRAY_TO_STRING((STRING_TO_ARRAY(REVERSE(:t), REVERSE(:d)))[1:{-count}], REVERSE(:d)))",
        t=text,
        d=mark,
    )


def unnest_offset(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """BigQuery counts the offset from 0, ORDINALITY from 1."""
    offset = node.args.get("offset")
    if pair.source != "bigquery" or not offset or not isinstance(node.parent, exp.From | exp.Join):
        _unnest_series(node)
        return None
    value = node.args["alias"].args["columns"][0].name
    place = offset.name if isinstance(offset, exp.Expression) else "offset"
    elements = f'UNNEST(:a) WITH ORDINALITY AS _u("{value}", "_n")'
    rows = build(f'SELECT "{value}", "_n" - 1 AS "{place}" FROM {elements}', a=node.expressions[0])
    return exp.Subquery(this=rows, alias=exp.TableAlias(this=exp.to_identifier("_t")))


def _unnest_series(node: exp.Expression) -> None:
    """A series is rows in PostgreSQL: made an array first."""
    series = node.expressions[0] if len(node.expressions) == 1 else None
    if isinstance(series, exp.GenerateSeries):
        parts = [series.args[key] for key in ("start", "end", "step") if series.args.get(key)]
        node.set("expressions", [build("ARRAY(SELECT :s)", s=call("GENERATE_SERIES", *parts))])


def array_sort(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """The elements in order, NULL before them."""
    if node.args.get("expression") is not None or node.args.get("nulls_first") is None:
        return None
    return build("ARRAY(SELECT _x FROM UNNEST(:a) AS _t(_x) ORDER BY _x NULLS FIRST)", a=node.this)
