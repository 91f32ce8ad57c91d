"""Zeros and NaNs on DataFusion: 0.0 and -0.0, and NaNs of both signs, are equal in PostgreSQL.

DataFusion tells them apart where it does not compare with an operator or group rows: there it is given one of each.
"""

from __future__ import annotations

import re

from sqlglot import exp

from flowc.compiler.sql.rewrite.core import Pair, Rules, build, call, typed
from flowc.compiler.sql.rewrite.numbers import Number, is_real, number_of

_KEYS = "nanvl(:a + 0.0, CAST('NaN' AS DOUBLE))"


def _may_differ(value: exp.Expression) -> bool:
    """Whether a value is a float that may have a sign which says nothing."""
    bare = value.unnest()
    while isinstance(bare, exp.Cast):
        bare = bare.this.unnest()
    written = isinstance(bare, exp.Literal) and not (bare.is_string and _SIGNED.match(bare.this))
    return number_of(value) is Number.FLOAT and not written


_SIGNED = re.compile(r"\s*(-|\+?nan)", re.IGNORECASE)


def _put(value: exp.Expression) -> None:
    """Puts a float with one zero and one NaN into the place of a value."""
    if _may_differ(value):
        value.replace(typed(build(_KEYS, "datafusion", a=value), "double"))


def _listed(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    rows = [value.unnest() for value in (node.this, *node.expressions)]
    if node.args.get("query") is not None:
        return None
    if not all(isinstance(row, exp.Tuple) for row in rows):
        for value in rows:
            _put(value)
        return None
    if not any(_may_differ(part) for row in rows for part in row.expressions):
        return None
    # The engine has no list of rows that are computed.
    pairs = (zip(rows[0].expressions, row.expressions, strict=True) for row in rows[1:])
    same = [exp.and_(*(exp.EQ(this=a.copy(), expression=b.copy()) for a, b in parts)) for parts in pairs]
    return exp.paren(exp.or_(*same), copy=False)


def _case(node: exp.Expression, pair: Pair) -> None:
    if node.this is not None:
        for value in (node.this, *(branch.this for branch in node.args["ifs"])):
            _put(value)


def _nullif(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """What it gives keeps the sign of its zero."""
    if not (_may_differ(node.this) or _may_differ(node.expression)):
        return None
    new = build("CASE WHEN NOT :a = :b THEN :a WHEN :b IS NULL THEN :a END", a=node.this, b=node.expression)
    return typed(new, "double")


def _window(node: exp.Expression, pair: Pair) -> None:
    for value in list(node.args.get("partition_by") or ()):
        _put(value)


def _ordered(node: exp.Expression, pair: Pair) -> None:
    """What is equal is ordered by what comes after it, and has one rank."""
    order = node.parent
    around = order.parent if isinstance(order, exp.Order) else None
    decides = order is not None and order.expressions[-1] is not node
    chosen = isinstance(around, exp.Select) and around.args.get("distinct") is None and decides
    if chosen or isinstance(around, exp.Window):
        _put(node.this)


def _distinct(node: exp.Expression, pair: Pair) -> None:
    if isinstance(node.parent, exp.Count) and len(node.expressions) == 1:
        _put(node.expressions[0])


def _negated(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A NaN has no sign."""
    if not _may_differ(node.this):
        return None
    kind = "FLOAT" if is_real(node.this) else "DOUBLE"
    return typed(call("nanvl", node, exp.cast(exp.Literal.string("NaN"), kind)), kind)


FLOATS: Rules = {
    exp.In: (_listed,),
    exp.Case: (_case,),
    exp.Nullif: (_nullif,),
    exp.Window: (_window,),
    exp.Ordered: (_ordered,),
    exp.Distinct: (_distinct,),
    exp.Neg: (_negated,),
}
