"""Keys of groups as 128 bits: as `flowc.runtime.streams.keyed.hashes`, and NULL is a value like any other.

Different keys give different bits: those of at most 128 bits are only mixed, which can be undone; others are hashed.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flowc.runtime.streams.keyed.hashes import Hasher, canonical, numbers

_ONE, _TWO = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
_NULL = np.uint64(0)
"""Both halves of a NULL that is a key by itself: no value is known that is hashed to it."""
_ODD, _BACK = np.uint64(0x9E3779B97F4A7C15), np.uint64(33)


class GroupKeys:
    """The bits of keys whose columns are of some types. Raises TypeError for a type that is none of keys."""

    def __init__(self, types: Sequence[pa.DataType]) -> None:
        self._widths = [_width(kind) for kind in types]
        for kind in types:
            canonical(pa.array([], kind))
        short = sum(width + 1 if width else 129 for width in self._widths) <= 128
        self._hasher = None if short else Hasher()

    def __call__(self, columns: Sequence[pa.Array], count: int) -> tuple[Any, Any]:
        """The upper and lower 64 bits (numpy uint64) of the key of each of `count` rows."""
        if self._hasher is None:
            return self._mixed(columns, count)
        if len(columns) == 1:
            hi, lo = self._hasher([_filled(columns[0])])
            null = _nulls(columns, count)[:, 0] > 0
            return np.where(null, _NULL, hi), np.where(null, _NULL, lo)
        parts = [_nulls(columns, count), *map(self._bytes, columns)]
        rows = np.ascontiguousarray(np.concatenate(parts, axis=1))
        width = rows.shape[1]
        whole = pa.Array.from_buffers(pa.binary(width), count, [None, pa.py_buffer(rows)])
        return self._hasher([whole.cast(pa.binary())])

    def _mixed(self, columns: Sequence[pa.Array], count: int) -> tuple[Any, Any]:
        words, place = [np.empty(0, np.uint64), np.empty(0, np.uint64)], 0
        """Empty as long as nothing is in them."""
        for column, width in zip(columns, self._widths, strict=True):
            values = numbers(_filled(column)).astype(np.int64, copy=False).view(np.uint64)
            if width < 64:
                values = values & np.uint64((1 << width) - 1)
            _put(words, place, values, width)
            place += width
        for column in columns:
            if column.null_count:
                _put(words, place, pc.is_null(column).to_numpy(zero_copy_only=False).astype(np.uint64), 1)
            place += 1
        low, high = (word if len(word) else np.zeros(count, np.uint64) for word in words)
        if not high.max(initial=0):
            return _mix(low), high
        lower = _mix(high)
        return _mix(low + lower * _ODD), lower

    def _bytes(self, column: pa.Array) -> Any:
        """As many bytes for each value."""
        assert self._hasher is not None
        values = canonical(_filled(column))
        if _width(column.type) or pa.types.is_decimal(column.type):
            width = 8 if _width(column.type) else column.type.bit_width // 8
            return np.frombuffer(values.buffers()[2] or b"", np.uint8)[: len(values) * width].reshape(-1, width)
        digests = self._hasher.digests(values)
        return np.frombuffer(digests.buffers()[1], np.uint8).reshape(-1, 32)


def with_one_zero(rows: pa.RecordBatch, keys: Sequence[str]) -> pa.RecordBatch:
    """Rows in whose keys each zero of a float is 0.0: as -0.0 is the same key, it is to come out the same."""
    for name in keys:
        if pa.types.is_floating(rows.column(name).type):
            place = rows.schema.get_field_index(name)
            column = pc.add(rows.column(place), pa.scalar(0.0, rows.column(place).type))
            rows = rows.set_column(place, rows.schema.field(place), column)
    return rows


def _width(kind: pa.DataType) -> int:
    """How many bits values of a type have at most; 0 where these are more than 64, or any number."""
    if pa.types.is_floating(kind):
        return 64
    if pa.types.is_boolean(kind):
        return 1
    return kind.bit_width if pa.types.is_integer(kind) or pa.types.is_temporal(kind) else 0


def _filled(column: pa.Array) -> pa.Array:
    """NULLs as some value, which does not matter."""
    if not column.null_count:
        return column
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pc.fill_null(column, "")
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return pc.fill_null(column.cast(pa.binary()), b"")
    nothing = Decimal(0) if pa.types.is_decimal(kind) else False if pa.types.is_boolean(kind) else 0
    return pc.fill_null(column, pa.scalar(nothing, kind))


def _nulls(columns: Sequence[pa.Array], count: int) -> Any:
    marks = [pc.is_null(column).to_numpy(zero_copy_only=False) for column in columns]
    return np.stack(marks, axis=1).astype(np.uint8) if marks else np.zeros((count, 0), np.uint8)


def _put(words: list[Any], place: int, values: Any, width: int) -> None:
    """Puts values of some bits behind others, which end at a place, into two words."""
    word, shift = divmod(place, 64)
    _or(words, word, values << np.uint64(shift) if shift else values)
    if shift + width > 64:
        _or(words, 1, values >> np.uint64(64 - shift))


def _or(words: list[Any], word: int, values: Any) -> None:
    words[word] = words[word] | values if len(words[word]) else values


def _mix(values: Any) -> Any:
    """Bits that all depend on all bits of values, which can be told from them."""
    mixed = values ^ (values >> _BACK)
    mixed *= _ONE
    mixed ^= mixed >> _BACK
    mixed *= _TWO
    mixed ^= mixed >> _BACK
    return mixed
