"""Queries that DataFusion compares with in another way than PostgreSQL."""

from __future__ import annotations

import re

from sqlglot import exp

from flowc.compiler.sql.relations import fold
from flowc.compiler.sql.rewrite.core import (
    COMPARISONS,
    INTEGERS,
    Pair,
    Rules,
    Untranslatable,
    build,
    call,
    integer_value,
    text_value,
    with_part,
)
from flowc.compiler.sql.rewrite.numbers import EXACT
from flowc.compiler.systems.datafusion.rules.arrays import plain_floats

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
    return exp.paren(with_part(node, expression=item.copy()), copy=False)


def _with_column(node: exp.Expression, array: exp.Expression, *, every: bool) -> exp.Expression:
    if not isinstance(node, exp.NEQ if every else exp.EQ):
        raise Untranslatable(
            "a comparison with elements of an array that is not written out, but for `= ANY`, `<> ALL`"
        )
    (value, elements) = plain_floats(node.this, array)
    found = exp.paren(build(_IS_ANY, "datafusion", a=elements, x=value), copy=False)
    return exp.paren(exp.Not(this=found), copy=False) if every else found


QUANTIFIED: Rules = dict.fromkeys((*COMPARISONS, exp.RegexpLike, exp.RegexpILike), (with_elements,))
"""Before any of them is reworded."""


def _of_input(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """What rows are ordered by: a name alone is one of the output, in an expression one of a column that is read.

    DataFusion takes the output's in both. So such an expression becomes a column of a query within.
    """
    order, outputs = node.args.get("order"), node.expressions
    if pair.source not in EXACT or not isinstance(node, exp.Select) or order is None:
        return None
    names = {one.alias.lower() for one in outputs if one.alias and not _is_named_so(one)}
    if not names or not any(_reads_input(key.this, names) for key in order.expressions):
        return None
    whole, is_distinct = [_name_of(one) for one in outputs], node.args.get("distinct") is not None
    if is_distinct and all(isinstance(key.this.unnest(), exp.Column) for key in order.expressions):
        return None
    if is_distinct or node.is_star or "" in whole or len({*whole}) < len(whole):
        raise Untranslatable(
            "an order by an expression of a column whose name an output column has too",
            "give the output column another name; where it is meant, order by it alone, or repeat its expression",
        )
    return _ordered_outside(node, whole)


def _reads_input(key: exp.Expression, names: set[str]) -> bool:
    """Whether a key names a column that is read and has the name of another output; aggregates are no matter."""
    bare = key.unnest()
    if isinstance(bare, exp.Column) and not bare.table:
        return False
    columns = bare.walk(prune=lambda each: isinstance(each, exp.Query | exp.AggFunc))
    return any(isinstance(column, exp.Column) and column.name.lower() in names for column in columns)


def _ordered_outside(select: exp.Select, outputs: list[str]) -> exp.Expression:
    """A query that orders the rows of another by columns of that, which it does not give."""
    rows, outer = select.copy(), exp.Select()
    for part in ("with_", "order", "limit", "offset"):
        outer.set(part, rows.args.get(part))
        rows.set(part, None)
    for place, key in enumerate(outer.args["order"].expressions):
        bare, name = key.this.unnest(), f"_by{place}"
        named = isinstance(bare, exp.Column) and not bare.table and _name_of(bare) in outputs
        if not named and integer_value(bare) is None:
            rows.append("expressions", exp.alias_(key.this.copy(), name, quoted=True))
            key.set("this", _column(name, bare))
    outer.set("expressions", [_column(name, one) for name, one in zip(outputs, select.expressions, strict=True)])
    inner = exp.Subquery(this=rows, alias=exp.TableAlias(this=exp.to_identifier("_ordered")))
    outer.set("from_", exp.From(this=inner))
    return outer


def _name_of(output: exp.Expression) -> str:
    """The name of an output column; empty where it has none of its own."""
    name = output.args["alias"] if isinstance(output, exp.Alias) else output.this
    known = isinstance(output, exp.Alias | exp.Column) and isinstance(name, exp.Identifier)
    return fold(name, "datafusion") if known else ""


def _column(name: str, like: exp.Expression) -> exp.Expression:
    new = exp.column(name, quoted=True)
    new.type = like.unalias().type
    return new


def _is_named_so(output: exp.Expression) -> bool:
    """Whether an output column is the column of its name."""
    inner = output.unalias()
    return isinstance(inner, exp.Column) and inner.name.lower() == output.alias.lower()


ORDERS: Rules = {exp.Select: (_of_input,)}
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
