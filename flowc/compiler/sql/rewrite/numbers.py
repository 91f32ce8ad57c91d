"""Numbers on DataFusion as PostgreSQL computes them: decimals stay exact where DataFusion would take floats."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from threading import local

from sqlglot import exp

from flowc.compiler.sql import marks
from flowc.compiler.sql.rewrite.core import (
    INTEGERS,
    Pair,
    Rules,
    Untranslatable,
    build,
    call,
    integer_value,
    mark,
    of,
    type_of,
    with_part,
)

EXACT = ("postgres", "redshift", "materialize", "risingwave")
"""Dialects whose `1.5` is a decimal, and whose decimals divide to one with at least sixteen digits."""

_DECIMAL = exp.DataType.Type.DECIMAL


class Number(IntEnum):
    """What an expression is, the wider the later; FRACTION is a decimal or a float, as its columns turn out."""

    INTEGER = 1
    DECIMAL = 2
    FRACTION = 3
    FLOAT = 4


_AS_THEIR_OPERAND = (
    exp.Paren, exp.Neg, exp.Sum, exp.Round, exp.Trunc, exp.Ceil, exp.Floor, exp.Abs, exp.Window, exp.Filter,
    exp.Min, exp.Max,
)  # fmt: skip
DEVIATIONS = (exp.Stddev, exp.StddevPop, exp.StddevSamp, exp.Variance, exp.VariancePop)
MEANS = (exp.Avg, *DEVIATIONS)
"""Decimals of whole numbers and decimals, and floats of floats."""
POWERS = (exp.Sqrt, exp.Exp, exp.Ln, exp.Log, exp.Pow)
"""Decimals of decimals, and floats of floats and of whole numbers alone."""
_COMPUTED = (*MEANS, *POWERS)
_PLAIN = (exp.Column, exp.Literal)
_OF_BOTH = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod)
_OF_ANY = (exp.Case, exp.Coalesce, exp.Greatest, exp.Least)


def number_of(node: exp.Expression) -> Number | None:
    """What kind of number a node gives, followed into arithmetic; None where that is not known."""
    if isinstance(node, _PLAIN):
        return _of_type(node)
    if isinstance(node, _AS_THEIR_OPERAND):
        number = number_of(node.this)
        return _rounded(node, number) if isinstance(node, _ROUNDING) else number
    if isinstance(node, _COMPUTED):
        # Where they are floats of all numbers, as in most dialects, their type says so.
        return Number.FLOAT if type_of(node) in exp.DataType.FLOAT_TYPES else _computed(node)
    if isinstance(node, _OF_BOTH):
        return _of_both(node)
    if isinstance(node, _OF_ANY):
        return _widest(values_of(node))
    if isinstance(node, exp.Nullif):
        return _widest([node.this, node.expression])
    if isinstance(node, exp.Count):
        return Number.INTEGER
    return _of_type(node)


class _Known(local):
    """The known kinds of rows of operators, each under the id of its last operator, while a text is rewritten.

    Rules ask it of each operator of a row in turn. A part that is changed has another hash, as all around it have.
    """

    numbers: dict[int, tuple[exp.Expression, int, Number | None]] | None = None

    def find(self, node: exp.Expression) -> tuple[exp.Expression, int, Number | None] | None:
        found = self.numbers.get(id(node)) if self.numbers is not None else None
        return found if found is not None and found[0] is node and found[1] == node._hash else None


_KNOWN = _Known()


@contextmanager
def numbers_known() -> Iterator[None]:
    """While it is open, what a row of operators is is found once."""
    _KNOWN.numbers = {}
    try:
        yield
    finally:
        _KNOWN.numbers = None


def _of_both(node: exp.Expression) -> Number | None:
    """A row of operators, which has more than there may be calls in each other."""
    row, first = list[exp.Expression](), node
    while isinstance(first, _OF_BOTH) and _KNOWN.find(first) is None:
        row.append(first)
        first = first.left
    known = _KNOWN.find(first)
    number = known[2] if known is not None else number_of(first)
    for each in reversed(row):
        number = _together(number, number_of(each.right))
        if _KNOWN.numbers is not None:
            _KNOWN.numbers[id(each)] = (each, hash(each), number)
    return number


def _of_type(node: exp.Expression) -> Number | None:
    kind = type_of(node)
    if kind in INTEGERS:
        return Number.INTEGER
    if kind is _DECIMAL:
        return Number.DECIMAL
    return Number.FLOAT if kind in exp.DataType.FLOAT_TYPES else None


def gathered(node: exp.Expression) -> exp.Expression:
    """What an aggregate is given of each row, DISTINCT or not."""
    given = node.this
    return given.expressions[0] if isinstance(given, exp.Distinct) and len(given.expressions) == 1 else given


def _computed(node: exp.Expression) -> Number | None:
    """What a mean, a power, a root or a logarithm is: `log10` has a whole number as its base, whatever it is of."""
    if isinstance(node, MEANS):
        number = number_of(gathered(node))
        return Number.DECIMAL if number is Number.INTEGER else number
    given = [node.this, *([node.expression] if node.args.get("expression") is not None else [])]
    if isinstance(node, exp.Log) and integer_value(node.this) == _TEN and len(given) > 1:
        given = given[1:]
    kinds = [number_of(value) for value in given]
    if isinstance(node, exp.Log) and len(given) > 1 and None not in kinds and Number.FLOAT not in kinds:
        return Number.DECIMAL
    number = kinds[0] if len(kinds) == 1 else _together(kinds[0], kinds[1])
    return Number.FLOAT if number is Number.INTEGER else number


_TEN = 10


def _widest(values: Sequence[exp.Expression]) -> Number | None:
    kinds = [number_of(value) for value in values if not isinstance(value, exp.Null)]
    return max((kind for kind in kinds if kind is not None), default=None) if None not in kinds else None


_ROUNDING = (exp.Round, exp.Trunc, exp.Ceil, exp.Floor)


def _rounded(node: exp.Expression, number: Number | None) -> Number | None:
    """Whole numbers become decimals to places, and floats without any."""
    if node.args.get("decimals") is not None:
        return number if number is Number.FLOAT else Number.DECIMAL
    return Number.FLOAT if number is Number.INTEGER else number


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
    if marks.GENERATED.has(node):
        return None
    kind = _together(number_of(node.left), number_of(node.right))
    if kind is Number.FRACTION:
        return build("CAST(:a AS DOUBLE) / :b", "datafusion", a=node.left, b=node.right)
    if kind is not Number.DECIMAL:
        return None
    return build(_QUOTIENT, "datafusion", a=node.left, b=node.right)


_PRODUCT = "CAST(CAST(:a AS DECIMAL(76, 20)) * CAST(:b AS DECIMAL(76, 20)) AS DECIMAL(38, 20))"
"""Of decimals with so many places that DataFusion has no type for their product."""
_MOST_DIGITS = 38


def _multiply(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    if number_of(node) is not Number.DECIMAL:
        return None
    if _places_of(node.left) + _places_of(node.right) <= _MOST_DIGITS:
        return None
    return build(_PRODUCT, "datafusion", a=node.left, b=node.right)


def _places_of(node: exp.Expression) -> int:
    """The places that a decimal has on the engine, as far as its text tells."""
    inner = node.unnest()
    if isinstance(inner, exp.Cast):
        sizes = [integer_value(size.this) or 0 for size in inner.to.expressions]
        return sizes[1] if len(sizes) > 1 and inner.to.this is _DECIMAL else 0
    if isinstance(inner, exp.Mul):
        return min(_places_of(inner.left) + _places_of(inner.right), _MOST_DIGITS)
    if isinstance(inner, exp.Add | exp.Sub | exp.Mod):
        return max(_places_of(inner.left), _places_of(inner.right))
    if isinstance(inner, exp.Case | exp.Coalesce | exp.Greatest | exp.Least):
        return max(map(_places_of, values_of(inner)), default=0)
    if isinstance(inner, _AS_THEIR_OPERAND):
        return _places_of(inner.this)
    made = isinstance(inner, exp.Anonymous) and number_of(inner) is Number.DECIMAL
    return _FREE_PLACES if made or marks.CHOSEN.has(inner) or marks.WIDENED.has(inner) else 0


_FREE_PLACES = 20


def _wide_sums(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """PostgreSQL's sum of bigints is a decimal, and divides as one."""
    wide = [side for side in ("this", "expression") if _is_wide_sum(node.args[side])]
    kinds = {number_of(node.args[side]) for side in ("this", "expression")}
    if not wide or kinds != {Number.INTEGER}:
        return None
    return _with_casts(node, wide, "DECIMAL(38, 0)")


