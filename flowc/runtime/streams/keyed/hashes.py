"""Keys of rows as 128 bits: equal keys give equal bits in any batch, process and version, and different keys never do.

Each column becomes bytes that depend on its values alone; BLAKE3 makes the bits of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flowc.runtime.engine.context import new_context

_TABLE = "flowc_keys"


class Hasher:
    """Hashes keys; one session of the engine is kept for it."""

    def __init__(self) -> None:
        self._context = new_context(target_partitions="1")

    def __call__(self, columns: Sequence[pa.Array]) -> tuple[Any, Any]:
        """The upper and lower 64 bits (numpy uint64) of each row's key, whose columns hold no NULLs."""
        parts = [canonical(column) for column in columns]
        if len(parts) > 1:
            # Every part has a length of its own that is fixed, so two keys never run into each other.
            empty = pa.scalar(b"", pa.binary())
            joined = pc.binary_join_element_wise(*(self.digests(part).cast(pa.binary()) for part in parts), empty)
        else:
            joined = parts[0]
        bits = np.frombuffer(self.digests(joined).buffers()[1], "<u8").reshape(-1, 4)
        return np.ascontiguousarray(bits[:, 0]), np.ascontiguousarray(bits[:, 1])

    def digests(self, values: pa.Array) -> pa.Array:
        """32 bytes for each value."""
        self._context.deregister_table(_TABLE)
        self._context.register_batch(_TABLE, pa.RecordBatch.from_arrays([values], names=["k"]))
        found = self._context.sql(f"SELECT digest(k, 'blake3') AS h FROM {_TABLE}").to_arrow_table().column("h")
        return pa.concat_arrays([chunk.cast(pa.binary(32)) for chunk in found.chunks])


def whole(columns: Sequence[pa.Array]) -> Any:
    """The places (numpy int64) of the rows without a NULL in their key."""
    if not any(column.null_count for column in columns):
        return np.arange(len(columns[0]))
    valid = np.ones(len(columns[0]), bool)
    for column in columns:
        valid &= pc.is_valid(column).to_numpy(zero_copy_only=False)
    return np.flatnonzero(valid)


def canonical(column: pa.Array) -> pa.Array:
    """Values as bytes, whatever the array's slices and spare bits are. No NULLs.

    Raises TypeError for a type that has no such bytes.
    """
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return column.cast(pa.string()).cast(pa.binary())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return column.cast(pa.binary())
    if pa.types.is_decimal(kind):
        width = kind.bit_width // 8
        return _fixed(column.buffers()[1].slice(column.offset * width, len(column) * width), width, len(column))
    values = numbers(column).astype("<u8" if pa.types.is_uint64(kind) else "<i8", copy=False)
    return _fixed(pa.py_buffer(values.tobytes()), 8, len(column))


def numbers(column: pa.Array) -> Any:
    """Values of a fixed width as 64 bits each; the two zeros of a float are one, and so are all its NaNs."""
    kind = column.type
    if pa.types.is_floating(kind):
        floats = column.cast(pa.float64()).to_numpy(zero_copy_only=False) + 0.0
        return np.where(np.isnan(floats), np.nan, floats).view("<i8")
    if pa.types.is_boolean(kind):
        return column.cast(pa.int8()).to_numpy(zero_copy_only=False)
    if pa.types.is_date32(kind) or pa.types.is_time32(kind):
        return column.cast(pa.int32()).to_numpy(zero_copy_only=False)
    if pa.types.is_timestamp(kind) or pa.types.is_time64(kind) or pa.types.is_date64(kind):
        return column.cast(pa.int64()).to_numpy(zero_copy_only=False)
    if pa.types.is_integer(kind):
        return column.to_numpy(zero_copy_only=False)
    message = f"values of type {kind} are no keys"
    raise TypeError(message)


def _fixed(buffer: pa.Buffer, width: int, count: int) -> pa.Array:
    return pa.Array.from_buffers(pa.binary(width), count, [None, buffer]).cast(pa.binary())
