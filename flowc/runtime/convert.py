"""Exact conversions of Arrow arrays between types of columns, one function for each kind of target.

Each converts element by element and raises when a single value cannot become one of the target's without change:
Arrow's own ValueError, or `Misfit` with words and perhaps a mend. None rounds, cuts off or guesses.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flowc.runtime.arrow import arrow_type, decimal_text, relist
from flowc.runtime.text.json import made_json, raw
from flowc.runtime.text.spelled import kept_by_double, same_number, to_decimal
from flowc.types import INTEGER_RANGES, DataType, Kind


class Misfit(ValueError):
    """A value that the target type cannot hold. `reason` completes "does not fit"; `help` is the mend."""

    def __init__(self, reason: str = "", help: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.help = help


CAST_HELP = "write the conversion you mean as a CAST in the SQL, or as a normaliser of the column"
ZONE_HELP = "say the zone of the source's times with `timezone:`, or convert them in the SQL with `AT TIME ZONE`"
NAIVE_HELP = "convert it in the SQL, for instance with `AT TIME ZONE 'UTC'`"

_DAY = 86_400 * 10**6
"""Microseconds; a time of so many is 24:00:00."""

Convert = Callable[[pa.Array, DataType, DataType, str | None], pa.Array]

_TEXTS = (Kind.TEXT, Kind.UNKNOWN)


def convert(array: pa.Array, source: DataType, target: DataType, timezone: str | None) -> pa.Array:
    """The values of a plain array of type `source` as `target`'s Arrow type.

    Raises:
        Misfit: or Arrow's ValueError, when a value does not fit.
    """
    if array.null_count == len(array):
        return pa.nulls(len(array), arrow_type(target))
    return _TO[target.kind](array, source, target, timezone)


def parse(array: pa.Array, target: DataType) -> pa.Array:
    """The values that texts of a file spell, as `target`'s Arrow type.

    Raises:
        Misfit: or Arrow's ValueError, when one spells none.
    """
    if target.kind in _SPELLED:
        made = _spelled(array, target)
        return _in_range(array, made) if target.is_float else made
    source = DataType(Kind.DECIMAL) if target.kind in (Kind.DECIMAL, Kind.INT128) else DataType(Kind.TEXT)
    return convert(array, source, target, None)


def _spelled(texts: pa.Array, target: DataType) -> pa.Array:
    """What texts spell to the engine's own parser of CSV, which knows no hexadecimal, and blanks around numbers."""
    if target.kind in _FOREIGN and pc.any(pc.match_substring_regex(texts, _FOREIGN[target.kind])).as_py():
        raise _refuse()
    try:
        return texts.cast(arrow_type(target))
    except pa.ArrowInvalid:
        if target.kind is Kind.BOOL:
            raise
        number = r"^\s*(\S+)\s*$" if target.is_float else r"^\s*(?:\+(\d+)|(-?\d+))\s*$"
        bare = pc.replace_substring_regex(texts, number, r"\1" if target.is_float else r"\1\2")
        return bare.cast(arrow_type(target))


def _in_range(texts: pa.Array, made: pa.Array) -> pa.Array:
    """The floats that texts spell. Arrow makes an infinity, or zero, of a number that is beyond all floats."""
    doubtful = pc.fill_null(pc.or_(pc.is_inf(made), pc.equal(made, 0)), False)
    if pc.any(doubtful).as_py():
        found = texts.filter(doubtful)
        meant = pc.or_(pc.match_substring_regex(found, "(?i)inf"), pc.match_substring_regex(found, "^[^1-9]*([eE]|$)"))
        if not pc.all(meant).as_py():
            raise Misfit(": no float is as great, or as small", CAST_HELP)
    return made


def parse_inferred(array: pa.Array, target: DataType) -> pa.Array:
    """As `parse`, for a type that was inferred: it has to keep every number as it is spelled.

    Raises:
        Misfit: or Arrow's ValueError, when a text spells no value of the type, or one that the type would change.
    """
    if target.kind is Kind.UNKNOWN:
        if array.null_count < len(array):
            raise Misfit
        return pa.nulls(len(array))
    if target.kind is Kind.FLOAT64 and pc.all(kept_by_double(array)).as_py() is False:
        raise Misfit
    return parse(array, target)


