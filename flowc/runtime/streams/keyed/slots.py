"""Columns of values by slot: of a fixed width in place, all others by reference to arrays that are kept."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pyarrow as pa

_FEW, _SPARE = 65_536, 1 << 24
"""How many values of no slot are kept, and of how many bytes."""
_LARGE = 1 << 29
"""Bytes of an array that is left as it is: texts of more than 2 GiB are no array."""


def grown(column: Any, size: int, fill: Any = 0) -> Any:
    """A column with room for so many slots, and `fill` in the new ones."""
    return np.concatenate([column, np.full(size - len(column), fill, column.dtype)]) if size > len(column) else column


class SlotColumn(Protocol):
    """A value of one type for each slot, NULL before one is put."""

    @property
    def nbytes(self) -> int:
        """What it takes in memory."""

    def grow(self, count: int) -> None:
        """Makes room for so many slots."""

    def put(self, slots: Any, values: pa.Array, rows: Any = None) -> None:
        """Values of some slots, those of some rows or all; of several for one slot, the last."""

    def take(self, slots: Any) -> pa.Array:
        """The values of some slots."""

    def clear(self, slots: Any) -> None:
        """NULL again."""


def slot_column(kind: pa.DataType) -> SlotColumn:
    """A column for values of a type."""
    fixed = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_temporal(kind)
    return Fixed(kind) if fixed and kind.bit_width in _BITS and not pa.types.is_interval(kind) else Referenced(kind)


_BITS = {8: np.int8, 16: np.int16, 32: np.int32, 64: np.int64}


class Fixed:
    """Values of 8 to 64 bits, in place."""

    def __init__(self, kind: pa.DataType) -> None:
        self._kind = kind
        self._bits: Any = np.empty(0, _BITS[kind.bit_width])
        self._valid = np.empty(0, bool)

    @property
    def nbytes(self) -> int:
        """What it takes in memory."""
        return int(self._bits.nbytes + self._valid.nbytes)

    def grow(self, count: int) -> None:
        """Makes room for so many slots."""
        self._bits, self._valid = grown(self._bits, count), grown(self._valid, count)

    def put(self, slots: Any, values: pa.Array, rows: Any = None) -> None:
        """Values of some slots, those of some rows or all; of several for one slot, the last."""
        rows, offset = slice(None) if rows is None else rows, values.offset * self._bits.itemsize
        self._bits[slots] = np.frombuffer(values.buffers()[1], self._bits.dtype, len(values), offset)[rows]
        self._valid[slots] = values.is_valid().to_numpy(zero_copy_only=False)[rows] if values.null_count else True

    def take(self, slots: Any) -> pa.Array:
        """The values of some slots."""
        valid = self._valid[slots]
        nulls = None if valid.all() else pa.array(valid).buffers()[1]
        return pa.Array.from_buffers(self._kind, len(slots), [nulls, pa.py_buffer(self._bits[slots])])

    def clear(self, slots: Any) -> None:
        """NULL again."""
        self._valid[slots] = False


class Referenced:
    """Values of any type, in arrays that are made one when they have grown; those of no slot leave in time."""

    def __init__(self, kind: pa.DataType) -> None:
        self._kind = kind
        self._kept = [pa.array([], kind)]
        self._count = 0
        self._at = np.empty(0, np.int64)
        """Where the value of a slot is; -1 for none."""
        self._live = 0

    @property
    def nbytes(self) -> int:
        """What it takes in memory."""
        return int(self._at.nbytes) + self._bytes

    @property
    def _bytes(self) -> int:
        return sum(int(array.nbytes) for array in self._kept)

    def grow(self, count: int) -> None:
        """Makes room for so many slots."""
        self._at = grown(self._at, count, -1)

    def put(self, slots: Any, values: pa.Array, rows: Any = None) -> None:
        """Values of some slots, those of some rows or all; of several for one slot, the last."""
        if not len(slots):
            return
        self._live += int(np.count_nonzero(self._at[slots] < 0))
        self._at[slots] = np.arange(self._count, self._count + len(slots))
        # A slice would hold on to the whole batch that it is of.
        self._kept.append(values.take(pa.array(np.arange(len(values)) if rows is None else rows)))
        self._count += len(slots)
        while len(self._kept) > 1 and self._merges(*self._kept[-2:]):
            self._kept[-2:] = [pa.concat_arrays(self._kept[-2:])]
        if self._count > 2 * self._live + min(_FEW, _SPARE * self._count // max(self._bytes, 1)):
            self._compact()

    def take(self, slots: Any) -> pa.Array:
        """The values of some slots."""
        at = self._at[slots]
        places = pa.array(at, mask=at < 0)
        return self._kept[0].take(places) if len(self._kept) == 1 else self._gathered(at)

    def clear(self, slots: Any) -> None:
        """NULL again."""
        self._live -= int(np.count_nonzero(self._at[slots] >= 0))
        self._at[slots] = -1

    @staticmethod
    def _merges(large: pa.Array, small: pa.Array) -> bool:
        return len(large) <= 2 * len(small) and large.nbytes < _LARGE

    def _gathered(self, at: Any) -> pa.Array:
        """What is asked for of each array, put into the order in which it was asked for."""
        ends = np.cumsum([len(array) for array in self._kept])
        which = np.searchsorted(ends, at, side="right")
        parts, rows = list[pa.Array](), np.empty(len(at), np.int64)
        begin, count = 0, 0
        for number, array in enumerate(self._kept):
            mine = np.flatnonzero((which == number) & (at >= 0))
            parts.append(array.take(pa.array(at[mine] - begin)))
            rows[mine] = np.arange(count, count + len(mine))
            begin, count = int(ends[number]), count + len(mine)
        return pa.concat_arrays(parts).take(pa.array(rows, mask=at < 0))

    def _compact(self) -> None:
        slots = np.flatnonzero(self._at >= 0)
        self._kept = [self.take(slots)]
        self._at[slots] = np.arange(len(slots))
        self._count = self._live = len(slots)