def _parts_of_times(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Parts of times that are decimals, which an engine has as whole numbers."""
    parts = [side for side in ("this", "expression") if _of_times(node.args[side])]
    return _with_casts(node, parts, "DECIMAL(38, 6)") if parts else None


def _with_casts(node: exp.Expression, sides: Sequence[str], kind: str) -> exp.Expression:
    new = node.copy()
    for side in sides:
        new.set(side, exp.cast(node.args[side].copy(), kind))
    return new


def _of_times(value: exp.Expression) -> bool:
    """Whether it is a decimal for the parts of times in it."""
    return number_of(value) is Number.DECIMAL and value.find(exp.Extract) is not None


def is_wide(*operands: exp.Expression) -> bool:
    """Whether whole numbers divide to a decimal in PostgreSQL, for one of them is a sum of bigints."""
    return any(map(_is_wide_sum, operands))


def _is_wide_sum(node: exp.Expression) -> bool:
    value = node.unnest()
    while isinstance(value, exp.Window | exp.Filter | exp.Nullif):
        value = value.this.unnest()
    if isinstance(value, exp.Select) and len(value.selects) == 1:
        return _is_wide_sum(value.selects[0].unalias())
    if isinstance(value, exp.Add | exp.Sub | exp.Mul):
        return _is_wide_sum(value.left) or _is_wide_sum(value.right)
    if isinstance(value, exp.Case | exp.Coalesce | exp.Greatest | exp.Least):
        return any(map(_is_wide_sum, values_of(value)))
    return marks.WIDE.has(value) or (isinstance(value, exp.Sum) and _is_bigint(value.this))


def _is_bigint(value: exp.Expression) -> bool:
    """Whether PostgreSQL has a whole number in 64 bits, in which all that are written are here."""
    written = integer_value(value)
    if written is not None:
        return not -(2**31) <= written < 2**31
    return type_of(value) is exp.DataType.Type.BIGINT


def values_of(node: exp.Expression) -> list[exp.Expression]:
    """The values of which a node gives one."""
    if isinstance(node, exp.Case):
        found = [branch.args["true"] for branch in node.args["ifs"]]
        return [*found, *([node.args["default"]] if node.args.get("default") is not None else [])]
    return [node.this, *node.expressions]


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


FREE = "DECIMAL(38, 20)"
"""A numeric without a scale, where its digits are chosen by the values."""


def as_numeric(value: exp.Expression, to: exp.DataType) -> exp.Expression | None:
    """A cast to a numeric: floats, and what may be one, go through as many digits as they surely have."""
    number = number_of(value)
    if number in (Number.INTEGER, Number.DECIMAL):
        if to.expressions:
            return None
        return value.copy() if number is Number.DECIMAL else exp.cast(value.copy(), "DECIMAL(20, 0)")
    if number is None and (type_of(value) is not None or isinstance(value.unnest(), exp.Null)):
        return None if to.expressions else exp.cast(value.copy(), FREE)
    return exp.cast(call("flowc_numeric", value), to.copy() if to.expressions else FREE)


def _to_whole(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """`floor` and `ceil` of a decimal, which may have a digit more before the point than it has, and no places."""
    if number_of(node.this) is not Number.DECIMAL:
        return None
    return exp.cast(with_part(node, this=build("(:a + CAST(0 AS DECIMAL(1, 0)))", a=node.this)), "DECIMAL(38, 0)")


def _to_places(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """`round` and `trunc` of a decimal, which has as many places as they say."""
    places = node.args.get("decimals")
    if places is None and number_of(node) not in (Number.FLOAT, Number.DECIMAL):
        return None
    if places is None and number_of(node) is Number.DECIMAL:
        return exp.cast(node.copy(), "DECIMAL(38, 0)") if isinstance(node, exp.Trunc) else None
    if places is None:
        return exp.cast(node.this.copy(), "DOUBLE") if number_of(node.this) is Number.INTEGER else None
    if number_of(node.this) is Number.FLOAT:
        return None if marks.GENERATED.has(node) else _float_to_places(node, places)
    new = node.copy()
    if number_of(node.this) is Number.INTEGER:
        new.set("this", as_numeric(node.this, exp.DataType.build("DECIMAL")))
    count = integer_value(places)
    if count is None or count > _MOST_PLACES:
        return new
    return exp.cast(new, f"DECIMAL(38, {max(count, 0)})")


_MOST_PLACES = 30


def _float_to_places(node: exp.Expression, places: exp.Expression) -> exp.Expression:
    """Of a float, which PostgreSQL does not round to places: what a numeric of its digits is rounded to, as a float.

    The engine's own computes with powers of ten, which makes 0.28 of `trunc(0.29, 2)`; it has what no numeric holds.
    """
    fitting = build("CASE WHEN ABS(:x) < 1e15 THEN :x END", "datafusion", x=node.this)
    exact = type(node)(this=exp.cast(call("flowc_numeric", fitting), FREE), decimals=places.copy())
    # By way of text: the engine itself misses the nearest float by a digit.
    return build("COALESCE(CAST(CAST(:a AS TEXT) AS DOUBLE), :b)", "datafusion", a=mark(exact), b=mark(node.copy()))


def _offset(node: exp.Expression, pair: Pair) -> None:
    """What stands in for a row that there is not has its own places, and the engine those of the rows alone."""
    default = node.args.get("default")
    bare = default.unnest() if default is not None else None
    digits = bare.this if isinstance(bare, exp.Neg) else bare
    if not isinstance(digits, exp.Literal) or digits.is_string or digits.is_int:
        return
    if number_of(node.this) in (Number.INTEGER, Number.DECIMAL):
        places = len(digits.this.partition(".")[2])
        node.this.replace(build(f"(:a + CAST(0 AS DECIMAL(38, {places})))", "datafusion", a=node.this))


def _no_floats(node: exp.Expression, pair: Pair) -> None:
    if number_of(node) is Number.FLOAT:
        raise Untranslatable(f"`%` of floats, which {pair.source} does not have")


_FLOAT = exp.DataType.Type.FLOAT

SUMS: Rules = of(EXACT, {exp.Div: (_wide_sums,)})
"""Before a division is told from one of integers."""
QUOTIENTS: Rules = of(EXACT, {exp.Div: (_parts_of_times, _wide_sums)})
"""The same where parts of times are whole numbers."""

NUMBERS: Rules = {
    exp.Div: (_divide,),
    exp.Mod: (_no_floats,),
    exp.Mul: (_multiply,),
    **dict.fromkeys((exp.Lag, exp.Lead), (_offset,)),
    **dict.fromkeys((exp.Round, exp.Trunc), (_to_places,)),
    **dict.fromkeys((exp.Ceil, exp.Floor), (_to_whole,)),
}
