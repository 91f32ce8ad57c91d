"""The columns of JSON messages nobody has declared, from the first of them.

What is found is wide and says no more than was seen: whole numbers are bigint, others double; times stay text, for a
text that looks like a time today may not tomorrow; what differs from message to message is json.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from itertools import islice

import msgspec
import pyarrow as pa

from flowc.catalog import Column
from flowc.errors import DataError
from flowc.runtime.names import nameless
from flowc.types import BIGINT, BOOLEAN, INTEGER_RANGES, TEXT, UNKNOWN, DataType, Kind

_SAMPLE = 10_000
_MOST = 10_000
_DOUBLE = DataType(Kind.FLOAT64)
_NUMERIC = DataType(Kind.DECIMAL)
_JSON = DataType(Kind.JSON)
_WIDTH = {BIGINT: 0, _DOUBLE: 1, _NUMERIC: 2}
"""Numbers, each of which holds what those before it hold."""


def discover(values: pa.BinaryArray | pa.LargeBinaryArray) -> tuple[Column, ...]:
    """The columns that up to 10,000 messages have, in the order in which they first appear, all nullable.

    Messages that are no objects are passed over; no columns come of none.

    Raises:
        DataError: they have more than 10,000 fields.
    """
    kind = UNKNOWN
    for found in _objects(values):
        kind = _wider(kind, _seen(found))
        if len(kind.fields) > _MOST:
            message = f"the first messages have more than {_MOST} fields"
            raise DataError(message, code="unknown-source-columns", help="declare `columns`")
    if wrong := nameless(name for name, _ in kind.fields):
        message = f"of the first messages, {wrong}"
        raise DataError(message, code="unknown-source-columns", help="declare `columns`")
    return tuple(Column(name, _settled(field)) for name, field in kind.fields)


def _objects(values: pa.Array) -> Iterable[dict[str, object]]:
    for message in islice(filter(None, values.to_pylist()), _SAMPLE):
        try:
            found = msgspec.json.decode(message)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            yield found


def _seen(value: object) -> DataType:
    """The type of one value; UNKNOWN for null."""
    if isinstance(value, dict):
        return DataType(Kind.STRUCT, fields=tuple((name, _seen(field)) for name, field in value.items()))
    if isinstance(value, list):
        return DataType(Kind.ARRAY, element=reduce(_wider, map(_seen, value), UNKNOWN))
    if isinstance(value, int) and not isinstance(value, bool):
        low, high = INTEGER_RANGES[Kind.INT64]
        return BIGINT if low <= value <= high else _NUMERIC
    return {bool: BOOLEAN, float: _DOUBLE, str: TEXT}.get(type(value), UNKNOWN)


def _wider(one: DataType, other: DataType) -> DataType:
    """The type that holds the values of both."""
    if one == other or other == UNKNOWN:
        return one
    if one == UNKNOWN:
        return other
    if one in _WIDTH and other in _WIDTH:
        return max(one, other, key=_WIDTH.__getitem__)
    if one.kind is other.kind is Kind.STRUCT:
        return _joined(dict(one.fields), dict(other.fields))
    if one.kind is other.kind is Kind.ARRAY:
        return DataType(Kind.ARRAY, element=_wider(one.element or UNKNOWN, other.element or UNKNOWN))
    return _JSON


def _joined(one: dict[str, DataType], other: dict[str, DataType]) -> DataType:
    names = dict.fromkeys((*one, *other))
    fields = ((name, _wider(one.get(name, UNKNOWN), other.get(name, UNKNOWN))) for name in names)
    return DataType(Kind.STRUCT, fields=tuple(fields))


def _settled(kind: DataType) -> DataType:
    """The type with json wherever nothing was seen: json holds whatever comes."""
    if kind == UNKNOWN or (kind.kind is Kind.STRUCT and not kind.fields):
        return _JSON
    if kind.kind is Kind.ARRAY:
        element = _settled(kind.element or UNKNOWN)
        return _JSON if element == _JSON else DataType(Kind.ARRAY, element=element)
    if kind.kind is Kind.STRUCT:
        return DataType(Kind.STRUCT, fields=tuple((name, _settled(field)) for name, field in kind.fields))
    return kind
