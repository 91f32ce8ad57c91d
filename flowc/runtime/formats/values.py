"""What JSON values mean as columns: times out of text, bytes out of base64, numbers within their type's range."""

from __future__ import annotations

import binascii
from collections.abc import Callable, Sequence
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from flowc.catalog import Column
from flowc.runtime.badrows import Findings, first_indices, isolate
from flowc.runtime.convert import Misfit, convert
from flowc.runtime.formats.shapes import decoded_field, decoded_type, is_decimal
from flowc.runtime.misfits import certain_misfits
from flowc.types import TEXT, UNKNOWN, DataType, Kind

_BASE64 = r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
_UNBOUND = DataType(Kind.DECIMAL)
_MOST_DIGITS = 1000
"""An exponent that writes out more digits than these is refused, so that a few bytes cannot become megabytes."""

Value = Callable[[pa.Array, DataType], pa.Array]


def to_columns(
    arrays: Sequence[pa.Array], columns: Sequence[Column], rows: pa.Array, found: Findings
) -> list[pa.Array]:
    """Raw arrays as the columns' values; what does not fit is NULL in them, and a finding at its index in `rows`."""
    return [_column(array, column, rows, found) for array, column in zip(arrays, columns, strict=True)]


def _column(array: pa.Array, column: Column, rows: pa.Array, found: Findings) -> pa.Array:
    if not column.nullable:
        found.missing(array, column, rows)
    try:
        return to_value(array, column.type)
    except ValueError:
        misfits = isolate(lambda part: to_value(part, column.type), array, lambda part: _certain(part, column.type))
    found.misfits(misfits, array, column, rows=rows)
    return to_value(without(array, misfits), column.type)


def without(array: pa.Array, places: dict[int, ValueError | None]) -> pa.Array:
    """The array with NULL at these places."""
    whole = first_indices(len(array))
    return array.take(pc.if_else(pc.is_in(whole, pa.array(list(places), pa.int64())), None, whole))


def to_value(array: pa.Array, kind: DataType) -> pa.Array:
    """Raw values as values of the type.

    Raises ValueError (`Misfit` among them) when one does not fit.
    """
    made = _VALUES[kind.kind](array, kind) if kind.kind in _VALUES else array
    return made if made.type == decoded_type(kind) else made.cast(decoded_type(kind))


def _certain(array: pa.Array, kind: DataType) -> pa.Array | None:
    if is_decimal(kind):
        return _outside(array, kind)
    if kind.is_float:
        return pc.invert(pc.is_finite(array))
    if kind.kind is Kind.BINARY:
        return pc.invert(pc.match_substring_regex(array, _BASE64))
    return certain_misfits(array, TEXT, kind) if pa.types.is_string(array.type) else None


def demand_finite(array: pa.Array) -> None:
    """Raises Misfit where a float is infinite: JSON has none, so that its digits were of a number that is too great."""
    if not _all(pc.is_finite(array)):
        raise Misfit(": it is no finite number of that size")


def _finite(array: pa.Array, _kind: DataType) -> pa.Array:
    demand_finite(array)
    return array


def _all(marks: pa.Array) -> bool:
    """Whether all that is not NULL is true."""
    return pc.all(marks).as_py() is not False


def _decimal(array: pa.Array, kind: DataType) -> pa.Array:
    if is_decimal(kind):
        if not _all(pc.invert(_outside(array, kind))):
            raise Misfit(": it has too many digits")
        return array
    return _written_out(array)


def _outside(array: pa.Array, kind: DataType) -> pa.Array:
    most = Decimal((0, (9,) * (kind.precision or 0), -(kind.scale or 0)))
    return pc.greater(pc.abs(array), pa.scalar(most, array.type))


def _written_out(array: pa.Array) -> pa.Array:
    """Numbers of any size as plain digits, an exponent written out."""
    marks = pc.match_substring_regex(array, "[^0-9.-]|^[.]|[.]$")
    if not pc.any(marks).as_py():
        return array
    digits = [_plain_digits(text) for text in array.filter(marks).to_pylist()]
    return pc.replace_with_mask(array, pc.fill_null(marks, False), pa.array(digits, pa.string()))


def _plain_digits(text: str) -> str:
    mantissa, _, exponent = text.lower().partition("e")
    if len(exponent) > len(str(_MOST_DIGITS)) + 1 or abs(int(exponent or "0")) > _MOST_DIGITS:
        raise Misfit(": its exponent is too great")
    return f"{Decimal(f'{mantissa}e{exponent or 0}'):f}"


def _hugeint(array: pa.Array, kind: DataType) -> pa.Array:
    return convert(array, _UNBOUND, kind, None)


def _from_text(array: pa.Array, kind: DataType) -> pa.Array:
    return convert(array, TEXT, kind, None)


def _text(array: pa.Array, kind: DataType) -> pa.Array:
    return _from_text(array, kind) if kind.length is not None else array


_USUAL = {Kind.TIME: 15, Kind.TIMESTAMP: 26, Kind.TIMESTAMPTZ: 27}
"""The lengths of times with six digits of a second (and `Z`): what is no longer has no digits to trim."""


def _time(array: pa.Array, kind: DataType) -> pa.Array:
    """Times; more digits of a second than are kept are fine where they are zeros."""
    kept = max(6, kind.precision or 6)
    try:
        return _from_text(array, kind)
    except ValueError:
        if pc.max(pc.binary_length(array)).as_py() <= _USUAL[kind.kind]:
            raise
        trimmed = pc.replace_substring_regex(array, rf"(\.\d{{{kept}}})0+(Z|[+-]|$)", r"\1\2")
        return _from_text(trimmed, kind)


def _binary(array: pa.Array, _kind: DataType) -> pa.Array:
    if not _all(pc.match_substring_regex(array, _BASE64)):
        raise Misfit(": it is not base64 text")
    values = map(binascii.a2b_base64, pc.fill_null(array, "").to_pylist())
    made = pa.array(list(values), pa.binary())
    return pc.if_else(array.is_valid(), made, None) if array.null_count else made


def _array(array: pa.Array, kind: DataType) -> pa.Array:
    items = to_value(array.flatten(), kind.element or UNKNOWN)
    lengths = pc.fill_null(pc.list_value_length(array), 0)
    ends = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(lengths).cast(pa.int32())])
    mask = array.is_null() if array.null_count else None
    field = decoded_field("item", kind.element or UNKNOWN)
    return pa.ListArray.from_arrays(ends, items, type=pa.list_(field), mask=mask)


def _struct(array: pa.Array, kind: DataType) -> pa.Array:
    if not kind.fields:
        return array
    parts = [to_value(part, field) for part, (_, field) in zip(array.flatten(), kind.fields, strict=True)]
    mask = array.is_null() if array.null_count else None
    return pa.StructArray.from_arrays(parts, fields=list(decoded_type(kind)), mask=mask)


_VALUES: dict[Kind, Value] = {
    Kind.FLOAT32: _finite, Kind.FLOAT64: _finite, Kind.DECIMAL: _decimal, Kind.INT128: _hugeint,
    Kind.TEXT: _text, Kind.BINARY: _binary, Kind.UUID: _from_text, Kind.DATE: _from_text,
    Kind.TIME: _time, Kind.TIMESTAMP: _time, Kind.TIMESTAMPTZ: _time, Kind.ARRAY: _array, Kind.STRUCT: _struct,
}  # fmt: skip
