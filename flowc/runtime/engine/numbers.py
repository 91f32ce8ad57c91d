"""Numbers of types that the engine alone knows: what `flowc_whole`, `flowc_numeric` … mean."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from flowc.errors import EngineError

_DIGITS = {pa.float32(): 6, pa.float64(): 15}
"""Those that every decimal of so many keeps in a float."""


def whole(values: pa.Array) -> pa.Array:
    """The text of the integer that PostgreSQL rounds a number to; of other values, the text that it casts from."""
    if pa.types.is_decimal(values.type):
        return _rounded(values).cast(pa.string())
    if pa.types.is_floating(values.type):
        values = pc.round(values.cast(pa.float64()), round_mode="half_to_even")
    elif not pa.types.is_boolean(values.type):
        return values.cast(pa.string())
    return values.cast(pa.int64()).cast(pa.string())


def numeric(values: pa.Array) -> pa.Array:
    """What PostgreSQL casts to a numeric: of floats the texts of their certain digits, anything else as it is.

    Raises EngineError for booleans, of which it casts none.
    """
    if pa.types.is_boolean(values.type):
        raise EngineError("a boolean as a numeric, which PostgreSQL does not have", code="query-refused")
    if not pa.types.is_floating(values.type):
        return values
    # All are written by one call: no kernel of Arrow writes a given number of digits.
    written = f"%.{_DIGITS.get(values.type, 15)}g " * len(values) % tuple(values.fill_null(0.0).to_pylist())
    texts = _plain(pa.array(written.split(), pa.string()))
    return pc.if_else(values.is_valid(), texts, None) if values.null_count else texts


def _plain(texts: pa.StringArray) -> pa.StringArray:
    """Numbers without exponents, which the engine does not read."""
    exponent = pc.match_substring(texts, "e")
    if not pc.any(exponent).as_py():
        return texts
    digits = [f"{Decimal(text):f}" for text in texts.filter(exponent).to_pylist()]
    return pc.replace_with_mask(texts, exponent, pa.array(digits, pa.string()))


def rounded(values: pa.Array) -> pa.Array:
    """Numbers as `round` of one argument gives them: halves of decimals go away from zero, of floats to the even one.

    Raises EngineError for what is no number.
    """
    if pa.types.is_decimal(values.type):
        return _rounded(values).cast(pa.decimal128(38, 0))
    if not (pa.types.is_floating(values.type) or pa.types.is_integer(values.type) or pa.types.is_null(values.type)):
        raise EngineError(f"round() of a value of the type {values.type}", code="query-refused")
    return pc.round(values.cast(pa.float64(), safe=False), round_mode="half_to_even")


def _rounded(values: pa.Array) -> pa.Array:
    """Decimals without places; a type of all digits has room for one more than they have."""
    wide = values.cast(pa.decimal256(76, values.type.scale))
    return pc.round(wide, round_mode="half_towards_infinity").cast(pa.decimal256(76, 0))
