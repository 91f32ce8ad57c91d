"""Values that certainly do not fit, marked for a whole array at once.

A mark is a promise that `convert` refuses the value; a value without one may still be refused. So many misfits cost
little, and the few that no rule here knows are searched for.
"""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from flowc.types import INTEGER_RANGES, DataType, Kind

Mark = Callable[[pa.Array, DataType, DataType], pa.Array | None]

_TEXTS = (Kind.TEXT, Kind.UNKNOWN)
_DAY = r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
_CLOCK = r"([01]\d|2[0-3])(:?[0-5]\d(:?[0-5]\d(\.\d{1,DIGITS}0*)?)?)?"
# Each accepts more than Arrow does, never less.
_SHAPES = {
    Kind.DATE: rf"^{_DAY}$",
    Kind.TIME: rf"^\s?{_CLOCK}\s?$",
    Kind.TIMESTAMP: rf"^{_DAY}([ T]{_CLOCK})?$",
    Kind.TIMESTAMPTZ: rf"^{_DAY}([ T]{_CLOCK}(Z|[+-]\d\d(:?\d\d)?)?)?$",
    Kind.UUID: r"^(?i)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
}
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"


def certain_misfits(array: pa.Array, source: DataType, target: DataType) -> pa.Array | None:
    """Marks on the values of a plain array that cannot become `target`; None where no rule knows."""
    mark = _MARKS.get(target.kind)
    return mark(array, source, target) if mark else None


def _integers(array: pa.Array, source: DataType, target: DataType) -> pa.Array | None:
    low, high = INTEGER_RANGES[target.kind]
    if pa.types.is_integer(array.type) and target.kind is not Kind.INT128:
        wide = array.cast(pa.decimal128(20, 0))
        return _outside(wide, pa.scalar(low, wide.type), pa.scalar(high, wide.type))
    if pa.types.is_floating(array.type) and target.kind is not Kind.INT128:
        broken = pc.or_(pc.invert(pc.is_finite(array)), pc.not_equal(pc.floor(array), array))
        return pc.or_(broken, _outside(array, float(low), float(high)))
    if pa.types.is_decimal(array.type):
        return pc.not_equal(pc.floor(array), array) if array.type.scale > 0 else None
    return None


def _outside(array: pa.Array, low: object, high: object) -> pa.Array:
    return pc.or_(pc.less(array, low), pc.greater(array, high))


def _decimals(array: pa.Array, _source: DataType, target: DataType) -> pa.Array | None:
    if pa.types.is_string(array.type):
        return pc.invert(pc.match_substring_regex(array, _NUMBER))
    if target.precision is None:
        return None
    scale = target.scale or 0
    if pa.types.is_decimal(array.type) and array.type.scale > scale:
        return pc.not_equal(pc.round(array, scale), array)
    return pc.invert(pc.is_finite(array)) if pa.types.is_floating(array.type) else None


def _texts(array: pa.Array, _source: DataType, target: DataType) -> pa.Array | None:
    if target.length is None or not pa.types.is_string(array.type):
        return None
    return pc.greater(pc.utf8_length(array), target.length)


def _shapes(array: pa.Array, source: DataType, target: DataType) -> pa.Array | None:
    if source.kind not in _TEXTS:
        return None
    shape = _SHAPES[target.kind].replace("DIGITS", str(max(6, target.precision or 6)))
    return pc.invert(pc.match_substring_regex(array, shape))


_MARKS: dict[Kind, Mark] = {
    **dict.fromkeys(INTEGER_RANGES, _integers),
    Kind.DECIMAL: _decimals,
    Kind.TEXT: _texts,
    **dict.fromkeys(_SHAPES, _shapes),
}
