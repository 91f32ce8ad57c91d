"""Queries that DataFusion compares with in another way than PostgreSQL."""

from __future__ import annotations

from sqlglot import exp

from flowc.compiler.sql.meaning.core import Pair, Untranslatable, build, call


def quantified(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """`x = ANY (array)` and comparisons with all or any rows of a subquery."""
    right = node.expression
    if isinstance(right, exp.Any):
        inner = right.this.unnest()
        if isinstance(inner, exp.Query):
            return (
                exp.In(this=node.this.copy(), query=exp.Subquery(this=inner.copy()))
                if isinstance(node, exp.EQ)
                else _no_quantifier()
            )
        if isinstance(node, exp.EQ):
            return call("array_has", inner, node.this)
        return _no_quantifier()
    if isinstance(right, exp.All):
        inner = right.this.unnest()
        if not isinstance(inner, exp.Select) or len(inner.expressions) != 1:
            return _no_quantifier()
        name = {exp.GT: "MAX", exp.GTE: "MAX", exp.LT: "MIN", exp.LTE: "MIN"}.get(type(node))
        return _no_quantifier() if name is None else _against_all(node, inner, name)
    return None


def _no_quantifier() -> exp.Expression:
    raise Untranslatable("a comparison with ANY or ALL rows of a subquery")


def _against_all(node: exp.Expression, inner: exp.Select, name: str) -> exp.Expression:
    rows = inner.copy()
    value = rows.expressions[0].unalias()
    rows.set(
        "expressions",
        [
            exp.alias_(build(f"{name}(:v)", v=value), "best"),
            exp.alias_(build("COUNT(*) - COUNT(:v)", v=value), "nulls"),
            exp.alias_(exp.Count(this=exp.Star()), "total"),
        ],
    )

    def best(column: str) -> exp.Expression:
        named = exp.Subquery(this=rows.copy(), alias=exp.TableAlias(this=exp.to_identifier("r")))
        return exp.Subquery(this=exp.select(column).from_(named))

    bare = type(node)(this=node.this.copy(), expression=best("best"))
    case = exp.Case(default=bare)
    case = case.when(exp.EQ(this=best("total"), expression=exp.Literal.number(0)), exp.true(), copy=False)
    return case.when(
        exp.and_(exp.GT(this=best("nulls"), expression=exp.Literal.number(0)), bare.copy()), exp.null(), copy=False
    )
