"""Means, deviations, powers, roots and logarithms on DataFusion, which PostgreSQL computes as decimals of decimals.

DataFusion has floats for them. Means are made of decimals that hold any sum; the others of decimals one by one, by
functions of flowc's own (`runtime/engine/decimals`). What is made of floats, or of whole numbers alone, stays a float.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from sqlglot import exp

from flowc.compiler.sql import marks
from flowc.compiler.sql.rewrite.core import Pair, Rules, Untranslatable, call, integer_value, typed
from flowc.compiler.sql.rewrite.numbers import (
    DEVIATIONS,
    FREE,
    Number,
    gathered,
    is_real,
    number_of,
)

_SUMMED = "DECIMAL(76, 18)"
"""Holds the sum of any numbers; the engine's mean of them has four places more, which are rounded to those of FREE."""
_TAKEN = "DECIMAL(76, 38)"
"""Holds every decimal of 38 digits, wherever its point is."""


def _mean(node: exp.Expression, pair: Pair) -> None:
    """The mean of whole numbers or decimals."""
    if number_of(node) in (Number.DECIMAL, Number.FRACTION):
        given = gathered(node)
        given.replace(_as(given, _SUMMED))
        _around(node, exp.Cast(to=exp.DataType.build(FREE)))


def _moving(node: exp.Expression, pair: Pair) -> None:
    """A sum or mean over a frame that moves, for which the engine takes away again what it added: NaN would stay."""
    given = gathered(node)
    if number_of(given) is not Number.FLOAT or not _moves(node):
        return
    given.replace(typed(call("flowc_float_finite", exp.cast(given.copy(), "DOUBLE")), "double"))


def _moves(node: exp.Expression) -> bool:
    """Whether an aggregate is over a frame whose begin moves."""
    whole = node
    while isinstance(whole.parent, exp.Filter | exp.Window) and whole.parent.this is whole:
        whole = whole.parent
    spec = whole.args.get("spec") if isinstance(whole, exp.Window) else None
    if isinstance(whole, exp.Window) and spec is None and (select := whole.parent_select) is not None:
        named = [each for each in select.args.get("windows") or () if each.this.name == whole.alias]
        spec = named[0].args.get("spec") if named else None
    return spec is not None and str(spec.args.get("start")).upper() != "UNBOUNDED"


def _deviation(node: exp.Expression, pair: Pair) -> None:
    """A deviation or variance of whole numbers or decimals, of as many digits as a float surely has."""
    if number_of(node) is Number.DECIMAL:
        given = gathered(node)
        given.replace(exp.cast(given.copy(), "DOUBLE"))
        cast = exp.Cast(this=call("flowc_numeric"), to=exp.DataType.build(FREE))
        _around(node, cast, cast.this)


def _as(value: exp.Expression, kind: str) -> exp.Expression:
    """A cast, of a decimal of other digits too, which the library takes for the same."""
    return exp.Cast(this=value.copy(), to=exp.DataType.build(kind))


def _around(node: exp.Expression, outer: exp.Expression, inner: exp.Expression | None = None) -> None:
    """Puts a cast or a call around an aggregate with its FILTER and its OVER, as they stand."""
    whole = node
    while isinstance(whole.parent, exp.Filter | exp.Window) and whole.parent.this is whole:
        whole = whole.parent
    if isinstance(outer, exp.Cast):
        outer.type = exp.DataType.build("decimal")
    inner = inner or outer
    whole.replace(outer)
    inner.set(*("this", whole) if isinstance(inner, exp.Cast) else ("expressions", [whole]))


