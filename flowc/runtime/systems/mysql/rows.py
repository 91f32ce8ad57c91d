"""Rows as MySQL's binary protocol sends them, into Arrow: column by column, for many rows at once.

A row is a byte, a bitmap of its NULLs, and its values one after the other. `at` holds, for each row, where the value of
the column at hand begins; each column read moves it on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flowc.errors import DataError
from flowc.runtime.arrow import arrow_type
from flowc.runtime.extras import driver
from flowc.runtime.fit import shorten
from flowc.runtime.systems.mysql.types import Field
from flowc.types import Kind

np: Any = driver("numpy", "mysql")

_FIXED = {1: "i1", 2: "<i2", 3: "<i4", 4: "<f4", 5: "<f8", 8: "<i8", 9: "<i4", 13: "<i2"}
_BIT, _TIME, _DATES = 16, 11, (7, 10, 12)
_DAY = 86_400_000_000


@dataclass(slots=True)
class Reader:
    """Where in the bytes of some rows the next column is. `valid` tells which rows have a value."""

    raw: Any
    at: Any
    valid: Any
    first_row: int

    def number(self, offset: int, width: int) -> Any:
        """Unsigned little-endian numbers that begin so many bytes after `at`."""
        found = np.zeros(len(self.at), np.int64)
        for i in range(width):
            found |= self.raw[self.at + (offset + i)].astype(np.int64) << (8 * i)
        return found


def batch(data: bytes, starts: Sequence[int], fields: Sequence[Field], schema: pa.Schema, first_row: int) -> Any:
    """The rows that start at `starts` as a record batch of `schema`.

    Raises DataError for a value that its column's type does not have, such as the date 0000-00-00.
    """
    raw = np.frombuffer(data, np.uint8)
    bits = np.array(starts, np.int64) + 1
    reader = Reader(raw, bits + (len(fields) + 9) // 8, None, first_row)
    arrays = []
    for i, field in enumerate(fields):
        reader.valid = (raw[bits + (i + 2) // 8] >> ((i + 2) % 8)) & 1 == 0
        made = _reading(field)(reader, field)
        wanted = schema.field(i).type
        arrays.append(made if made.type == wanted else _as(made, wanted, field, first_row))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _reading(field: Field) -> Callable[[Reader, Field], pa.Array]:
    if field.code in _FIXED:
        return _numbers
    if field.code in _DATES:
        return _dates
    return {_TIME: _times, _BIT: _bits}.get(field.code, _texts)


def _numbers(reader: Reader, field: Field) -> pa.Array:
    kind = _FIXED[field.code].replace("i", "u") if field.unsigned else _FIXED[field.code]
    width = np.dtype(kind).itemsize
    where = reader.at[reader.valid]
    values = np.zeros(len(reader.at), kind)
    if len(where):
        windows = np.lib.stride_tricks.sliding_window_view(reader.raw, width)
        values[reader.valid] = windows[where].view(kind).ravel()
    reader.at = reader.at + np.where(reader.valid, width, 0)
    return pa.array(values, mask=~reader.valid)


def _spans(reader: Reader) -> tuple[Any, Any]:
    """Where the values of a column of varying length begin and end; moves on behind them."""
    head = np.where(reader.valid, reader.raw[reader.at], 0).astype(np.int64)
    size, prefix = head.copy(), np.where(reader.valid, 1, 0)
    for mark, width in ((252, 2), (253, 3), (254, 8)):
        long = head == mark
        if long.any():
            size = np.where(long, reader.number(1, width), size)
            prefix = np.where(long, 1 + width, prefix)
    begin = reader.at + prefix
    reader.at = begin + size
    return begin, reader.at


def _texts(reader: Reader, _: Field) -> pa.Array:
    """The bytes of each value, taken from an array whose every second piece is what lies between two of them."""
    begin, end = _spans(reader)
    count = len(begin)
    offsets = np.empty(2 * count, np.int32)
    offsets[0::2], offsets[1::2] = begin, end
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(reader.raw)]
    pieces = pa.Array.from_buffers(pa.binary(), max(2 * count - 1, 0), buffers)
    return pieces.take(pa.array(np.arange(0, 2 * count, 2), mask=~reader.valid))


def _bits(reader: Reader, _: Field) -> pa.Array:
    begin, end = _spans(reader)
    values, width = np.zeros(len(begin), np.uint64), int((end - begin).max(initial=0))
    for i in range(width):
        inside = begin + i < end
        values = np.where(inside, (values << np.uint64(8)) | reader.raw[begin + i], values)
    return pa.array(values, mask=~reader.valid)


def _clock(reader: Reader, size: Any, offset: int) -> Any:
    """The microseconds of the day that a value of that size spells from `offset` on."""
    has_clock, has_fraction = size > offset - 1, size > offset + 2
    seconds = reader.number(offset, 1) * 3600 + reader.number(offset + 1, 1) * 60 + reader.number(offset + 2, 1)
    micros = np.where(has_clock, seconds * 1_000_000, 0)
    return micros + np.where(has_fraction, reader.number(offset + 3, 4), 0)


def _dates(reader: Reader, field: Field) -> pa.Array:
    size = np.where(reader.valid, reader.raw[reader.at], 0).astype(np.int64)
    given = size >= 4
    year, month, day = (np.where(given, reader.number(o, w), 0) for o, w in ((1, 2), (3, 1), (4, 1)))
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]").astype(np.int64) + day - 1
    real = (month > 0) & (day > 0) & (days.astype("datetime64[D]").astype("datetime64[M]") == months)
    _refuse_where(reader.valid & ~real, field, reader, lambda i: f"{year[i]:04}-{month[i]:02}-{day[i]:02}", "no date")
    micros = _clock(reader, size, 5)
    reader.at = reader.at + np.where(reader.valid, size + 1, 0)
    if field.type.kind is Kind.DATE:
        return pa.array(days.astype(np.int32), pa.int32(), mask=~reader.valid).cast(pa.date32())
    return pa.array(days * _DAY + micros, pa.int64(), mask=~reader.valid).cast(arrow_type(field.type))


def _times(reader: Reader, field: Field) -> pa.Array:
    size = np.where(reader.valid, reader.raw[reader.at], 0).astype(np.int64)
    given = size >= 8
    negative = given & (reader.number(1, 1) != 0)
    days = np.where(given, reader.number(2, 4), 0)
    micros = _clock(reader, size, 6)
    hours = days * 24 + micros // 3_600_000_000
    _refuse_where(
        reader.valid & (negative | (days > 0)),
        field,
        reader,
        lambda i: f"{'-' if negative[i] else ''}{hours[i]:02}:{micros[i] // 60_000_000 % 60:02}",
        "no time of a day",
    )
    reader.at = reader.at + np.where(reader.valid, size + 1, 0)
    return pa.array(micros, pa.int64(), mask=~reader.valid).cast(pa.time64("us"))


def _refuse_where(bad: Any, field: Field, reader: Reader, show: Callable[[int], str], what: str) -> None:
    if not bad.any():
        return
    row = int(np.argmax(bad))
    raise _unreadable(field, show(row), reader.first_row + row, what)


def _unreadable(field: Field, shown: str, row: int, what: str) -> DataError:
    message = f"column `{field.name}`: {shorten(shown)} is {what}, in row {row} of what was read"
    help = f"convert it in the SQL, for instance with NULLIF({field.name}, …) or CAST({field.name} AS CHAR)"
    return DataError(message, code="value-does-not-fit", help=help)


def _as(array: pa.Array, wanted: pa.DataType, field: Field, first_row: int) -> pa.Array:
    """What was read as the type that stands for it."""
    if pa.types.is_boolean(wanted):
        odd = pc.index(pc.greater(pc.cast(array, pa.int64(), safe=False), 1), True).as_py()
        odd = pc.index(pc.less(array, 0), True).as_py() if odd < 0 and pa.types.is_signed_integer(array.type) else odd
        if odd >= 0:
            raise _unreadable(field, str(array[odd].as_py()), first_row + odd, "no boolean")
        return array.cast(pa.bool_())
    if pa.types.is_binary(array.type) and not pa.types.is_binary(wanted):
        return array.cast(pa.string()) if pa.types.is_string(wanted) else array.cast(pa.string()).cast(wanted)
    return array.cast(wanted)
