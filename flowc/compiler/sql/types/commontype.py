"""The type that values of several types have together."""

from __future__ import annotations

from collections.abc import Sequence

from flowc.compiler.dialects import dialect_of
from flowc.types import TEXT, UNKNOWN, DataType, Kind

DOUBLE = DataType(Kind.FLOAT64)
INTEGERS = (Kind.INT8, Kind.INT16, Kind.INT32, Kind.INT64, Kind.INT128)
"""The signed ones, the wider the later."""


_MOMENTS = (Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ)
"""Each becomes any later one beside it."""


def common_type(types: Sequence[DataType], engine: str = "") -> DataType:
    """The type that CASE, COALESCE or a set operation gives its branches; unknown when that is not plain.

    Beside JSON, PostgreSQL has nothing but JSON, NULL, and a text between quotes that is JSON then.
    """
    kinds = set(types)
    if len(kinds) == 1:
        return types[0]
    if dialect_of(engine).queries.whole and (json := next((t for t in types if t.kind is Kind.JSON), None)) is not None:
        return json
    if not types or UNKNOWN in kinds:
        return UNKNOWN
    if dialect_of(engine).queries.whole and all(t.kind in _MOMENTS for t in types):
        return DataType(max((t.kind for t in types), key=_MOMENTS.index))
    if all(t.kind in INTEGERS for t in types):
        return max(types, key=lambda t: INTEGERS.index(t.kind))
    if all(t.kind is Kind.TEXT for t in types):
        return TEXT
    if all(t.is_number for t in types) and any(t.kind is Kind.FLOAT64 for t in types):
        return DOUBLE
    return UNKNOWN
