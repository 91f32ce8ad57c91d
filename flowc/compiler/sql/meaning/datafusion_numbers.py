"""Numbers on DataFusion as PostgreSQL computes them: decimals stay exact where DataFusion would take floats."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from sqlglot import exp

from flowc.compiler.sql.meaning.core import (
    INTEGERS,
    OURS,
    Pair,
    Rules,
    Untranslatable,
    build,
    call,
    integer_value,
    type_of,
)

EXACT = ("postgres", "redshift", "materialize", "risingwave")
"""Dialects whose `1.5` is a decimal, and whose decimals divide to one with at least sixteen digits."""

CHOSEN = "flowc_chosen"
"""On what holds decimals whose digits PostgreSQL chooses by their values, as a query within says."""
WIDENED, IN_ROWS = "flowc_widened", "flowc_rows"
"""On columns that may be decimals with more places than PostgreSQL's; on numbers that are values of rows."""

_DECIMAL = exp.DataType.Type.DECIMAL


class Number(IntEnum):
    """What an expression is, the wider the later; FRACTION is a decimal or a float, as its columns turn out."""

    INTEGER = 1
    DECIMAL = 2
    FRACTION = 3
    FLOAT = 4


_AS_THEIR_OPERAND = (
    exp.Paren, exp.Neg, exp.Sum, exp.Round, exp.Trunc, exp.Ceil, exp.Floor, exp.Abs, exp.Window, exp.Filter, exp.Avg,
    exp.Min, exp.Max,
)  # fmt: skip


def number_of(node: exp.Expression) -> Number | None:
    """What kind of number a node gives, followed into arithmetic; None where that is not known."""
    if isinstance(node, _AS_THEIR_OPERAND):
        number = number_of(node.this)
        return _rounded(node, number) if isinstance(node, _ROUNDING) else number
    if isinstance(node, exp.Add | exp.Sub | exp.Mul | exp.Div | exp.Mod):
        return _together(number_of(node.left), number_of(node.right))
    if isinstance(node, exp.Case | exp.Coalesce | exp.Greatest | exp.Least):
        return _widest(values_of(node))
    if isinstance(node, exp.Nullif):
        return _widest([node.this, node.expression])
    if isinstance(node, exp.Count):
        return Number.INTEGER
    kind = type_of(node)
    if kind in INTEGERS:
        return Number.INTEGER
    if kind is _DECIMAL:
        return Number.DECIMAL
    return Number.FLOAT if kind in exp.DataType.FLOAT_TYPES else None


def _widest(values: Sequence[exp.Expression]) -> Number | None:
    kinds = [number_of(value) for value in values if not isinstance(value, exp.Null)]
    return max((kind for kind in kinds if kind is not None), default=None) if None not in kinds else None


_ROUNDING = (exp.Round, exp.Trunc, exp.Ceil, exp.Floor)


def _rounded(node: exp.Expression, number: Number | None) -> Number | None:
    """To places, only decimals are rounded; whole numbers without any become floats."""
    if node.args.get("decimals") is not None:
        return Number.DECIMAL
    return Number.FLOAT if number is Number.INTEGER and not node.this.find(exp.Avg) else number


def _together(left: Number | None, right: Number | None) -> Number | None:
    if left is None or right is None:
        known = left or right
        return (
            known if known is Number.FLOAT else Number.FRACTION if known in (Number.DECIMAL, Number.FRACTION) else None
        )
    return max(left, right)


_QUOTIENT = "CAST(CAST(:a AS DECIMAL(76, 30)) / :b AS DECIMAL(38, 20))"
"""DataFusion alone keeps four digits more than the dividend has."""


