"""Arrow as the common form of rows between systems: one Arrow type for each type of column.

What Arrow has no exact type for travels as text and says so in its field: numeric without precision (which may have
131,072 digits, NaN and infinities), JSON, uuid and structs (as JSON). Everything else has its natural Arrow type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from flowc.catalog import Column
from flowc.runtime.text.decimals import decimal_text as decimal_text
from flowc.runtime.text.hexadecimal import uuid_text
from flowc.runtime.text.json import TYPE as TYPE
from flowc.runtime.text.json import json_text as json_text
from flowc.types import UNKNOWN, DataType, Kind, parse_type

MAX_DECIMAL = 76
"""The most digits that an Arrow decimal has."""

_PLAIN: dict[Kind, pa.DataType] = {
    Kind.BOOL: pa.bool_(), Kind.INT8: pa.int8(), Kind.INT16: pa.int16(), Kind.INT32: pa.int32(),
    Kind.INT64: pa.int64(), Kind.INT128: pa.decimal256(39, 0), Kind.UINT8: pa.uint8(), Kind.UINT16: pa.uint16(),
    Kind.UINT32: pa.uint32(), Kind.UINT64: pa.uint64(), Kind.FLOAT32: pa.float32(), Kind.FLOAT64: pa.float64(),
    Kind.TEXT: pa.string(), Kind.BINARY: pa.binary(), Kind.DATE: pa.date32(), Kind.TIME: pa.time64("us"),
    Kind.INTERVAL: pa.month_day_nano_interval(), Kind.UUID: pa.string(), Kind.JSON: pa.string(),
    Kind.STRUCT: pa.string(), Kind.UNKNOWN: pa.string(),
}  # fmt: skip

_KINDS: tuple[tuple[Callable[[pa.DataType], bool], Kind], ...] = (
    (pa.types.is_boolean, Kind.BOOL), (pa.types.is_int8, Kind.INT8), (pa.types.is_int16, Kind.INT16),
    (pa.types.is_int32, Kind.INT32), (pa.types.is_int64, Kind.INT64), (pa.types.is_uint8, Kind.UINT8),
    (pa.types.is_uint16, Kind.UINT16), (pa.types.is_uint32, Kind.UINT32), (pa.types.is_uint64, Kind.UINT64),
    (pa.types.is_float16, Kind.FLOAT32), (pa.types.is_float32, Kind.FLOAT32), (pa.types.is_float64, Kind.FLOAT64),
    (pa.types.is_string, Kind.TEXT), (pa.types.is_large_string, Kind.TEXT), (pa.types.is_string_view, Kind.TEXT),
    (pa.types.is_binary, Kind.BINARY), (pa.types.is_large_binary, Kind.BINARY),
    (pa.types.is_binary_view, Kind.BINARY), (pa.types.is_fixed_size_binary, Kind.BINARY),
    (pa.types.is_date, Kind.DATE), (pa.types.is_time, Kind.TIME), (pa.types.is_duration, Kind.INTERVAL),
    (pa.types.is_interval, Kind.INTERVAL), (pa.types.is_map, Kind.JSON), (pa.types.is_null, Kind.UNKNOWN),
)  # fmt: skip

_EXTENSIONS = {"arrow.uuid": Kind.UUID, "arrow.json": Kind.JSON}


def arrow_type(kind: DataType) -> pa.DataType:
    """The Arrow type in which values of a column type travel, losing nothing."""
    if kind.kind is Kind.DECIMAL:
        return _decimal(kind)
    if kind.kind in (Kind.TIMESTAMP, Kind.TIMESTAMPTZ):
        unit = "ns" if (kind.precision or 0) > 6 else "us"
        return pa.timestamp(unit, "UTC" if kind.kind is Kind.TIMESTAMPTZ else None)
    if kind.kind is Kind.ARRAY:
        return pa.list_(arrow_field(Column("item", kind.element or UNKNOWN)))
    return _PLAIN[kind.kind]


def _decimal(kind: DataType) -> pa.DataType:
    if kind.precision is None or kind.precision > MAX_DECIMAL:
        return pa.string()
    make = pa.decimal128 if kind.precision <= 38 else pa.decimal256
    return make(kind.precision, kind.scale or 0)


def arrow_field(column: Column) -> pa.Field:
    """The Arrow field of a column; its metadata keep the type where Arrow's own is not enough to tell."""
    kind = arrow_type(column.type)
    exact = _holds_unknown(column.type) or data_type(kind) == column.type
    return pa.field(column.name, kind, metadata=None if exact else {TYPE: str(column.type).encode()})


def _holds_unknown(kind: DataType) -> bool:
    """Whether a type, or a part of it, is none that could be told."""
    parts = [field for _, field in kind.fields] + ([kind.element] if kind.element is not None else [])
    return kind.kind is Kind.UNKNOWN or any(map(_holds_unknown, parts))