_SPELLED = frozenset({Kind.BOOL, Kind.FLOAT32, Kind.FLOAT64, *INTEGER_RANGES} - {Kind.INT128})
_FOREIGN = {Kind.BOOL: "^[01]$"} | {kind: "[xX]" for kind in INTEGER_RANGES if kind in _SPELLED}
"""What Arrow takes for a value beyond what the engine's own parser does."""


def _refuse() -> Misfit:
    return Misfit("", CAST_HELP)


def _to_boolean(array: pa.Array, source: DataType, _target: DataType, _zone: str | None) -> pa.Array:
    if source.kind is Kind.BOOL:
        return array
    if not source.is_integer:
        raise _refuse()
    # Engines without booleans (SQLite) answer a comparison with 0 or 1.
    limits = pc.min_max(array).as_py()
    if limits["min"] < 0 or limits["max"] > 1:
        raise _refuse()
    return array.cast(pa.bool_())


def _to_integer(array: pa.Array, source: DataType, target: DataType, _zone: str | None) -> pa.Array:
    if not source.is_number:
        raise _refuse()
    wanted = arrow_type(target)
    if pa.types.is_string(array.type):
        array = to_decimal(array, pa.decimal256(76, 0))
    if target.kind is Kind.INT128:
        return _hugeint(array, source)
    if source.is_float and (pc.min(array).as_py() or 0) == -(2.0**63):
        raise Misfit(": a float of that size has lost digits")
    if pa.types.is_floating(array.type) or pa.types.is_integer(array.type):
        return array.cast(wanted)
    return array.cast(pa.decimal256(76, array.type.scale)).cast(wanted)


def _hugeint(array: pa.Array, source: DataType) -> pa.Array:
    digits = array.cast(pa.string()) if source.is_float else array
    wide = to_decimal(digits, pa.decimal256(76, 0)) if pa.types.is_string(digits.type) else _widen(digits, 0)
    low, high = INTEGER_RANGES[Kind.INT128]
    limits = pc.min_max(wide).as_py()
    if limits["min"] < low or limits["max"] > high:
        raise Misfit
    return wide.cast(arrow_type(DataType(Kind.INT128)))


def _widen(array: pa.Array, scale: int) -> pa.Array:
    """Integers and decimals as the widest decimals of that scale."""
    wide = array.cast(pa.decimal128(20, 0)) if pa.types.is_integer(array.type) else array
    return wide.cast(pa.decimal256(76, scale))


def _to_decimal(array: pa.Array, source: DataType, target: DataType, _zone: str | None) -> pa.Array:
    if not source.is_number:
        raise _refuse()
    wanted = arrow_type(target)
    if source.is_float:
        # A float is read as the shortest decimal that stands for it: 0.1 is one tenth.
        if not pc.all(pc.is_finite(array)).as_py():
            raise Misfit
        array = array.cast(pa.string())
    if pa.types.is_string(wanted):
        return decimal_text(array) if pa.types.is_decimal(array.type) else array.cast(pa.string())
    if pa.types.is_string(array.type):
        return to_decimal(array, wanted)
    return array.cast(wanted) if array.type == wanted else _widen(array, wanted.scale).cast(wanted)


def _to_float(array: pa.Array, source: DataType, target: DataType, _zone: str | None) -> pa.Array:
    if not source.is_number:
        raise _refuse()
    wanted = arrow_type(target)
    if pa.types.is_float16(array.type):  # fits all others, and Arrow compares none
        return array.cast(wanted)
    if source.is_float:
        return _same_back(array, array.cast(wanted, safe=False))
    if pa.types.is_integer(array.type):
        made = array.cast(wanted, safe=False)
        _demand_equal(made.cast(array.type), array)
        return made
    if pa.types.is_decimal(array.type) and array.type.scale >= _COMPUTED_PLACES:
        return _nearest(decimal_text(array), wanted)
    made = array.cast(wanted)
    if pa.types.is_decimal(array.type):
        _demand_equal(to_decimal(made.cast(pa.string()), array.type), array)
    elif not pc.all(same_number(array, made.cast(pa.string()))).as_py():
        raise Misfit
    return made


_COMPUTED_PLACES = 20
"""So many places have means, quotients, powers and roots of decimals on flowc's own engine, however many they need."""
_LAST_WHOLE = {pa.float32(): 2.0**24, pa.float64(): 2.0**53}


