"""How the types of columns look in decoded rows, and which of them Arrow reads from JSON by itself.

Unlike rows between systems, decoded rows keep structs as structs, so that SQL can reach into them.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from flowc.catalog import Column
from flowc.errors import UsageError
from flowc.runtime.arrow import MAX_DECIMAL, TYPE, arrow_type, data_type
from flowc.types import INTEGER_RANGES, UNKNOWN, DataType, Kind

Fields = tuple[tuple[str, DataType], ...]
"""Names and types of an object's fields."""

_UNREADABLE = (Kind.INTERVAL, Kind.UNKNOWN)
_AS_THEY_ARE = frozenset({Kind.BOOL, Kind.FLOAT32, Kind.FLOAT64, *INTEGER_RANGES} - {Kind.INT128})


def decoded_schema(columns: Iterable[Column]) -> pa.Schema:
    """The schema of decoded rows.

    Raises:
        UsageError: there are no columns, or a column has a type that no message can hold.
    """
    fields = [decoded_field(column.name, column.type) for column in columns]
    if not fields:
        raise UsageError("a message without columns gives no rows", code="unsupported-type")
    return pa.schema(fields)


def decoded_field(name: str, kind: DataType) -> pa.Field:
    """The field of a column; metadata tell its type where Arrow's own does not."""
    if kind.kind in _UNREADABLE:
        message = f"`{name}` is of type `{kind}`, which a message cannot hold"
        raise UsageError(message, code="unsupported-type", help="declare it as text and convert it in the SQL")
    made = decoded_type(kind)
    return pa.field(name, made, metadata=None if data_type(made) == kind else {TYPE: str(kind).encode()})


def decoded_type(kind: DataType) -> pa.DataType:
    """The Arrow type of a decoded value."""
    if kind.kind is Kind.STRUCT:
        return pa.struct([decoded_field(name, field) for name, field in kind.fields])
    if kind.kind is Kind.ARRAY:
        return pa.list_(decoded_field("item", kind.element or UNKNOWN))
    return arrow_type(kind)


def is_decimal(kind: DataType) -> bool:
    """Whether Arrow has a decimal for it."""
    return kind.kind is Kind.DECIMAL and kind.precision is not None and kind.precision <= MAX_DECIMAL


def holds_decimal(kind: DataType) -> bool:
    """Whether Arrow has a decimal for it, or for a part of it."""
    parts = [field for _, field in kind.fields] + ([kind.element] if kind.element is not None else [])
    return is_decimal(kind) or any(map(holds_decimal, parts))


def is_cut(kind: DataType) -> bool:
    """Whether a value must be cut out of the message as text, because Arrow would not read it exactly."""
    if kind.kind is Kind.ARRAY:
        return is_cut(kind.element or UNKNOWN)
    if kind.kind is Kind.STRUCT:
        return not kind.fields or any(is_cut(field) for _, field in kind.fields)
    return kind.kind in (Kind.JSON, Kind.INT128) or (kind.kind is Kind.DECIMAL and not is_decimal(kind))


def raw_type(kind: DataType) -> pa.DataType:
    """The type as which a value is first read: text where JSON has no such type, or where it is cut out."""
    if kind.kind is Kind.ARRAY:
        return pa.list_(raw_type(kind.element or UNKNOWN))
    if kind.kind is Kind.STRUCT:
        return pa.struct([pa.field(name, raw_type(field)) for name, field in kind.fields])
    return arrow_type(kind) if kind.kind in _AS_THEY_ARE or is_decimal(kind) else pa.string()