def arrow_schema(columns: Iterable[Column]) -> pa.Schema:
    """The Arrow schema of columns."""
    return pa.schema([arrow_field(column) for column in columns])


def data_type(of: pa.DataType | pa.Field) -> DataType:
    """The type of column that an Arrow type or field stands for; UNKNOWN for one that only holds NULLs."""
    if isinstance(of, pa.Field):
        said = (of.metadata or {}).get(TYPE)
        return parse_type(said.decode()) if said else data_type(of.type)
    if isinstance(of, pa.BaseExtensionType):
        kind = _EXTENSIONS.get(of.extension_name)
        return DataType(kind) if kind else data_type(of.storage_type)
    if pa.types.is_dictionary(of) or pa.types.is_run_end_encoded(of):
        return data_type(of.value_type)
    return _parametric(of) or DataType(next((kind for is_kind, kind in _KINDS if is_kind(of)), Kind.UNKNOWN))


def _parametric(of: pa.DataType) -> DataType | None:
    if pa.types.is_decimal(of):
        return DataType(Kind.DECIMAL, precision=of.precision - min(of.scale, 0), scale=max(of.scale, 0))
    if pa.types.is_timestamp(of):
        kind = Kind.TIMESTAMP if of.tz is None else Kind.TIMESTAMPTZ
        return DataType(kind, precision=9 if of.unit == "ns" else None)
    if pa.types.is_struct(of):
        return DataType(Kind.STRUCT, fields=tuple((field.name, data_type(field)) for field in of.fields))
    if pa.types.is_list(of) or pa.types.is_large_list(of) or pa.types.is_fixed_size_list(of):
        return DataType(Kind.ARRAY, element=data_type(of.value_field))
    return None


def columns_of(schema: pa.Schema) -> tuple[Column, ...]:
    """The columns that an Arrow schema stands for."""
    return tuple(Column(field.name, data_type(field), field.nullable) for field in schema)


def plain(array: pa.Array) -> pa.Array:
    """The same values without dictionaries, extensions, views, 64-bit offsets or nested structs.

    uuids become lower-case text; structs, maps and arrays of them JSON text.
    """
    of = array.type
    if isinstance(of, pa.BaseExtensionType):
        return uuid_text(array.storage) if of.extension_name == "arrow.uuid" else plain(array.storage)
    if pa.types.is_dictionary(of) or pa.types.is_run_end_encoded(of):
        return plain(array.cast(of.value_type) if pa.types.is_dictionary(of) else pc.run_end_decode(array))
    if pa.types.is_large_string(of) or pa.types.is_string_view(of):
        return array.cast(pa.string())
    if pa.types.is_large_binary(of) or pa.types.is_binary_view(of) or pa.types.is_fixed_size_binary(of):
        return array.cast(pa.binary())
    if pa.types.is_struct(of) or pa.types.is_map(of):
        return json_text(array)
    if pa.types.is_large_list(of) or pa.types.is_fixed_size_list(of):
        array = array.cast(pa.list_(of.value_field))
    return _plain_list(array) if pa.types.is_list(array.type) else array


def nests_fields(of: pa.DataType) -> bool:
    """Whether values of a type have named parts, at any depth: structs and maps."""
    if isinstance(of, pa.BaseExtensionType):
        return nests_fields(of.storage_type)
    if pa.types.is_dictionary(of) or pa.types.is_run_end_encoded(of):
        return nests_fields(of.value_type)
    if pa.types.is_list(of) or pa.types.is_large_list(of) or pa.types.is_fixed_size_list(of):
        return nests_fields(of.value_type)
    return bool(pa.types.is_struct(of) or pa.types.is_map(of))


def _plain_list(array: pa.Array) -> pa.Array:
    values = plain(array.values)
    return array if values.type == array.type.value_type else relist(array, values)


def relist(array: pa.Array, values: pa.Array, field: pa.Field | None = None) -> pa.Array:
    """The list array with other `values` in the same places; they answer to `array.values`."""
    kind = pa.list_(field or values.type)
    nulls = array.is_null() if array.null_count else None
    # Arrow wants offsets of their own beside a mask, not a slice of others.
    offsets = pa.concat_arrays([array.offsets, pa.array([], array.offsets.type)])
    return pa.ListArray.from_arrays(offsets, values, type=kind, mask=nulls)


def empty_of(schema: pa.Schema) -> pa.RecordBatch:
    """No rows of a schema."""
    return pa.RecordBatch.from_pylist([], schema=schema)


def empty(columns: Sequence[Column]) -> pa.RecordBatch:
    """No rows of these columns."""
    return pa.RecordBatch.from_pylist([], schema=arrow_schema(columns))