def _nearest(texts: pa.Array, wanted: pa.DataType) -> pa.Array:
    """The floats nearest to decimals, of which no digit before the point may be lost."""
    made = texts.cast(wanted)
    great = pc.greater(pc.abs(made), _LAST_WHOLE[wanted])
    if pc.any(great).as_py() and not pc.all(same_number(texts, made.cast(pa.string())).filter(great)).as_py():
        raise Misfit
    return _in_range(texts, made)


def _same_back(array: pa.Array, made: pa.Array) -> pa.Array:
    back = made.cast(array.type)
    same = pc.or_kleene(pc.equal(array, back), pc.and_(pc.is_nan(array), pc.is_nan(back)))
    if not pc.all(same).as_py():
        raise Misfit
    return made


def _demand_equal(one: pa.Array, other: pa.Array) -> None:
    if not pc.all(pc.equal(one, other)).as_py():
        raise Misfit


def _to_text(array: pa.Array, source: DataType, target: DataType, _zone: str | None) -> pa.Array:
    if source.kind not in (*_TEXTS, Kind.UUID, Kind.JSON, Kind.STRUCT):
        raise _refuse()
    _utf8(array)
    if target.length is not None and (pc.max(pc.utf8_length(array)).as_py() or 0) > target.length:
        raise Misfit
    return array


def _utf8(array: pa.Array) -> pa.Array:
    """The array, where its texts are UTF-8: those of files may hold any bytes."""
    array.validate(full=True)
    return array


def _to_binary(array: pa.Array, source: DataType, _target: DataType, _zone: str | None) -> pa.Array:
    if source.kind is not Kind.BINARY:
        raise _refuse()
    return array


def _to_date(array: pa.Array, source: DataType, _target: DataType, _zone: str | None) -> pa.Array:
    if source.kind in (Kind.DATE, *_TEXTS):
        return array.cast(pa.date32())
    if source.kind is not Kind.TIMESTAMP:
        raise _refuse()
    made = array.cast(pa.date32())
    _demand_equal(made.cast(array.type), array)
    return made


def _to_time(array: pa.Array, source: DataType, target: DataType, _zone: str | None) -> pa.Array:
    if source.kind in _TEXTS:
        array = pc.binary_join_element_wise("1970-01-01", array, " ").cast(pa.timestamp("us")).cast(pa.time64("us"))
    elif source.kind is not Kind.TIME:
        raise _refuse()
    made = array.cast(pa.time64("us"))
    ends = pc.min_max(made.view(pa.int64()))
    if ends["min"].is_valid and not 0 <= ends["min"].as_py() <= ends["max"].as_py() <= _DAY:
        raise Misfit(": it is no time of a day")  # files hold such, and DuckDB breaks down when it shows one
    return _digits(made, target)


def _to_timestamp(array: pa.Array, source: DataType, target: DataType, _zone: str | None) -> pa.Array:
    if source.kind is Kind.TIMESTAMPTZ:
        raise Misfit("", NAIVE_HELP)
    if source.kind not in (Kind.TIMESTAMP, Kind.DATE, *_TEXTS):
        raise _refuse()
    return _digits(array.cast(arrow_type(target)), target)


def _to_timestamptz(array: pa.Array, source: DataType, target: DataType, zone: str | None) -> pa.Array:
    wanted = arrow_type(target)
    if source.kind is Kind.TIMESTAMPTZ:
        return _digits(array.cast(wanted), target)
    if source.kind not in (Kind.TIMESTAMP, Kind.DATE, *_TEXTS):
        raise _refuse()
    if source.kind in _TEXTS and (zone is None or pc.all(_has_zone(array)).as_py()):
        return _digits(array.cast(wanted), target)
    if zone is None:
        raise Misfit("", ZONE_HELP)
    naive = array.cast(pa.timestamp(wanted.unit))
    return _digits(pc.assume_timezone(naive, zone).cast(wanted), target)


def _has_zone(array: pa.Array) -> pa.Array:
    return pc.match_substring_regex(array, r":\d\d(\.\d+)?\s?(Z|[+-]\d\d(:?\d\d)?)$", ignore_case=True)


