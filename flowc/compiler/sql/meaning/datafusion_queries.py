"""Queries that DataFusion compares with in another way than PostgreSQL."""

from __future__ import annotations

import re

from sqlglot import exp

from flowc.compiler.sql.meaning.core import COMPARISONS, INTEGERS, Pair, Rules, Untranslatable, build, call, text_value
from flowc.compiler.sql.meaning.datafusion_numbers import EXACT

_WORDS = {"some": exp.Any, "any": exp.Any, "all": exp.All}
_PLAIN_ITEM = re.compile(r"[^\s{},\"\\]+(?: +[^\s{},\"\\]+)*")
_IS_ANY = (
    "CASE WHEN :a IS NULL THEN NULL WHEN cardinality(:a) = 0 THEN FALSE WHEN array_has(:a, :x) THEN TRUE"
    " WHEN :x IS NULL OR array_position(:a, NULL) IS NOT NULL THEN NULL ELSE FALSE END"
)
"""What is in no array that has a NULL may be in it."""


def with_elements(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A comparison with any or all elements of an array: one with each, where the array is written out."""
    quantifier = _quantifier(node.expression)
    if quantifier is None or pair.source not in EXACT:
        return None
    kind, inner = quantifier
    every = kind is exp.All
    if isinstance(inner, exp.Query):
        return None
    if (items := _items(inner)) is None:
        return _with_column(node, inner, every=every)
    if len(items) == 1 and isinstance(items[0], exp.Query):
        if every or not isinstance(node, exp.EQ):
            raise Untranslatable("a comparison with ANY or ALL rows of a subquery")
        return exp.In(this=node.this.copy(), query=exp.Subquery(this=items[0].copy()))
    if isinstance(node, exp.NEQ if every else exp.EQ) and items:
        test: exp.Expression = exp.In(this=node.this.copy(), expressions=[item.copy() for item in items])
        return exp.paren(exp.Not(this=test), copy=False) if every else exp.paren(test, copy=False)
    tests = [_compared(node, item) for item in items]
    if not tests:
        return exp.true() if every else exp.false()
    return exp.paren(exp.and_(*tests) if every else exp.or_(*tests), copy=False)


def _quantifier(node: exp.Expression | None) -> tuple[type[exp.Expression], exp.Expression] | None:
    if isinstance(node, exp.Any | exp.All):
        return type(node), node.this.unnest()
    if isinstance(node, exp.Anonymous) and len(node.expressions) == 1 and str(node.this).lower() in _WORDS:
        return _WORDS[str(node.this).lower()], node.expressions[0].unnest()
    return None


def _items(array: exp.Expression) -> list[exp.Expression] | None:
    """The elements of an array that is written out; None for any other."""
    to = array.args.get("to")
    bare = array.this.unnest() if isinstance(array, exp.Cast) else array
    if isinstance(bare, exp.Array):
        return list(bare.expressions)
    text = (text_value(bare) or "").strip()
    if not (text.startswith("{") and text.endswith("}")):
        return None
    items = [item.strip() for item in text[1:-1].split(",")] if text[1:-1].strip() else []
    if not all(_PLAIN_ITEM.fullmatch(item) for item in items):
        raise Untranslatable("an array as a text with quotes or braces in it: write ARRAY[…]")
    element = to.expressions[0] if isinstance(to, exp.DataType) and to.expressions else None
    return [_item(item, element) for item in items]


def _item(text: str, kind: object) -> exp.Expression:
    if text.upper() == "NULL":
        return exp.null()
    value = exp.Literal.string(text)
    if isinstance(kind, exp.DataType) and kind.this not in exp.DataType.TEXT_TYPES:
        return exp.Literal.number(text) if kind.this in INTEGERS and text.isdigit() else exp.cast(value, kind.copy())
    return value


def _compared(node: exp.Expression, item: exp.Expression) -> exp.Expression:
    new = node.copy()
    new.set("expression", item.copy())
    return exp.paren(new, copy=False)


def _with_column(node: exp.Expression, array: exp.Expression, *, every: bool) -> exp.Expression:
    if not isinstance(node, exp.NEQ if every else exp.EQ):
        raise Untranslatable(
            "a comparison with elements of an array that is not written out, but for `= ANY`, `<> ALL`"
        )
    found = exp.paren(build(_IS_ANY, "datafusion", a=array, x=node.this), copy=False)
    return exp.paren(exp.Not(this=found), copy=False) if every else found


QUANTIFIED: Rules = dict.fromkeys((*COMPARISONS, exp.RegexpLike, exp.RegexpILike), (with_elements,))
"""Before any of them is reworded."""


def _of_input(node: exp.Expression, pair: Pair) -> None:
    """What rows are ordered by: a name alone is one of the output, in an expression one of a column that is read.

    DataFusion takes the output's in both, and has no way to name the other but in aggregates.
    """
    select = node.parent.parent if isinstance(node.parent, exp.Order) else None
    if pair.source not in EXACT or not isinstance(select, exp.Select) or isinstance(node.this.unnest(), exp.Column):
        return
    names = {one.alias.lower() for one in select.selects if one.alias and not _is_named_so(one)}
    for column in node.this.walk(prune=lambda each: isinstance(each, exp.Query | exp.AggFunc)) if names else ():
        if isinstance(column, exp.Column) and column.name.lower() in names:
            raise Untranslatable(
                f"an order by an expression of `{column.name}`, which is the name of an output column too",
                "give the output column another name; where it is meant, order by it alone, or repeat its expression",
            )


def _is_named_so(output: exp.Expression) -> bool:
    """Whether an output column is the column of its name."""
    inner = output.unalias()
    return isinstance(inner, exp.Column) and inner.name.lower() == output.alias.lower()


ORDERS: Rules = {exp.Ordered: (_of_input,)}
"""Of the author's own words, before any of them is reworded."""


def quantified(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """`x = ANY (array)` of other dialects, and comparisons with all or any rows of a subquery."""
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
