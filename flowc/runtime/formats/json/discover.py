"""The columns of JSON messages nobody has declared, from the first of them.

What is found is wide and says no more than was seen: whole numbers are bigint, others double; times stay text, for a
text that looks like a time today may not tomorrow; what differs from message to message is json.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
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
_STRUCT, _ARRAY = DataType(Kind.STRUCT), DataType(Kind.ARRAY)
_KINDS: dict[type, DataType] = {bool: BOOLEAN, float: _DOUBLE, str: TEXT, dict: _STRUCT, list: _ARRAY}
_WIDTH = {BIGINT: 0, _DOUBLE: 1, _NUMERIC: 2}
"""Numbers, each of which holds what those before it hold."""


def discover(values: pa.BinaryArray | pa.LargeBinaryArray) -> tuple[Column, ...]:
    """The columns that up to 10,000 messages have, in the order in which they first appear, all nullable.

    Messages that are no objects are passed over; no columns come of none.

    Raises:
        DataError: they have more than 10,000 fields, counted with those within others.
    """
    whole, fields = _Seen(), 0
    for found in _objects(values):
        fields += whole.add(found)
        if fields > _MOST:
            message = f"the first messages have more than {_MOST} fields, counted with those within others"
            raise DataError(message, code="unknown-source-columns", help="declare `columns`")
    if wrong := nameless(whole.parts):
        message = f"of the first messages, {wrong}"
        raise DataError(message, code="unknown-source-columns", help="declare `columns`")
    return tuple(Column(name, part.settled()) for name, part in whole.parts.items())


def _objects(values: pa.Array) -> Iterable[dict[str, object]]:
    for message in islice(filter(None, values.to_pylist()), _SAMPLE):
        try:
            found = msgspec.json.decode(message)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            yield found


@dataclass(slots=True)
class _Seen:
    """What the values of one field were, and those of its parts: of an object's fields, and of a list's elements, `""`.

    `kind` is UNKNOWN for null, and says nothing of the parts.
    """

    kind: DataType = UNKNOWN
    parts: dict[str, _Seen] = field(default_factory=dict)

    def add(self, value: object) -> int:
        """Takes in one more value; how many fields it has that none before it had."""
        self.kind, new = _wider(self.kind, _kind(value)), 0
        for name, part in _parts(value):
            if name not in self.parts:
                self.parts[name] = _Seen()
                new += isinstance(value, dict)
            new += self.parts[name].add(part)
        return new

    def settled(self) -> DataType:
        """The type with json wherever nothing was seen: json holds whatever comes."""
        if self.kind == _STRUCT and self.parts:
            return DataType(Kind.STRUCT, fields=tuple((name, part.settled()) for name, part in self.parts.items()))
        if self.kind == _ARRAY and self.parts and (element := self.parts[""].settled()) != _JSON:
            return DataType(Kind.ARRAY, element=element)
        return _JSON if self.kind in (UNKNOWN, _STRUCT, _ARRAY) else self.kind


def _parts(value: object) -> Iterable[tuple[str, object]]:
    if isinstance(value, dict):
        return value.items()
    return (("", part) for part in value) if isinstance(value, list) else ()


def _kind(value: object) -> DataType:
    if isinstance(value, int) and not isinstance(value, bool):
        low, high = INTEGER_RANGES[Kind.INT64]
        return BIGINT if low <= value <= high else _NUMERIC
    return _KINDS.get(type(value), UNKNOWN)


def _wider(one: DataType, other: DataType) -> DataType:
    """The type that holds the values of both."""
    if one == other or other == UNKNOWN:
        return one
    if one == UNKNOWN:
        return other
    return max(one, other, key=_WIDTH.__getitem__) if one in _WIDTH and other in _WIDTH else _JSON
