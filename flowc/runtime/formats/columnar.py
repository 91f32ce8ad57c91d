"""Files of columns, Parquet and ORC: nested where a type is nested, wider where the format lacks a type."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from flowc.catalog import Column
from flowc.errors import DataError
from flowc.runtime.arrow import arrow_type, relist
from flowc.runtime.formats.encoding import OpenFile, discard
from flowc.runtime.text.json import interval_text
from flowc.types import INTEGER_RANGES, DataType, Kind

_NESTED = (Kind.BOOL, Kind.FLOAT64, Kind.TEXT, Kind.STRUCT, Kind.ARRAY, *INTEGER_RANGES)
"""Kinds that come out of JSON text as they went in; a struct of others stays text."""
_TEXTS = (Kind.INTERVAL, Kind.UNKNOWN)
Wider = Mapping[Kind, pa.DataType]
"""The Arrow types of the kinds that a format does not hold as they are."""
GROUP_BYTES = 16 << 20
_GROUP_ROWS = 122_880
"""A row group is written when so much has come together."""


class Writer(Protocol):
    """Writes the row groups of one file."""

    def write(self, table: pa.Table) -> None:
        """Writes one row group."""

    def close(self) -> None:
        """Writes the footer."""

    def abandon(self) -> None:
        """Has no footer written when the writer is deleted."""


@dataclass(frozen=True, slots=True)
class ColumnarEncoding:
    """Files of row groups. `open` begins the writer of one file, of a schema."""

    columns: Sequence[Column]
    wider: Wider
    open: Callable[[BinaryIO, pa.Schema], Writer]

    def begin(self, stream: BinaryIO) -> OpenFile:
        """Begins a file."""
        return ColumnarFile(stream, self)

    @property
    def schema(self) -> pa.Schema:
        """The columns as the format holds them."""
        return pa.schema([pa.field(column.name, native_type(column.type, self.wider)) for column in self.columns])


class ColumnarFile:
    """A file whose rows are written in groups."""

    def __init__(self, stream: BinaryIO, encoding: ColumnarEncoding) -> None:
        self.rows = 0
        self._encoding, self._schema, self._stream = encoding, encoding.schema, stream
        self._writer = encoding.open(stream, self._schema)
        self._waiting: list[pa.RecordBatch] = []
        self._rows = self._bytes = 0

    @property
    def held(self) -> int:
        return self._bytes

    @property
    def size(self) -> int:
        return self._stream.tell() + self._bytes

    def write(self, rows: pa.RecordBatch) -> None:
        columns, wider = self._encoding.columns, self._encoding.wider
        arrays = [native(array, c, c.type, wider) for array, c in zip(rows.columns, columns, strict=True)]
        batch = pa.RecordBatch.from_arrays(arrays, schema=self._schema)
        self._waiting.append(batch)
        self.rows += batch.num_rows
        self._rows += batch.num_rows
        self._bytes += batch.nbytes
        if self._rows >= _GROUP_ROWS or self._bytes >= GROUP_BYTES:
            self.spill()

    def spill(self) -> None:
        if self._waiting:
            table = pa.Table.from_batches(self._waiting).combine_chunks()
            self._waiting, self._rows, self._bytes = [], 0, 0
            self._writer.write(table)

    def finish(self) -> None:
        self.spill()
        self._writer.close()
        self._stream.close()

    def abandon(self) -> None:
        self._waiting = []
        self._writer.abandon()
        discard(self._stream)
        self._stream.close()


def native_type(kind: DataType, wider: Wider) -> pa.DataType:
    """The Arrow type in which a format keeps values of a type."""
    if kind.kind is Kind.STRUCT and _is_plain(kind):
        return pa.struct([pa.field(name, native_type(of, wider)) for name, of in kind.fields])
    if kind.kind is Kind.ARRAY and kind.element is not None:
        return pa.list_(native_type(kind.element, wider))
    if kind.kind in _TEXTS:
        return pa.string()
    return wider[kind.kind] if kind.kind in wider else arrow_type(kind)


def native(array: pa.Array, column: Column, kind: DataType, wider: Wider) -> pa.Array:
    """The values of a fitted column as the format keeps them.

    Raises:
        DataError: JSON text that is no value of its struct.
    """
    if kind.kind is Kind.ARRAY and kind.element is not None:
        return relist(array, native(array.values, column, kind.element, wider))
    wanted = native_type(kind, wider)
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
