"""Columns as Parquet and ORC keep them: nested where their type is nested, wider where the format lacks a type."""

from __future__ import annotations

import importlib

import pyarrow as pa
import pyarrow.compute as pc

from flowc.catalog import Column
from flowc.errors import DataError
from flowc.runtime.arrow import arrow_type, relist
from flowc.runtime.text.json import interval_text
from flowc.types import INTEGER_RANGES, DataType, Kind

_NESTED = (Kind.BOOL, Kind.FLOAT64, Kind.TEXT, Kind.STRUCT, Kind.ARRAY, *INTEGER_RANGES)
"""Kinds that come out of JSON text as they went in; a struct of others stays text."""
_TEXTS = (Kind.INTERVAL, Kind.UNKNOWN)
_ORC: dict[Kind, pa.DataType] = {
    Kind.UINT8: pa.int16(), Kind.UINT16: pa.int32(), Kind.UINT32: pa.int64(), Kind.UINT64: pa.decimal128(20, 0),
    Kind.TIME: pa.string(),
}  # fmt: skip


def native_type(kind: DataType, form: str) -> pa.DataType:
    """The Arrow type in which a format keeps values of a type."""
    if kind.kind is Kind.STRUCT and _is_plain(kind):
        return pa.struct([pa.field(name, native_type(of, form)) for name, of in kind.fields])
    if kind.kind is Kind.ARRAY and kind.element is not None:
        return pa.list_(native_type(kind.element, form))
    if kind.kind in _TEXTS:
        return pa.string()
    return _ORC.get(kind.kind) if form == "orc" and kind.kind in _ORC else arrow_type(kind)


def native(array: pa.Array, column: Column, kind: DataType, form: str) -> pa.Array:
    """The values of a fitted column as the format keeps them.

    Raises:
        DataError: JSON text that is no value of its struct.
    """
    if kind.kind is Kind.ARRAY and kind.element is not None:
        return relist(array, native(array.values, column, kind.element, form))
    wanted = native_type(kind, form)
    if kind.kind is Kind.STRUCT and not pa.types.is_string(wanted):
        return _parsed(array, column, wanted)
    if kind.kind is Kind.INTERVAL:
        return interval_text(array)
    return array if array.type == wanted else array.cast(wanted)


def _is_plain(kind: DataType) -> bool:
    inner = [of for _, of in kind.fields] or ([kind.element] if kind.element is not None else [])
    if kind.kind in (Kind.STRUCT, Kind.ARRAY) and not inner:
        return False
    return kind.kind in _NESTED and kind.kind is not Kind.INT128 and all(map(_is_plain, inner))


def _parsed(array: pa.Array, column: Column, wanted: pa.DataType) -> pa.Array:
    """JSON text as structs."""
    reader = importlib.import_module("pyarrow.json")
    valid = array.drop_null()
    if not len(valid):
        return pa.nulls(len(array), wanted)
    lines = pc.binary_join(pa.ListArray.from_arrays([0, len(valid)], _lines(valid)), "\n")[0].as_buffer()
    options = reader.ParseOptions(explicit_schema=pa.schema([("v", wanted)]), unexpected_field_behavior="error")
    try:
        read = reader.read_json(
            pa.BufferReader(lines), reader.ReadOptions(use_threads=False, block_size=lines.size + 1), options
        )
    except pa.ArrowInvalid as error:
        message = f"column `{column.name}`: a value is no {column.type}: {error}"
        raise DataError(
            message, code="value-does-not-fit", help="CAST it in the SQL to the type that you mean"
        ) from None
    found = read.column("v").combine_chunks()
    places = pc.if_else(array.is_valid(), pc.subtract(pc.cumulative_sum(array.is_valid().cast(pa.int64())), 1), None)
    return found.take(places)


def _lines(texts: pa.StringArray) -> pa.StringArray:
    flat = pc.replace_substring(pc.replace_substring(texts, "\n", " "), "\r", " ")
    return pc.binary_join_element_wise('{"v":', flat, "}", "")
