"""The type that values of several types have together."""

from __future__ import annotations

from collections.abc import Sequence

from flowc.types import TEXT, UNKNOWN, DataType, Kind

DOUBLE = DataType(Kind.FLOAT64)
INTEGERS = (Kind.INT8, Kind.INT16, Kind.INT32, Kind.INT64, Kind.INT128)
"""The signed ones, the wider the later."""


def common_type(types: Sequence[DataType]) -> DataType:
    """The type that CASE, COALESCE or a set operation gives its branches; unknown when that is not plain."""
    kinds = set(types)
    if len(kinds) == 1:
        return types[0]
    if not types or UNKNOWN in kinds:
        return UNKNOWN
    if all(t.kind in INTEGERS for t in types):
        return max(types, key=lambda t: INTEGERS.index(t.kind))
    if all(t.kind is Kind.TEXT for t in types):
        return TEXT
    if all(t.is_number for t in types) and any(t.kind is Kind.FLOAT64 for t in types):
        return DOUBLE
    return UNKNOWN
