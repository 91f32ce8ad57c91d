"""Columns as text: each value as JSON, or as plain text.

In JSON, numbers have all of their digits, times are ISO-8601 text, and bytes are base64 text; structs, lists and JSON
columns are nested.
"""

from __future__ import annotations

import importlib

import pyarrow as pa
import pyarrow.compute as pc

from flowc.catalog import Column
from flowc.runtime.arrow import decimal_text, relist
from flowc.runtime.fit import refuse_where
from flowc.runtime.text.hexadecimal import hex_text
from flowc.runtime.text.json import interval_text, quoted
from flowc.types import UNKNOWN, DataType, Kind

NO_NUMBER = "is no number in JSON"
_NULL = "null"
_QUOTED = (Kind.TEXT, Kind.UUID, Kind.UNKNOWN)
_TIMES = (Kind.DATE, Kind.TIME)
_RAW = (Kind.JSON, Kind.STRUCT)


def json_values(array: pa.Array, column: Column) -> pa.StringArray:
    """Each value of a column as JSON text; NULL is `null`."""
    return pc.fill_null(_text(array, column, column.type), _NULL)


def plain_text(array: pa.Array, column: Column) -> pa.StringArray:
    """The values of a fitted column as text: lists as JSON, bytes as hexadecimal digits. NULLs are kept."""
    if column.type.kind is Kind.ARRAY:
        return pc.if_else(array.is_valid(), json_values(array, column), pa.scalar(None, pa.string()))
    if column.type.kind is Kind.BINARY:
        return hex_text(array)
    if column.type.kind is Kind.INTERVAL:
        return interval_text(array)
    return decimal_text(array) if pa.types.is_decimal(array.type) else array.cast(pa.string())


def _text(array: pa.Array, column: Column, kind: DataType) -> pa.StringArray:
    """JSON text, NULLs kept."""
    if kind.kind in _QUOTED:
        return quoted(array.cast(pa.string()))
    if kind.kind in _RAW:
        return _on_one_line(array)
    if kind.kind is Kind.ARRAY:
        return _list(array, column, kind.element or UNKNOWN)
    if kind.kind is Kind.BINARY:
        return quoted(_base64(array))
    if kind.kind in (Kind.TIMESTAMP, Kind.TIMESTAMPTZ):
        return quoted(pc.replace_substring(array.cast(pa.string()), " ", "T", max_replacements=1))
    if kind.kind is Kind.INTERVAL:
        return quoted(interval_text(array))
    if kind.kind in _TIMES:
        return quoted(array.cast(pa.string()))
    return _number(array, column)


def _number(array: pa.Array, column: Column) -> pa.StringArray:
    bad = no_numbers(array)
    if bad is not None:
        refuse_where(bad, array, column, first_row=1, reason=NO_NUMBER, help="turn it into NULL or text in the SQL")
    if pa.types.is_string(array.type):
        return array
    return decimal_text(array) if pa.types.is_decimal(array.type) else array.cast(pa.string())


def no_numbers(array: pa.Array) -> pa.Array | None:
    """Marks on numbers that JSON has not; None where there can be none."""
    if pa.types.is_floating(array.type):
        return pc.invert(pc.is_finite(array))
    return pc.match_substring_regex(array, "[A-Za-z]") if pa.types.is_string(array.type) else None


def _on_one_line(text: pa.StringArray) -> pa.StringArray:
    """JSON text without line ends: they stand between its values only."""
    return pc.replace_substring(pc.replace_substring(text, "\n", " "), "\r", " ")


def _list(array: pa.Array, column: Column, element: DataType) -> pa.StringArray:
    inner = Column(column.name, element)
    joined = pc.binary_join(relist(array, json_values(array.values, inner)), ",")
    return pc.binary_join_element_wise("[", joined, "]", "")


def _base64(array: pa.Array) -> pa.StringArray:
    connection = importlib.import_module("duckdb").connect()
    with connection:
        connection.register("flowc_rows", pa.table({"v": array}))
        made = connection.sql("SELECT base64(v) AS v FROM flowc_rows").to_arrow_table()
    return pa.concat_arrays(made.column(0).chunks or [pa.array([], pa.string())]).cast(pa.string())
