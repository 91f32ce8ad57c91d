"""How many rows of Parquet are held together: a value that stands in the file once may be that of many rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from flowc.durations import size_text
from flowc.runtime.contracts.store import File
from flowc.runtime.stores.files import LARGEST, arrow_input, unreadable
from flowc.stream import MAX_BYTES

Sizes = npt.NDArray[np.int64]
"""Bytes of each value."""
_REPEATED = 2 * MAX_BYTES
"""Bytes that the texts of rows may have together."""
_LOOKED = 8192
"""Rows whose texts are measured together, if they are not large."""
_MANY = 1 << 20
"""In place of what a list may hold, which no one value tells."""


def rows_together(path: File, metadata: Any, group: int, most: int) -> int:
    """How many rows of a group to hold together, `most` of them at most, so that they have some megabytes.

    Nothing is asked of a column's place in the file: where that is encrypted, Arrow ends the process.

    Raises:
        DataError: a row has more bytes than may be held.
    """
    own = metadata.row_group(group)
    count, size = max(1, int(own.num_rows)), int(own.total_byte_size)
    row, together = size // count, min(most, count)
    if row <= LARGEST and together * size > _REPEATED and _largest(path, metadata, group) * together > _REPEATED:
        looked = max(1, min(_LOOKED, MAX_BYTES // max(1, row)))
        sizes = np.concatenate([np.zeros(1, np.int64), *_sizes(path, metadata, group, looked)])
        row, ends = max(row, int(sizes.max())), np.cumsum(sizes)
        while together > 1 and (ends[together:] - ends[:-together]).max(initial=0) > _REPEATED:
            together //= 2
    if row > LARGEST:
        words = f"a row of it has {row} bytes, and may have {size_text(LARGEST)} at most"
        raise unreadable(path, words, "leave such values out of the file")
    return max(1, min(together, MAX_BYTES // max(1, size // count)))


def _largest(path: File, metadata: Any, group: int) -> int:
    """What the largest values in the dictionaries of a group have together; those of lists count as many."""
    first = next(_batches(path, metadata, group, 1), None)
    kinds = first.columns if first is not None else ()
    return sum(_MANY if array.type.num_fields else _longest(array) for array in kinds)


def _longest(array: pa.Array) -> int:
    return int(pc.max(pc.binary_length(array.dictionary)).as_py() or 0) if pa.types.is_dictionary(array.type) else 0


def _sizes(path: File, metadata: Any, group: int, rows: int) -> Iterator[Sizes]:
    """The bytes of the texts in each row of a group, so many rows at a time."""
    for batch in _batches(path, metadata, group, rows):
        yield sum((_bytes(array) for array in batch.columns), np.zeros(batch.num_rows, np.int64))


def _batches(path: File, metadata: Any, group: int, rows: int) -> Iterator[pa.RecordBatch]:
    """The columns of texts and bytes of a group, as places in dictionaries."""
    import pyarrow.parquet as pq

    columns = [metadata.schema.column(place) for place in range(metadata.num_columns)]
    names = [column.path for column in columns if column.physical_type == "BYTE_ARRAY" and "\0" not in column.path]
    with pq.ParquetFile(arrow_input(path), metadata=metadata, read_dictionary=names) as file:
        yield from file.iter_batches(rows, row_groups=[group], columns=names)


def _bytes(array: pa.Array) -> Sizes:
    """The bytes of the texts in each value of an array."""
    kind, none = array.type, np.zeros(len(array), np.int64)
    if pa.types.is_dictionary(kind):
        texts = array.dictionary
        lengths = pc.binary_length(texts) if _is_text(kind.value_type) else pa.array(np.zeros(len(texts), np.int64))
        return _numbers(pc.take(lengths, array.indices))
    if pa.types.is_struct(kind):
        return sum((_bytes(part) for part in array.flatten()), none)
    if pa.types.is_map(kind):
        return _within(array, _bytes(array.keys) + _bytes(array.items))
    if pa.types.is_fixed_size_list(kind):
        parts = _bytes(array.values.slice(array.offset * kind.list_size, len(array) * kind.list_size))
        sums: Sizes = parts.reshape(len(array), kind.list_size).sum(axis=1)
        return sums
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _within(array, _bytes(array.values))
    return _numbers(pc.binary_length(array)) if _is_text(kind) else none


def _numbers(lengths: pa.Array) -> Sizes:
    """Lengths, of NULL nought."""
    numbers: Sizes = pc.fill_null(lengths, 0).to_numpy(zero_copy_only=False).astype(np.int64)
    return numbers


def _within(array: pa.Array, bytes_: Sizes) -> Sizes:
    """The sums of what lists hold."""
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(bytes_)])
    offsets = array.offsets.to_numpy()
    sums: Sizes = ends[offsets[1:]] - ends[offsets[:-1]]
    return sums


def _is_text(kind: pa.DataType) -> bool:
    small, large = pa.types.is_binary(kind) or pa.types.is_string(kind), pa.types.is_large_string(kind)
    return bool(small or large or pa.types.is_large_binary(kind))
