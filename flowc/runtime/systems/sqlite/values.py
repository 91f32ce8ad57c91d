"""How values are kept in SQLite, which has four types of its own: written by declared type, read back and checked.

Times are ISO text of fixed width, so that the order of text is the order of time; decimals of more than 15 digits,
uuids and JSON are text; arrays JSON text. A value that is not of its column's declared type is an error when it is
read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flowc.catalog import Column
from flowc.errors import DataError
from flowc.runtime.arrow import arrow_type, decimal_text, json_text, relist
from flowc.runtime.convert import Misfit, convert
from flowc.runtime.fit import refuse_where
from flowc.runtime.systems.sqlite.limits import limits
from flowc.runtime.text.hexadecimal import hex_text
from flowc.runtime.text.json import raw
from flowc.runtime.text.spelled import to_decimal
from flowc.types import INTEGER_RANGES, TEXT, UNKNOWN, DataType, Kind

# Storage ------------------------------------------------------------------------------------------------------------


def store(array: pa.Array, column: Column, *, first_row: int) -> list[Any]:
    """The values of a fitted array as SQLite keeps them.

    Raises:
        DataError: a value that SQLite cannot hold.
    """
    _refuse(array, column, first_row)
    values: list[Any] = _stored(array, column.type).to_pylist()
    return values


def _stored(array: pa.Array, kind: DataType) -> pa.Array:
    if kind.kind is Kind.BOOL:
        return array.cast(pa.int8())
    if kind.kind in (Kind.DECIMAL, Kind.INT128):
        return decimal_text(array) if pa.types.is_decimal(array.type) else array
    if kind.kind is Kind.TIMESTAMPTZ:
        wall = array.cast(pa.timestamp(array.type.unit)).cast(pa.string())
        return pc.binary_join_element_wise(wall, "+00:00", "")
    if kind.kind in (Kind.DATE, Kind.TIME, Kind.TIMESTAMP):
        return array.cast(pa.string())
    if kind.kind is Kind.ARRAY:
        return json_text(relist(array, _in_json(array.values, kind.element or UNKNOWN)))
    return array


def _in_json(array: pa.Array, kind: DataType) -> pa.Array:
    """Elements as JSON has them: booleans, numbers and nested arrays as they are, everything else as text."""
    if kind.kind is Kind.ARRAY:
        return relist(array, _in_json(array.values, kind.element or UNKNOWN))
    if kind.kind is Kind.STRUCT:
        return raw(array)
    if kind.kind is Kind.BINARY:
        return hex_text(array)
    return array if kind.kind in (Kind.BOOL, Kind.FLOAT64, *INTEGER_RANGES) else _stored(array, kind)


def _refuse(array: pa.Array, column: Column, first_row: int) -> None:
    if column.type.kind is Kind.INTERVAL:
        raise DataError(
            f"column `{column.name}`: SQLite keeps no `{column.type}`",
            code="unsupported-type",
            help="convert it in the SQL, for instance to seconds",
        )
    for marks, reason in limits(array, column):
        refuse_where(marks, array, column, first_row=first_row, reason=reason)


# Reading ------------------------------------------------------------------------------------------------------------

_NUMBERS, _WORDS = frozenset({int, float}), frozenset({str})
_ACCEPTED: dict[Kind, frozenset[type]] = {
    Kind.BOOL: frozenset({int}), **dict.fromkeys(INTEGER_RANGES, frozenset({int})),
    Kind.FLOAT32: _NUMBERS, Kind.FLOAT64: _NUMBERS, Kind.DECIMAL: _NUMBERS | _WORDS,
    Kind.JSON: _NUMBERS | _WORDS, Kind.BINARY: frozenset({bytes}), Kind.UNKNOWN: frozenset(),
}  # fmt: skip
_NONE = type(None)
_DECIMAL = r"^[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]+)?$"


def read_type(kind: DataType) -> pa.DataType:
    """The Arrow type in which a declared type is read: every integer column of SQLite holds 64 bits."""
    return pa.int64() if kind.is_integer else arrow_type(kind)


def load(values: Sequence[Any], column: Column, *, first_row: int) -> pa.Array:
    """Values of one column as Arrow.

    Raises:
        DataError: a value is not of the column's declared type; names the row.
    """
    try:
        return _loaded(values, column.type)
    except (ValueError, TypeError, pa.ArrowException):
        raise _not_declared(values, column, first_row) from None


def _loaded(values: Sequence[Any], kind: DataType) -> pa.Array:
    accepted = _ACCEPTED.get(kind.kind, _WORDS)
    if not set(map(type, values)) <= accepted | {_NONE}:
        raise Misfit
    return _LOADERS.get(kind.kind, _from_text)(values, kind)


def _as_is(values: Sequence[Any], kind: DataType) -> pa.Array:
    return pa.array(values, read_type(kind))


def _boolean(values: Sequence[Any], kind: DataType) -> pa.Array:
    return convert(pa.array(values, pa.int64()), DataType(Kind.INT64), kind, None)


def _real(values: Sequence[Any], kind: DataType) -> pa.Array:
    return convert(pa.array(values, pa.float64()), DataType(Kind.FLOAT64), kind, None)


def _decimal(values: Sequence[Any], kind: DataType) -> pa.Array:
    text = pa.array([None if v is None else str(v) for v in values], pa.string())
    wanted = arrow_type(kind)
    if not pa.types.is_string(wanted):
        return to_decimal(text, wanted)
    words = pa.array([v if isinstance(v, str) else None for v in values], pa.string())
    if pc.any(pc.invert(pc.match_substring_regex(words, _DECIMAL))).as_py():
        raise Misfit
    return text


def _json(values: Sequence[Any], _kind: DataType) -> pa.Array:
    """Of a number its JSON; infinities have none, and raise a ValueError."""
    texts = [v if v is None or isinstance(v, str) else json.dumps(v, allow_nan=False) for v in values]
    return pa.array(texts, pa.string())


def _from_text(values: Sequence[Any], kind: DataType) -> pa.Array:
    return convert(pa.array(values, pa.string()), TEXT, kind, None)


def _array(values: Sequence[Any], kind: DataType) -> pa.Array:
    inmost = kind
    while inmost.element is not None:
        inmost = inmost.element
    reader = json.JSONDecoder(parse_float=str if inmost.kind is Kind.DECIMAL else float)
    return _elements([None if v is None else reader.decode(v) for v in values], kind)


def _elements(rows: list[Any], kind: DataType) -> pa.Array:
    """Parsed JSON arrays as Arrow lists: the elements of all rows are read as one column."""
    element = kind.element or UNKNOWN
    if not set(map(type, rows)) <= {list, _NONE}:
        raise Misfit  # an object or a text in the place of an array
    flat = [value for row in rows if row is not None for value in row]
    if element.kind is Kind.ARRAY:
        inside = _elements(flat, element)
    elif element.kind is Kind.BINARY:
        inside = pa.array([None if v is None else bytes.fromhex(v) for v in flat], pa.binary())
    else:
        truths = element.kind is Kind.BOOL
        inside = _loaded([int(v) if truths and isinstance(v, bool) else v for v in flat], element)
    ends = [0]
    for row in rows:
        ends.append(ends[-1] + len(row or ()))
    nulls = pa.array([row is None for row in rows])
    wanted = arrow_type(kind)
    offsets = pa.array(ends, pa.int32())
    return pa.ListArray.from_arrays(offsets, inside.cast(wanted.value_type), type=wanted, mask=nulls)


_Loader = Callable[[Sequence[Any], DataType], pa.Array]
_LOADERS: dict[Kind, _Loader] = {
    Kind.BOOL: _boolean, **dict.fromkeys(INTEGER_RANGES, _as_is), Kind.FLOAT32: _real, Kind.FLOAT64: _real,
    Kind.DECIMAL: _decimal, Kind.BINARY: _as_is, Kind.UNKNOWN: _as_is, Kind.JSON: _json, Kind.ARRAY: _array,
}  # fmt: skip


def _not_declared(values: Sequence[Any], column: Column, first_row: int) -> DataError:
    row = next((i for i, value in enumerate(values) if not _readable(value, column.type)), 0)
    value = values[row]
    shown = value if isinstance(value, str) else repr(value)
    shown = shown if len(shown) <= 60 else shown[:59] + "…"
    message = (
        f"column `{column.name}` is `{column.type}`, but row {first_row + row} holds {type(value).__name__} `{shown}`"
    )
    mend = "mend the row, or CAST the column in the SQL (SQLite lets any value into any column)"
    return DataError(message, code="value-not-of-declared-type", help=mend)


def _readable(value: Any, kind: DataType) -> bool:
    try:
        _loaded([value], kind)
    except (ValueError, TypeError, pa.ArrowException):
        return False
    return True