def _power(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A power, a root or a logarithm: of decimals, to the digits that PostgreSQL gives."""
    parts = [node.args[key] for key in ("this", "expression") if node.args.get(key) is not None]
    exact, name = number_of(node) is Number.DECIMAL, _NAMES[type(node)]
    ten = isinstance(node, exp.Log) and (len(parts) == 1 or integer_value(parts[0]) == _TEN)
    if ten:
        # Of the engine's own logarithms, only this one has 3 of 1000.
        parts, name = parts[-1:], "log10"
    if exact:
        return typed(call(f"flowc_decimal_{name}", *(_as(part, _TAKEN) for part in parts)), "decimal")
    for part in [part for part in parts if number_of(part) is Number.DECIMAL or is_real(part)]:
        part.replace(exp.cast(part.copy(), "DOUBLE"))
    if isinstance(node, exp.Pow) and number_of(node) is Number.FLOAT:
        return typed(call("flowc_float_power", node.this, node.expression), "double")
    return call(name, node.expression if node.args.get("expression") is not None else node.this) if ten else None


def as_float(value: exp.Expression, to: exp.DataType) -> exp.Expression | None:
    """A cast of a decimal of many digits to a float, which the engine alone would miss by a digit or two."""
    if to.this not in exp.DataType.FLOAT_TYPES:
        return None
    if isinstance(value, exp.Literal) and _is_no_float(str(value.this)):
        raise Untranslatable(f"`{str(value.this)[:40]}` as a float, which holds no number so large or so small")
    if to.this is exp.DataType.Type.FLOAT and not is_real(value) and _may_exceed(value):
        return typed(call("flowc_float_real", exp.cast(value.copy(), "DOUBLE")), "float")
    if number_of(value) is not Number.DECIMAL or _is_short(value):
        return None
    return exp.Cast(this=exp.cast(value.copy(), "varchar"), to=to.copy())


_MOST_REAL, _LEAST_REAL = 3.4028234e38, 1.2e-38


def _may_exceed(value: exp.Expression) -> bool:
    """Whether a value may be larger or smaller than floats of 32 bits, as far as is known."""
    text = value.this if isinstance(value, exp.Literal) else ""
    try:
        return number_of(value) is Number.FLOAT if not text else not _is_within(abs(float(text)))
    except ValueError:
        return False


def _is_no_float(text: str) -> bool:
    try:
        value = float(text)
    except ValueError:
        return False
    return (math.isinf(value) and "n" not in text.lower()) or (value == 0 and re.search("[1-9]", text) is not None)


def _is_within(size: float) -> bool:
    return size == 0 or _LEAST_REAL < size < _MOST_REAL or not math.isfinite(size)


def _beside_float(node: exp.Expression, pair: Pair) -> None:
    """A decimal of many digits beside a float is the float nearest to it."""
    sides = (node.left, node.right)
    if {*map(number_of, sides)} == {Number.DECIMAL, Number.FLOAT}:
        for side in [side for side in sides if number_of(side) is Number.DECIMAL]:
            if (made := as_float(side, exp.DataType.build("double"))) is not None:
                side.replace(made)


def _is_short(value: exp.Expression) -> bool:
    """Whether a decimal has few digits as a rule: a column, or one that is written or cast so."""
    inner = value.unnest()
    if isinstance(inner, exp.Cast):
        sizes = [integer_value(size.this) or 0 for size in inner.to.expressions]
        return bool(sizes) and sizes[0] <= _SHORT
    if isinstance(inner, exp.Sum | exp.Min | exp.Max | exp.Neg | exp.Abs | exp.Window | exp.Filter):
        return _is_short(inner.this)
    if isinstance(inner, exp.Literal):
        return len(inner.this) <= _SHORT
    return isinstance(inner, exp.Column) and not marks.CHOSEN.has(inner)


_SHORT = 15
_TEN = 10
_NAMES: Mapping[type[exp.Expression], str] = {
    exp.Sqrt: "sqrt", exp.Exp: "exp", exp.Ln: "ln", exp.Log: "log", exp.Pow: "power",
}  # fmt: skip

DECIMALS: Rules = {
    exp.Sum: (_moving,),
    exp.Avg: (_moving, _mean),
    **dict.fromkeys(DEVIATIONS, (_moving, _deviation)),
    **dict.fromkeys(_NAMES, (_power,)),
    **dict.fromkeys((exp.Add, exp.Sub, exp.Mul, exp.Div), (_beside_float,)),
}
