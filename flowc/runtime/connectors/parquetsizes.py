"""How many rows of Parquet are held together: a value that stands in the file once may be that of many rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flowc.durations import size_text
from flowc.runtime.connectors.files import LARGEST, unreadable
from flowc.stream import MAX_BYTES

_REPEATED = 2 * MAX_BYTES
"""Bytes that rows may have together if each is as large as it can be, which they seldom are."""


def rows_together(path: Path, metadata: Any, group: int, most: int) -> int:
    """How many rows of a group to hold together, `most` of them at most, so that they have some megabytes.

    Nothing is asked of a column's place in the file: where that is encrypted, Arrow ends the process.

    Raises:
        DataError: a row has more bytes than may be held.
    """
    own = metadata.row_group(group)
    count, size = max(1, int(own.num_rows)), int(own.total_byte_size)
    row = repeated = size // count
    if row <= LARGEST and min(most, count) * size > _REPEATED:
        repeated = _largest(path, metadata, group)
    if max(row, repeated) > LARGEST:
        words = f"a row of it has {max(row, repeated)} bytes, and may have {size_text(LARGEST)} at most"
        raise unreadable(path, words, "leave such values out of the file")
    return max(1, min(most, MAX_BYTES // max(1, row), _REPEATED // max(1, repeated)))


def _largest(path: Path, metadata: Any, group: int) -> int:
    """What the largest values in the dictionaries of a group have together."""
    import pyarrow.parquet as pq

    columns = [metadata.schema.column(place) for place in range(metadata.num_columns)]
    fixed = sum(int(column.length) for column in columns if column.physical_type == "FIXED_LEN_BYTE_ARRAY")
    names = [column.path for column in columns if column.physical_type == "BYTE_ARRAY" and "\0" not in column.path]
    with pq.ParquetFile(path, metadata=metadata, read_dictionary=names) as file:
        # With its first row comes the whole dictionary of each column.
        first = next(file.iter_batches(1, row_groups=[group], columns=names), None)
    found = [values for array in (first.columns if first else ()) for values in _dictionaries(array)]
    return fixed + sum(int(pc.max(pc.binary_length(values)).as_py() or 0) for values in found)


def _dictionaries(array: pa.Array) -> Iterator[pa.Array]:
    """The texts or bytes of the dictionaries in an array, and in those within it."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        if pa.types.is_binary(kind.value_type) or pa.types.is_string(kind.value_type) or _is_large(kind.value_type):
            yield array.dictionary
    elif pa.types.is_struct(kind):
        for place in range(kind.num_fields):
            yield from _dictionaries(array.field(place))
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        yield from _dictionaries(array.values)
    elif pa.types.is_map(kind):
        yield from _dictionaries(array.keys)
        yield from _dictionaries(array.items)


def _is_large(kind: pa.DataType) -> bool:
    return bool(pa.types.is_large_binary(kind) or pa.types.is_large_string(kind))
