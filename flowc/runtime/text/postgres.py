"""Arrow values as the text that PostgreSQL makes of them, whole columns at a time: what `::text` gives, and `concat`.

Floats have as few digits as tell them apart, with an exponent beyond what their type surely holds (`1e+20`, `1e-05`);
fractions of a second end with no zero; instants are those of UTC (`2026-01-01 00:00:00+00`); lists are `{1,2}`, bytes
hexadecimal digits, intervals `1 mon 2 days 03:04:05`. `to_text` and `output` differ in booleans: `true` and `t`.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flowc.errors import EngineError
from flowc.runtime.text.decimals import decimal_text
from flowc.runtime.text.hexadecimal import hex_text, uuid_text
from flowc.runtime.text.intervals import parts

_TYPES = pa.types
_TEXTS = (_TYPES.is_string, _TYPES.is_large_string, _TYPES.is_string_view)
_LISTS = (_TYPES.is_list, _TYPES.is_large_list, _TYPES.is_fixed_size_list, _TYPES.is_list_view)
_SPECIAL_FLOATS = (("nan", "NaN"), ("inf", "Infinity"), ("-inf", "-Infinity"))
_SMALL_FLOATS = (
    *((rf"^(-?)0\.{'0' * (n - 1)}([1-9])$", rf"\1\2e-0{n}") for n in (5, 6)),
    *((rf"^(-?)0\.{'0' * (n - 1)}([1-9])([0-9]+)$", rf"\1\2.\3e-0{n}") for n in (5, 6)),
    (r"e-([0-9])$", r"e-0\1"),
)
_LARGE_FLOATS = (
    *((rf"^(-?)([1-9])([0-9]{{{n}}})(?:\.([0-9]*))?$", rf"\1\2.\3\4e+{n:02}") for n in range(6, 16)),
    (r"(\.[0-9]*[1-9])0+e", r"\1e"),
    (r"\.0+e", "e"),
)
"""Floats of 32 bits have an exponent from a million on."""
_LONG_FLOATS = tuple((rf"^(-?[0-9])\.([0-9]{{{n}}})([0-9]+)e\+{n}$", r"\1\2.\3") for n in range(10, 15))
_EXACT = {pa.float16(): 2.0**11, pa.float32(): 2.0**24, pa.float64(): 2.0**53}
"""From where on whole numbers lie between floats."""
_MOST_DIGITS = 18
_QUOTED_ELEMENT = r'^$|[{}",\\ \t\n\r\x0b\x0c]|^(?i:null)$'
_FIRST = -62_135_596_800_000_000
"""The beginning of the year 1, in microseconds."""
_SECOND = 1_000_000


def to_text(array: pa.Array) -> pa.StringArray:
    """What a CAST to text gives; NULLs kept. Raises EngineError for values that have no such text here."""
    if _TYPES.is_boolean(array.type):
        return array.cast(pa.string())
    return output(array)


def joined(array: pa.Array) -> pa.StringArray:
    """What `||` makes of a value beside a text, as `to_text`; a list beside it would be something else."""
    if any(is_kind(array.type) for is_kind in _LISTS):
        raise EngineError("a list beside a text in `||`: CAST one of them", code="query-refused")
    return to_text(array)


def outputs(array: pa.Array) -> pa.Array:
    """The elements of lists, each as `output` writes it."""
    if not any(is_kind(array.type) for is_kind in _LISTS):
        raise EngineError("only a list has elements", code="query-refused")
    made = array.cast(pa.list_(array.type.value_field))
    values = made.values.slice(made.offsets[0].as_py(), made.offsets[len(made)].as_py() - made.offsets[0].as_py())
    offsets = pc.subtract(made.offsets, made.offsets[0])
    return pa.ListArray.from_arrays(offsets, output(values), mask=made.is_null() if made.null_count else None)


def output(array: pa.Array) -> pa.StringArray:
    """What `concat` writes; NULLs kept."""
    write = next((write for is_kind, write in _WRITE if is_kind(array.type)), None)
    if write is None:
        raise EngineError(f"a value of the type {array.type} as a text", code="query-refused")
    return write(array)


def _boolean(array: pa.Array) -> pa.StringArray:
    return pc.if_else(array, "t", "f")


def _float(array: pa.Array) -> pa.StringArray:
    text = array.cast(pa.string())
    for words, said in _SPECIAL_FLOATS if not pc.all(pc.is_finite(array)).as_py() else ():
        text = pc.if_else(pc.equal(text, words), said, text)
    size = pc.abs(array)
    text = shortest(text, array)
    if pc.any(pc.less(size, 1e-4)).as_py():
        text = _replaced(text, _SMALL_FLOATS)
    if _TYPES.is_float32(array.type):
        return _replaced(text, _LARGE_FLOATS) if pc.any(pc.greater_equal(size, 1e6)).as_py() else text
    plain = pc.fill_null(pc.and_(pc.greater_equal(size, 1e10), pc.less(size, 1e15)), False)
    return _without_exponent(text, array, plain) if pc.any(plain).as_py() else text


def shortest(text: pa.StringArray, array: pa.Array) -> pa.StringArray:
    """Shortest digits that lie nearer to a float than to any other; Arrow takes those in the middle of two as well.

    Only whole numbers that a float does not hold exactly have digits so few.
    """
    exact = _EXACT[array.type]
    doubtful = pc.fill_null(pc.and_(pc.greater_equal(pc.abs(array), exact), pc.is_finite(array)), False)
    if not pc.any(doubtful).as_py():
        return text
    values = array.filter(doubtful).to_numpy(zero_copy_only=False)
    made = [_nearer(*each) for each in zip(text.filter(doubtful).to_pylist(), values, strict=True)]
    return pc.replace_with_mask(text, doubtful, pa.array(made, pa.string()))


def _nearer(text: str, value: np.floating) -> str:
    if not _is_between(text, value):
        return text
    digits = len(Decimal(text).normalize().as_tuple().digits)
    more = (f"{float(value):.{places}e}" for places in range(digits, _MOST_DIGITS))
    return next(each for each in more if value.dtype.type(each) == value and not _is_between(each, value))


def _is_between(text: str, value: np.floating) -> bool:
    """Whether digits of a float lie in the middle of it and its neighbour."""
    shown, exact = int(Decimal(text)), int(value)
    towards = value.dtype.type(np.inf if shown > exact else -np.inf)
    return shown != exact and 2 * shown == exact + int(np.nextafter(value, towards))


def _without_exponent(text: pa.StringArray, array: pa.Array, where: pa.BooleanArray) -> pa.StringArray:
    """Floats of 64 bits have an exponent from 1e15 on only."""
    whole = pc.and_(where, pc.equal(array, pc.trunc(array)))
    digits = pc.if_else(whole, array, 0.0).cast(pa.int64()).cast(pa.string())
    return pc.if_else(pc.fill_null(whole, False), digits, _replaced(text, _LONG_FLOATS))


def _replaced(text: pa.StringArray, patterns: tuple[tuple[str, str], ...]) -> pa.StringArray:
    for pattern, instead in patterns:
        text = pc.replace_substring_regex(text, pattern, instead)
    return text


def _of_era(array: pa.Array) -> pa.Array:
    """Dates and timestamps, none of which is before the year 1, which PostgreSQL counts as BC."""
    first = pc.min(array).cast(pa.timestamp("us")).value if array.null_count < len(array) else _FIRST
    if first < _FIRST:
        raise EngineError("a time before the year 1 as a text", code="query-refused")
    return array


def _timestamp(array: pa.Array) -> pa.StringArray:
    bare = pa.timestamp("us")
    if array.type.tz is None:
        return _seconds(_of_era(array.cast(bare, safe=False)).cast(pa.string()))
    instants = array.cast(pa.timestamp("us", "UTC"), safe=False).cast(bare)
    return pc.binary_join_element_wise(_seconds(_of_era(instants).cast(pa.string())), "+00", "")


def _seconds(text: pa.StringArray) -> pa.StringArray:
    """Times that have a fraction of a second, without the zeros at its end."""
    return pc.replace_substring_regex(text, r"\.?0*$", "")


def _list(array: pa.Array) -> pa.StringArray:
    made = outputs(array)
    texts = made.values
    if not any(is_kind(array.type.value_type) for is_kind in _LISTS):
        odd = pc.fill_null(pc.match_substring_regex(texts, _QUOTED_ELEMENT), False)
        escaped = pc.replace_substring_regex(texts, r'(["\\])', r"\\\1")
        texts = pc.if_else(odd, pc.binary_join_element_wise('"', escaped, '"', ""), texts)
    lists = pa.ListArray.from_arrays(made.offsets, pc.fill_null(texts, "NULL"))
    text = pc.binary_join_element_wise("{", pc.binary_join(lists, ","), "}", "")
    return pc.if_else(array.is_valid(), text, None) if array.null_count else text


def _interval(array: pa.Array) -> pa.StringArray:
    return _interval_text(array, *parts(array))


def _interval_text(array: pa.Array, months: np.ndarray, days: np.ndarray, micros: np.ndarray) -> pa.StringArray:
    """Parts that are none are left out; a part after a negative one has its sign."""
    years, months = np.sign(months) * (np.abs(months) // 12), np.sign(months) * (np.abs(months) % 12)
    pieces, before = [], np.zeros(len(years), bool)
    for values, unit in ((years, "year"), (months, "mon"), (days, "day")):
        pieces.append(_units(values, unit, before))
        before = np.where(values != 0, values < 0, before)
    any_unit = (years != 0) | (months != 0) | (days != 0)
    pieces.append(pc.if_else(pa.array((micros != 0) | ~any_unit), _clock(micros, before), None))
    text = pc.binary_join_element_wise(*pieces, " ", null_handling="skip")
    return pc.if_else(array.is_valid(), text, None)


def _units(values: np.ndarray, unit: str, before: np.ndarray) -> pa.StringArray:
    sign = pc.if_else(pa.array(before & (values > 0)), "+", "")
    ending = pc.if_else(pa.array(values == 1), f" {unit}", f" {unit}s")
    text = pc.binary_join_element_wise(sign, pa.array(values).cast(pa.string()), ending, "")
    return pc.if_else(pa.array(values != 0), text, None)


def _clock(micros: np.ndarray, before: np.ndarray) -> pa.StringArray:
    size = np.abs(micros)
    sign = pc.if_else(pa.array(micros < 0), "-", pc.if_else(pa.array(before), "+", ""))
    hours, minutes, seconds = size // (3600 * _SECOND), size // (60 * _SECOND) % 60, size // _SECOND % 60
    parts = [pc.utf8_lpad(pa.array(part).cast(pa.string()), 2, "0") for part in (hours, minutes, seconds)]
    fraction = pc.utf8_lpad(pa.array(size % _SECOND).cast(pa.string()), 6, "0")
    clock = pc.binary_join_element_wise(sign, pc.binary_join_element_wise(*parts, ":"), "")
    return _seconds(pc.binary_join_element_wise(clock, fraction, "."))


def _bytes(array: pa.Array) -> pa.StringArray:
    return pc.binary_join_element_wise("\\x", hex_text(array.cast(pa.binary())), "")


def _extension(array: pa.Array) -> pa.StringArray:
    return uuid_text(array.storage) if array.type.extension_name == "arrow.uuid" else output(array.storage)


_WRITE: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array], pa.StringArray]], ...] = (
    (lambda of: isinstance(of, pa.BaseExtensionType), _extension),
    (lambda of: any(is_kind(of) for is_kind in _TEXTS), lambda array: array.cast(pa.string())),
    (lambda of: _TYPES.is_integer(of) or _TYPES.is_null(of), lambda array: array.cast(pa.string())),
    (_TYPES.is_boolean, _boolean),
    (_TYPES.is_floating, _float),
    (_TYPES.is_decimal, decimal_text),
    (_TYPES.is_date, lambda array: _of_era(array.cast(pa.date32())).cast(pa.string())),
    (_TYPES.is_time, lambda array: _seconds(array.cast(pa.time64("us"), safe=False).cast(pa.string()))),
    (_TYPES.is_timestamp, _timestamp),
    (lambda of: _TYPES.is_duration(of) or _TYPES.is_interval(of), _interval),
    (
        lambda of: _TYPES.is_binary(of) or _TYPES.is_large_binary(of) or _TYPES.is_binary_view(of)
        or _TYPES.is_fixed_size_binary(of),
        _bytes,
    ),
    (lambda of: any(is_kind(of) for is_kind in _LISTS), _list),
)  # fmt: skip
