"""Decimals that the engine has no functions for: of parts of times, and powers, roots and logarithms of decimals.

They are what `flowc_decimal_micros`, `flowc_decimal_power` and the like mean. Powers, roots and logarithms are made one
by one, for Arrow has no kernels for them: each has at least sixteen digits, and is rounded to the place to which
PostgreSQL computes it; what needs places beyond the twentieth is an error, but for whole powers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Context, Decimal, Overflow
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flowc.errors import DataError

TAKES, GIVES = pa.decimal256(76, 38), pa.decimal128(38, 20)
MICROS, MILLIS = pa.decimal128(20, 6), pa.decimal128(20, 3)
_DIGITS, _PLACES, _BASE = 16, 20, 4
"""The least digits of a result, the most places, and how many digits PostgreSQL keeps together."""
_VANISHING = 6000
"""The power of e that PostgreSQL takes for zero."""
_EXACT = Context(prec=120)
_CLOSE = Context(prec=46)
_TOO_GREAT = Decimal(10) ** 18


def sqrt(values: pa.Array) -> pa.Array:
    """Square roots of TAKES as GIVES. Raises DataError for what has none, or is too large."""
    return _made("sqrt", _sqrt, values)


def exp(values: pa.Array) -> pa.Array:
    """Powers of e of TAKES as GIVES. Raises DataError for those that are too large."""
    return _made("exp", _exp, values)


def ln(values: pa.Array) -> pa.Array:
    """Natural logarithms of TAKES as GIVES. Raises DataError for what has none."""
    return _made("ln", _ln, values)


def log10(values: pa.Array) -> pa.Array:
    """Logarithms to the base of ten of TAKES as GIVES. Raises DataError for what has none."""
    return _made("log", lambda value: _log(Decimal(10), value), values)


def log(bases: pa.Array, values: pa.Array) -> pa.Array:
    """Logarithms of TAKES as GIVES, each to a base. Raises DataError for what has none."""
    return _made("log", _log, bases, values)


def power(bases: pa.Array, exponents: pa.Array) -> pa.Array:
    """Powers of TAKES as GIVES. Raises DataError for what has none, or is too large."""
    return _made("power", _power, bases, exponents)


def micros(whole: pa.Array) -> pa.Array:
    """Millionths, which are whole numbers of 64 bits, as MICROS."""
    return _behind_point(whole, MICROS)


def millis(whole: pa.Array) -> pa.Array:
    """Thousandths, which are whole numbers of 64 bits, as MILLIS."""
    return _behind_point(whole, MILLIS)


def _behind_point(whole: pa.Array, kind: pa.Decimal128Type) -> pa.Array:
    """Decimals of the digits of whole numbers: none is divided."""
    numbers = pc.fill_null(whole, 0).to_numpy()
    digits = np.empty((len(numbers), 2), "<i8")
    digits[:, 0], digits[:, 1] = numbers, numbers >> 63
    made = pa.Array.from_buffers(kind, len(numbers), [None, pa.py_buffer(digits)])
    return pc.if_else(whole.is_valid(), made, None) if whole.null_count else made


def _made(name: str, function: Callable[..., Decimal], *arrays: pa.Array) -> pa.Array:
    rows = zip(*(array.to_pylist() for array in arrays), strict=True)
    return pa.array([None if None in row else _one(name, function, *row) for row in rows], GIVES)


def _one(name: str, function: Callable[..., Decimal], *values: Decimal) -> Decimal:
    shown = ", ".join(f"{value.normalize(_EXACT):f}" for value in values)
    try:
        made = function(*values)
    except Overflow:
        made = _TOO_GREAT
    except _TooSmall as error:
        message = f"{name}({shown}) is too small for numeric(38,20), which has not all of its digits"
        raise DataError(message, code="arithmetic-overflow", help=_FLOAT) from error
    except ArithmeticError as error:
        raise DataError(f"{name}({shown}) is not defined", code="arithmetic-overflow", help=_DEFINED) from error
    if abs(made) >= _TOO_GREAT:
        raise DataError(f"{name}({shown}) is too large for numeric(38,20)", code="arithmetic-overflow", help=_FLOAT)
    return made


class _TooSmall(Exception):
    """Twenty places hold less than sixteen digits of a result."""


_FLOAT = "compute it of a float, which has room for it: `CAST(x AS float8)`"
_DEFINED = "leave such rows out, or make NULL of them with CASE"


def _sqrt(value: Decimal) -> Decimal:
    half = _quotient((_weight(value) + 1) * _BASE, 2) - 1
    return _rounded(_CLOSE.sqrt(value), half, value)


def _exp(value: Decimal) -> Decimal:
    if value <= -_VANISHING:
        return Decimal(0)
    return _rounded(_CLOSE.exp(value), int(float(value) * _LOG_E), value)


def _ln(value: Decimal) -> Decimal:
    made = _logarithm(value)
    return _rounded(made, _place_of(value, made), value)


def _log(base: Decimal, value: Decimal) -> Decimal:
    above, below = _logarithm(value), _logarithm(base)
    places = _place_of(value, above) - _place_of(base, below)
    return _rounded(_CLOSE.divide(above, below), places, base, value)


def _power(base: Decimal, exponent: Decimal) -> Decimal:
    if exponent == exponent.to_integral_value():
        made = _EXACT.power(base, exponent) if exponent else Decimal(1)
        places = max(_DIGITS - min(made.adjusted() if made else 0, 0), _places(base))
        kept = made if abs(made) >= _TOO_GREAT else _to_places(made, min(places, _PLACES))
        if made and not kept:
            raise _TooSmall
        return kept
    if not base and exponent > 0:
        return Decimal(0)
    logarithm = _CLOSE.multiply(_logarithm(base), exponent)
    return _rounded(_CLOSE.exp(logarithm), int(float(logarithm) * _LOG_E), base, exponent)


_LOG_E = 0.434294481903252


def _rounded(made: Decimal, magnitude: int, *given: Decimal) -> Decimal:
    """A result to sixteen digits, the first of them at a power of ten, or to the places of what it is made of."""
    if abs(made) >= _TOO_GREAT:
        return made
    places = max(_DIGITS - magnitude, 0, *(_places(value) for value in given))
    kept = _to_places(made, min(places, _PLACES))
    if places > _PLACES and kept != _to_places(made, _DIGITS - made.adjusted() - 1):
        raise _TooSmall
    return kept


def _to_places(value: Decimal, places: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-places), rounding="ROUND_HALF_UP", context=_EXACT)


def _places(value: Decimal) -> int:
    exponent = value.normalize(_EXACT).as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0


def _weight(value: Decimal) -> int:
    """The power of 10000 of the first digit of a number in that base."""
    return value.adjusted() // _BASE if value else 0


def _place_of(value: Decimal, logarithm: Decimal) -> int:
    """The power of ten of the first digit of a logarithm, about as PostgreSQL takes it."""
    if _NEAR_ONE[0] <= value <= _NEAR_ONE[1]:
        return (value - 1).adjusted() if value != 1 else 0
    return int(math.log10(abs(logarithm)))


_NEAR_ONE = (Decimal("0.9"), Decimal("1.1"))


@lru_cache(maxsize=64)
def _logarithm(value: Decimal) -> Decimal:
    """Raises InvalidOperation for zero, whose logarithm is minus infinity to the library."""
    return _CLOSE.ln(value or Decimal(-1))


def _quotient(value: int, divisor: int) -> int:
    """Cut towards zero, as C divides."""
    return int(value / divisor)
