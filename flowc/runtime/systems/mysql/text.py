"""Arrow batches as the text that MySQL loads: lines of a file for LOAD DATA, or the rows of an INSERT.

All values of a batch are written at once: each column becomes an array of texts, and Arrow joins them row by row.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from flowc.catalog import Column
from flowc.runtime.arrow import decimal_text
from flowc.runtime.fit import refuse_where
from flowc.runtime.names import listed, quoted
from flowc.runtime.systems.mysql.limits import limits
from flowc.types import Kind

_LINE_BYTES = 1 << 22
"""About how many bytes of rows become one text."""
_TEXTS = (Kind.TEXT, Kind.JSON, Kind.UUID, Kind.STRUCT, Kind.UNKNOWN)


def slices(batch: pa.RecordBatch, limit: int = _LINE_BYTES) -> Iterator[pa.RecordBatch]:
    """The batch in parts of about so many bytes."""
    rows = max(1, int(batch.num_rows * limit / max(batch.nbytes, 1)))
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)


def lines(batch: pa.RecordBatch, columns: Sequence[Column], first_row: int) -> memoryview:
    r"""The rows as lines with tabs between values: `\N` is NULL, and a backslash stands before what would be a mark.

    Raises DataError for a number that MySQL has not.
    """
    texts = [
        pc.fill_null(_escaped(_text(array, column, first_row), column), "\\N")
        for array, column in zip(batch.columns, columns, strict=True)
    ]
    texts[-1] = pc.binary_join_element_wise(texts[-1], "\n", "")
    return _bytes(pc.binary_join_element_wise(*texts, "\t") if len(texts) > 1 else texts[0])


def load_statement(table: str, name: str, columns: Sequence[Column], bits: Collection[str] = ()) -> str:
    """The statement that loads such lines; `bits` are columns of type bit, for which a text is none of a number."""
    made = {c.name: "UNHEX({})" for c in columns if c.type.kind is Kind.BINARY}
    made |= {c.name: "CAST({} AS UNSIGNED)" for c in columns if c.name in bits and c.name not in made}
    marks = {column: f"@flowc_{i}" for i, column in enumerate(made)}
    targets = ", ".join(marks.get(c.name) or quoted(c.name) for c in columns)
    sets = ", ".join(f"{quoted(column)} = {made[column].format(mark)}" for column, mark in marks.items())
    return (
        f"LOAD DATA LOCAL INFILE '{name}' INTO TABLE {table} CHARACTER SET utf8mb4 "
        f"FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n' ({targets})"
        + (f" SET {sets}" if sets else "")
    )


def inserts(
    table: str, batch: pa.RecordBatch, columns: Sequence[Column], first_row: int, limit: int
) -> Iterator[tuple[int, str]]:
    """The rows as INSERT statements of about `limit` bytes, each with how many rows it has."""
    head = f"INSERT INTO {table} ({listed(c.name for c in columns)}) VALUES "
    done = 0
    for part in slices(batch, limit):
        values = [
            pc.fill_null(_literal(_text(array, column, first_row + done), column), "NULL")
            for array, column in zip(part.columns, columns, strict=True)
        ]
        rows = pc.binary_join_element_wise(*values, ",") if len(values) > 1 else values[0]
        written = pc.binary_join_element_wise("(", rows, "),", "")
        yield part.num_rows, head + str(_bytes(written)[:-1], "utf-8")
        done += part.num_rows


def _text(array: pa.Array, column: Column, first_row: int) -> pa.Array:
    """Each value as MySQL reads it, nothing escaped."""
    for marks, reason in limits(array, column):
        refuse_where(marks, array, column, first_row=first_row, reason=reason)
    kind = array.type
    if pa.types.is_boolean(kind):
        return array.cast(pa.uint8()).cast(pa.string())
    if pa.types.is_floating(kind):
        # As text, the greatest FLOAT is rounded beyond what a FLOAT holds.
        return array.cast(pa.float64()).cast(pa.string())
    if pa.types.is_timestamp(kind):
        return array.cast(pa.timestamp("us")).cast(pa.string())
    if pa.types.is_decimal(kind):
        return decimal_text(array)
    if pa.types.is_binary(kind):
        return _hexed(array)
    return array.cast(pa.string())


def _hexed(array: pa.Array) -> pa.Array:
    """Bytes as hexadecimal digits."""
    packed = pa.concat_arrays([array, pa.array([], array.type)])
    _, offsets, data = packed.buffers()
    digits = pa.py_buffer(bytes(data or b"").hex().encode()) if data is not None else pa.py_buffer(b"")
    places = pa.Array.from_buffers(pa.int32(), packed.offset + len(packed) + 1, [None, offsets])
    doubled = pc.multiply(places, 2).slice(packed.offset)
    found = pa.StringArray.from_buffers(len(packed), doubled.cast(pa.int32()).buffers()[1], digits)
    return pc.if_else(array.is_valid(), found, None) if array.null_count else found


def _marks(array: pa.Array, pattern: str, pairs: Sequence[tuple[str, str]]) -> pa.Array:
    """The texts with a backslash before each mark. Few have any, so they are looked for first."""
    if not pc.any(pc.match_substring_regex(array, pattern)).as_py():
        return array
    for mark, written in pairs:
        array = pc.replace_substring(array, mark, written)
    return array


_IN_LINES = (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"), ("\0", "\\0"))
_IN_LITERALS = (("\\", "\\\\"), ("'", "\\'"), ("\0", "\\0"))


def _escaped(texts: pa.Array, column: Column) -> pa.Array:
    return _marks(texts, r"[\\\t\n\r\x00]", _IN_LINES) if column.type.kind in (*_TEXTS, Kind.ARRAY) else texts


def _literal(texts: pa.Array, column: Column) -> pa.Array:
    kind = column.type.kind
    if column.type.is_number or kind is Kind.BOOL:
        return texts
    if kind is Kind.BINARY:
        return pc.binary_join_element_wise("X'", texts, "'", "")
    return pc.binary_join_element_wise("'", _marks(texts, r"[\\'\x00]", _IN_LITERALS), "'", "")


def _bytes(joined: pa.Array) -> memoryview:
    """The bytes of all texts of an array, one after the other."""
    _, offsets, data = joined.buffers()
    if data is None or not len(joined):
        return memoryview(b"")
    start, end = _edges(joined, offsets)
    return memoryview(data)[start:end]


def _edges(joined: pa.Array, offsets: pa.Buffer) -> tuple[int, int]:
    places = pa.Array.from_buffers(pa.int32(), joined.offset + len(joined) + 1, [None, offsets])
    return places[joined.offset].as_py(), places[joined.offset + len(joined)].as_py()
