"""Numbers on MySQL: division keeps few digits of integers and decimals, operators on bits are unsigned."""

from __future__ import annotations

from sqlglot import exp

from flowc.compiler.sql.meaning.core import OURS, Pair, Rewrite, Untranslatable, integer_value, is_integer, type_of
from flowc.compiler.sql.meaning.mysql_casts import rounded
from flowc.compiler.sql.meaning.mysql_words import Kind, exactly, kind_of, said


def numbers_only(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """What MySQL would read a number from, whatever it is."""
    for side in (node.this, node.args.get("expression")):
        if (
            side is not None
            and kind_of(side) not in (Kind.NUMBER, Kind.BOOLEAN)
            and not isinstance(side.unnest(), exp.Null)
        ):
            raise Untranslatable("arithmetic with what are not known to be numbers")
    return None


def divide(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Integers divide to an integer where the dialect says so, all else as a double."""
    numbers_only(node, pair)
    left, right = node.left, node.right
    if node.args.get("typed") and not node.meta.get(OURS):
        if is_integer(left) and is_integer(right):
            return said("(:a DIV :b)", a=left, b=right)
        if type_of(left) is None or type_of(right) is None:
            raise Untranslatable("a division of values whose types are not known: cast them")
    return said("(CAST(:a AS DOUBLE) / :b)", a=left, b=right)


def whole(node: exp.Expression, pair: Pair) -> exp.Expression:
    """A division cut to an integer."""
    numbers_only(node, pair)
    return said("(:a DIV :b)", a=node.left, b=node.right)


def round_(node: exp.Expression, pair: Pair) -> exp.Expression:
    """A half goes away from zero, but for PostgreSQL's floats."""
    places = node.args.get("decimals")
    count = integer_value(places)
    if (places is not None and count is None) or kind_of(node.this) is not Kind.NUMBER or node.args.get("truncate"):
        raise Untranslatable("ROUND to places that are not a literal, or of what is not known to be a number")
    return rounded(node.this, count, even=pair.source == "postgres")


def trunc(node: exp.Expression, pair: Pair) -> exp.Expression:
    """Cut to places."""
    numbers_only(node, pair)
    return said("TRUNCATE(:a, :n)", a=node.this, n=node.args.get("decimals") or exp.Literal.number(0))


def log(node: exp.Expression, pair: Pair) -> exp.Expression:
    """LOG of one number is that of base ten, or the natural one where the dialect has that."""
    numbers_only(node, pair)
    if node.args.get("expression") is not None:
        return said("LOG(:b, :a)", b=node.this, a=node.expression)
    return said("LOG(10, :a)", a=node.this)


def average(node: exp.Expression, pair: Pair) -> exp.Expression:
    """A mean with all its digits."""
    value = node.this
    if isinstance(value, exp.Distinct) and len(value.expressions) == 1:
        new = exp.Avg(this=exp.Distinct(expressions=[said("CAST(:a AS DOUBLE)", a=_number(value.expressions[0]))]))
    else:
        new = exp.Avg(this=said("CAST(:a AS DOUBLE)", a=_number(value)))
    new.type = exp.DataType.build("DOUBLE")
    return new


def _number(node: exp.Expression) -> exp.Expression:
    if kind_of(node) not in (Kind.NUMBER, Kind.BOOLEAN):
        raise Untranslatable("an aggregate of what is not known to be a number")
    return node


def total(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """SUM and the like."""
    inner = node.this.expressions[0] if isinstance(node.this, exp.Distinct) else node.this
    _number(inner)
    return None


def greatest(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """NULL makes the result NULL; where the dialect skips it, each value stands in for the others."""
    values = [node.this, *node.expressions]
    if not node.args.get("ignore_nulls") or len(values) < 2:
        return None
    rotated = [values[i:] + values[:i] for i in range(len(values))]
    first, *others = [exp.Coalesce(this=r[0].copy(), expressions=[v.copy() for v in r[1:]]) for r in rotated]
    if kind_of(first) is Kind.TEXT:
        first = exactly(first)
    return type(node)(this=first, expressions=others, ignore_nulls=False)


def bits(symbol: str) -> Rewrite:
    """An operator on bits, whose result has a sign everywhere else."""
    text = f"CAST((:a {symbol} :b) AS SIGNED)" if symbol != "~" else "CAST((~:a) AS SIGNED)"

    def rewrite(node: exp.Expression, pair: Pair) -> exp.Expression:
        numbers_only(node, pair)
        parts = {"a": node.this} if symbol == "~" else {"a": node.this, "b": node.expression}
        return said(text, **parts)

    return rewrite