def _divide(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Decimals divide to twenty places, which hold what PostgreSQL gives."""
    if pair.source not in EXACT or node.meta.get(OURS):
        return None
    kind = _together(number_of(node.left), number_of(node.right))
    if kind is Number.FRACTION:
        return build("CAST(:a AS DOUBLE) / :b", "datafusion", a=node.left, b=node.right)
    return build(_QUOTIENT, "datafusion", a=node.left, b=node.right) if kind is Number.DECIMAL else None


_PRODUCT = "CAST(CAST(:a AS DECIMAL(76, 20)) * CAST(:b AS DECIMAL(76, 20)) AS DECIMAL(38, 20))"
"""Of two decimals with twenty places, for whose product DataFusion has no type."""


def _multiply(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    sides = [side.unnest() for side in (node.left, node.right)]
    if pair.source not in EXACT or not all(isinstance(side, exp.Cast) and side.to.sql() == _FREE for side in sides):
        return None
    return build(_PRODUCT, "datafusion", a=sides[0], b=sides[1])


def _wide_sums(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """PostgreSQL's sum of bigints is a decimal, and divides as one."""
    if pair.source not in EXACT or pair.engine == "postgres":
        return None
    wide = [side for side in ("this", "expression") if _is_wide_sum(node.args[side])]
    if any(number_of(node.args[side]) is not Number.INTEGER for side in ("this", "expression")):
        return None
    if not wide:
        return None
    new = node.copy()
    for side in wide:
        new.set(side, exp.cast(node.args[side].copy(), "DECIMAL(38, 0)"))
    return new


def is_wide(*operands: exp.Expression) -> bool:
    """Whether whole numbers divide to a decimal in PostgreSQL, for one of them is a sum of bigints."""
    return any(map(_is_wide_sum, operands))


def _is_wide_sum(node: exp.Expression) -> bool:
    value = node.unnest()
    while isinstance(value, exp.Window | exp.Filter | exp.Nullif):
        value = value.this.unnest()
    if isinstance(value, exp.Add | exp.Sub | exp.Mul):
        return _is_wide_sum(value.left) or _is_wide_sum(value.right)
    return isinstance(value, exp.Sum) and _is_bigint(value.this)


def _is_bigint(value: exp.Expression) -> bool:
    """Whether PostgreSQL has a whole number in 64 bits, in which all that are written are here."""
    written = integer_value(value)
    return type_of(value) is exp.DataType.Type.BIGINT if written is None else not -(2**31) <= written < 2**31


def _average(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """The mean of decimals, to as many places."""
    if pair.source not in EXACT or number_of(node.this) is not Number.DECIMAL:
        return None
    return exp.Avg(this=exp.cast(node.this.copy(), "DECIMAL(38, 16)"))


def values_of(node: exp.Expression) -> list[exp.Expression]:
    """The values of which a node gives one."""
    if isinstance(node, exp.Case):
        found = [branch.args["true"] for branch in node.args["ifs"]]
        return [*found, *([node.args["default"]] if node.args.get("default") is not None else [])]
    return [node.this, *node.expressions]


def _bit_not(node: exp.Expression, pair: Pair) -> exp.Expression:
    return build("(-1 - :a)", a=node.this)


def is_real(node: exp.Expression) -> bool:
    """Whether a node is a float of 32 bits, which any whole number or decimal becomes beside one in a CASE."""
    inner = node.unnest()
    if isinstance(inner, exp.Case | exp.Coalesce | exp.Greatest | exp.Least):
        values = values_of(inner)
        wide = any(number_of(value) is Number.FLOAT and not is_real(value) for value in values)
        return any(map(is_real, values)) and not wide
    if isinstance(inner, exp.Add | exp.Sub | exp.Mul | exp.Div):
        return is_real(inner.right) and is_real(inner.left)  # a long row goes on at its left
    return is_real(inner.this) if isinstance(inner, exp.Neg | exp.Abs) else type_of(inner) is _FLOAT


_FREE = "DECIMAL(38, 20)"
"""A numeric without a scale, where its digits are chosen by the values."""


def as_numeric(value: exp.Expression, to: exp.DataType) -> exp.Expression | None:
    """A cast to a numeric: floats, and what may be one, go through as many digits as they surely have."""
    number = number_of(value)
    if number in (Number.INTEGER, Number.DECIMAL) and not value.find(exp.Avg):
        if to.expressions:
            return None
        return value.copy() if number is Number.DECIMAL else exp.cast(value.copy(), "DECIMAL(20, 0)")
    if number is None and (type_of(value) is not None or isinstance(value.unnest(), exp.Null | exp.Extract)):
        # Parts of times have at most as many digits as a double keeps, of which it surely has sixteen.
        return None if to.expressions else exp.cast(value.copy(), _FREE)
    return exp.cast(call("flowc_numeric", value), to.copy() if to.expressions else _FREE)


def _to_whole(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """`floor` and `ceil` of a decimal, which may have a digit more before the point than its type has."""
    if pair.source not in EXACT or number_of(node.this) is not Number.DECIMAL:
        return None
    new = node.copy()
    new.set("this", build("(:a + CAST(0 AS DECIMAL(1, 0)))", a=node.this))
    return new


def _to_places(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """`round` and `trunc` of a decimal, which has as many places as they say."""
    places = node.args.get("decimals")
    if pair.source not in EXACT or (places is None and number_of(node) is not Number.FLOAT):
        return None
    if places is None:
        return exp.cast(node.this.copy(), "DOUBLE") if number_of(node.this) is Number.INTEGER else None
    if number_of(node.this) is Number.FLOAT and not node.this.find(*_OF_DECIMALS_TOO):
        raise Untranslatable(f"{node.key}() of a float to places", "CAST it first: `round(CAST(x AS numeric), 2)`")
    new = node.copy()
    if number_of(node.this) is Number.INTEGER:
        new.set("this", as_numeric(node.this, exp.DataType.build("DECIMAL")))
    count = integer_value(places)
    if count is None or count > _MOST_PLACES:
        return new
    return exp.cast(new, f"DECIMAL(38, {max(count, 0)})")


_MOST_PLACES = 30
_OF_DECIMALS_TOO = (exp.Sqrt, exp.Ln, exp.Exp)
"""In PostgreSQL they give a decimal of a decimal; here, a float of as many digits as that surely has."""


def _no_floats(node: exp.Expression, pair: Pair) -> None:
    if pair.source in EXACT and number_of(node) is Number.FLOAT:
        raise Untranslatable(f"`%` of floats, which {pair.source} does not have")


_FLOAT = exp.DataType.Type.FLOAT

SUMS: Rules = {exp.Div: (_wide_sums,)}
"""Before a division is told from one of integers."""

NUMBERS: Rules = {
    exp.Avg: (_average,),
    exp.BitwiseNot: (_bit_not,),
    exp.Div: (_divide,),
    exp.Mod: (_no_floats,),
    exp.Mul: (_multiply,),
    **dict.fromkeys((exp.Round, exp.Trunc), (_to_places,)),
    **dict.fromkeys((exp.Ceil, exp.Floor), (_to_whole,)),
}