def _digits(array: pa.Array, target: DataType) -> pa.Array:
    """The array, when no value has more fractional digits of a second than its type."""
    precision = 6 if target.precision is None else target.precision
    if precision in (6, 9):
        return array
    stored = 9 if getattr(array.type, "unit", "us") == "ns" else 6
    step = 10 ** (stored - precision)
    whole = pc.multiply(pc.divide(array.cast(pa.int64()), step), step)
    _demand_equal(whole, array.cast(pa.int64()))
    return array


def _to_interval(array: pa.Array, source: DataType, _target: DataType, _zone: str | None) -> pa.Array:
    if source.kind is not Kind.INTERVAL:
        raise _refuse()
    if pa.types.is_duration(array.type):
        return pa.array([(0, 0, v) for v in array.cast(pa.duration("ns")).cast(pa.int64()).to_pylist()], _INTERVAL)
    buffer, start = array.buffers()[1], array.offset
    halves = pa.Array.from_buffers(pa.list_(pa.int64(), 2), start + len(array), [None], children=[
        pa.Array.from_buffers(pa.int64(), 2 * (start + len(array)), [None, buffer])
    ])  # fmt: skip
    nanos = pc.if_else(array.is_valid(), pc.list_element(halves.slice(start), 1), 0)
    _demand_equal(pc.multiply(pc.divide(nanos, 1000), 1000), nanos)
    return array


_INTERVAL = pa.month_day_nano_interval()
_UUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"


def _to_uuid(array: pa.Array, source: DataType, _target: DataType, _zone: str | None) -> pa.Array:
    if source.kind is Kind.UUID:
        return array
    if source.kind not in _TEXTS:
        raise _refuse()
    lower = pc.utf8_lower(array)
    if not pc.all(pc.match_substring_regex(lower, _UUID)).as_py():
        raise Misfit
    return lower


def _to_json(array: pa.Array, source: DataType, _target: DataType, _zone: str | None) -> pa.Array:
    if source.kind in (Kind.JSON, Kind.STRUCT):
        return _utf8(array)
    if source.kind is Kind.ARRAY and pa.types.is_list(array.type):
        return _utf8(made_json(_with_raw(array, source)))
    if source.kind not in _TEXTS:
        raise _refuse()
    try:
        for text in array.drop_null().to_pylist():
            json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise Misfit(": it is nested too deeply") from None
    return array


def _with_raw(array: pa.Array, source: DataType) -> pa.Array:
    """A list, at any depth of it what is JSON text already marked as such."""
    element = source.element
    if element is None or element.kind not in (Kind.ARRAY, Kind.JSON, Kind.STRUCT):
        return array
    if element.kind is Kind.ARRAY:
        return relist(array, _with_raw(array.values, element))
    return relist(array, raw(array.values))


def _no_constant(name: str) -> Any:
    raise Misfit(f": JSON has no {name}")


def _to_array(array: pa.Array, source: DataType, target: DataType, zone: str | None) -> pa.Array:
    if source.kind is not Kind.ARRAY or source.element is None or target.element is None:
        raise _refuse()
    wanted = arrow_type(target)
    start, stop = array.offsets[0].as_py(), array.offsets[len(array)].as_py()
    inside = array.values.slice(start, stop - start)
    made = convert(inside, source.element, target.element, zone)
    before = pa.nulls(start, made.type)
    return relist(array, pa.concat_arrays([before, made]) if start else made, wanted.value_field)


def _to_struct(array: pa.Array, source: DataType, target: DataType, _zone: str | None) -> pa.Array:
    if source != target:
        raise _refuse()
    return _utf8(array)


_TO: dict[Kind, Convert] = {
    Kind.BOOL: _to_boolean, **dict.fromkeys(INTEGER_RANGES, _to_integer),
    Kind.FLOAT32: _to_float, Kind.FLOAT64: _to_float, Kind.DECIMAL: _to_decimal,
    Kind.TEXT: _to_text, Kind.UNKNOWN: _to_text, Kind.BINARY: _to_binary,
    Kind.DATE: _to_date, Kind.TIME: _to_time, Kind.TIMESTAMP: _to_timestamp, Kind.TIMESTAMPTZ: _to_timestamptz,
    Kind.INTERVAL: _to_interval, Kind.UUID: _to_uuid, Kind.JSON: _to_json,
    Kind.ARRAY: _to_array, Kind.STRUCT: _to_struct,
}  # fmt: skip
