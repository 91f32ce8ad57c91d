"""What SQLite cannot hold of the values that the types of its columns allow."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from flowc.catalog import Column
from flowc.runtime.systems.shared.limits import Limit, outside
from flowc.types import Kind

_MAX_INTEGER = 2**63 - 1
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896
_DAY, _SECOND = 86_400, 10**6
_FLOATS = (Kind.FLOAT32, Kind.FLOAT64)


def limits(array: pa.Array, column: Column) -> Iterator[Limit]:
    """The limits that a fitted array of a column could break."""
    kind = column.type.kind
    if kind in _FLOATS:
        yield pc.is_nan(array), "would become NULL in SQLite"
    if kind is Kind.DECIMAL and pa.types.is_string(array.type):
        yield pc.match_substring_regex(array, "^[+-]?[A-Za-z]"), "is no number that SQLite can keep"
    if kind is Kind.UINT64:
        yield pc.greater(array, pa.scalar(_MAX_INTEGER, pa.uint64())), "is greater than SQLite's greatest integer"
    if kind is Kind.TIME:
        late = pc.greater_equal(array.cast(pa.int64()), _DAY * _SECOND)
        yield late, "is after 23:59:59.999999, which SQLite's text form of times ends at"
    if kind in (Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ):
        yield _outside_years(array), "is outside the years 1 to 9999, which SQLite's text form of times ends at"


def _outside_years(array: pa.Array) -> pa.Array:
    if pa.types.is_date32(array.type):
        return outside(array.cast(pa.int32()), _FIRST_DAY, _LAST_DAY)
    second = {"us": _SECOND, "ns": 10**9}[array.type.unit]
    low = max(_FIRST_DAY * _DAY * second, -_MAX_INTEGER)
    return outside(array.cast(pa.int64()), low, min((_LAST_DAY + 1) * _DAY * second - 1, _MAX_INTEGER))
