"""Rows as lines of text, CSV and JSON, column by column."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from flowc.catalog import Column
from flowc.runtime.arrow import decimal_text
from flowc.runtime.formats.json.encode import json_rows, json_values
from flowc.runtime.text.hexadecimal import hex_text
from flowc.runtime.text.json import interval_text
from flowc.types import Kind

Lines = Callable[[pa.RecordBatch], pa.Buffer]
"""Makes the bytes of rows, each with its line end."""


@dataclass(frozen=True, slots=True)
class CsvWords:
    """How CSV is written."""

    delimiter: str = ","
    quote: str = '"'
    escape: str | None = None
    null_value: str = ""
    header: bool = True

    @classmethod
    def of(cls, write: Mapping[str, object]) -> CsvWords:
        """From the write options of a target."""
        known = {name: value for name, value in write.items() if name in cls.__dataclass_fields__}
        return cls(**known)  # type: ignore[arg-type]

    def first_line(self, columns: Sequence[Column]) -> bytes:
        """The names of the columns."""
        names = pa.array([column.name for column in columns], pa.string())
        return (self.delimiter.join(self._guarded(names).to_pylist()) + "\n").encode() if self.header else b""

    def lines(self, columns: Sequence[Column]) -> Lines:
        """Makes lines of rows that are fitted to the columns."""
        # Many readers pass over blank lines, and in a file of one column that would be a row.
        null = self.null_value or (self.quote * 2 if len(columns) == 1 else "")
        return lambda rows: _buffer(
            pc.binary_join_element_wise(
                *(self._field(*each, null) for each in zip(rows.columns, columns, strict=True)), self.delimiter
            )
        )

    def _field(self, array: pa.Array, column: Column, null: str) -> pa.StringArray:
        return pc.fill_null(self._guarded(plain_text(array, column)), null)

    def _guarded(self, text: pa.StringArray) -> pa.StringArray:
        """Values in quotes where they would be read as something else."""
        special = f"[{re.escape(self.delimiter + self.quote + (self.escape or ''))}\r\n]"
        asks = pc.or_(pc.match_substring_regex(text, special), pc.equal(text, self.null_value))
        asks = pc.or_(asks, pc.equal(text, ""))
        if not pc.any(asks).as_py():
            return text
        inner = text
        for char in dict.fromkeys((self.escape or self.quote, self.quote)):
            inner = pc.replace_substring(inner, char, (self.escape or self.quote) + char)
        return pc.if_else(asks, pc.binary_join_element_wise(self.quote, inner, self.quote, ""), text)


def plain_text(array: pa.Array, column: Column) -> pa.StringArray:
    """The values of a fitted column as text: lists as JSON, bytes as hexadecimal digits. NULLs are kept."""
    if column.type.kind is Kind.ARRAY:
        return pc.if_else(array.is_valid(), json_values(array, column), pa.scalar(None, pa.string()))
    if column.type.kind is Kind.BINARY:
        return hex_text(array)
    if column.type.kind is Kind.INTERVAL:
        return interval_text(array)
    return decimal_text(array) if pa.types.is_decimal(array.type) else array.cast(pa.string())


def json_lines(columns: Sequence[Column]) -> Lines:
    """Makes JSON lines of rows that are fitted to the columns."""
    return lambda rows: _buffer(json_rows(rows, columns))


def _buffer(text: pa.StringArray) -> pa.Buffer:
    lines = pc.binary_join_element_wise(text, "", "\n")
    start, stop = lines.offset, lines.offset + len(lines)
    ends = pa.Array.from_buffers(pa.int32(), stop + 1, [None, lines.buffers()[1]])
    first, last = ends[start].as_py(), ends[stop].as_py()
    return lines.buffers()[2].slice(first, last - first)
