"""The least and the greatest values, and the first and the last ones by event time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flowc.runtime.streams.aggregates.part import Numbers
from flowc.runtime.streams.keyed.slots import grown, slot_column

LEAST, MOST = -(2**63), 2**63 - 1
_SIGN = np.uint64(1 << 63)


class Fixed(Numbers):
    """The least or the greatest of values that are told by 64 bits."""

    def __init__(self, name: str, kind: pa.DataType, *, greatest: bool) -> None:
        super().__init__([name], np.int64, LEAST if greatest else MOST)
        self._kind, self._chosen = kind, np.maximum if greatest else np.minimum

    def add(self, slots: Any, values: pa.Array, times: Any) -> None:
        """Adds rows."""
        self._chosen.at(self.columns[0], slots, ordered(values))

    def combine(self, slots: Any, other: Fixed, others: Any) -> None:
        """Adds what another one keeps."""
        self._chosen.at(self.columns[0], slots, other.columns[0][others])

    def of(self, slots: Any) -> pa.Array:
        """The values of some slots; anything where there are none."""
        return unordered(self.columns[0][slots], self._kind)


class Referenced:
    """The least or the greatest of values of any type that has an order."""

    def __init__(self, name: str, kind: pa.DataType, *, greatest: bool) -> None:
        self.fields = [pa.field(name, kind)]
        self._values, self._greatest = slot_column(kind), greatest
        self._best = np.empty(0, np.int64)
        """`MOST` for each slot; of use within one call."""

    @property
    def nbytes(self) -> int:
        """What it takes in memory."""
        return self._values.nbytes + int(self._best.nbytes)

    def grow(self, count: int) -> None:
        """Makes room for so many slots."""
        self._values.grow(count)
        self._best = grown(self._best, count, MOST)

    def add(self, slots: Any, values: pa.Array, times: Any) -> None:
        """Adds rows."""
        kept = self._values.take(slots)
        beyond = (pc.greater if self._greatest else pc.less)(values, kept)
        chosen = pc.fill_null(beyond, True).to_numpy(zero_copy_only=False)
        rows = np.flatnonzero(chosen)
        if not len(rows):
            return
        found = values.take(pa.array(rows))
        rank = pc.rank(found, "descending" if self._greatest else "ascending", tiebreaker="first")
        slots, ranks = slots[rows], rank.to_numpy().astype(np.int64)
        np.minimum.at(self._best, slots, ranks)
        winners = np.flatnonzero(self._best[slots] == ranks)
        self._best[slots] = MOST
        self._values.put(slots[winners], found.take(pa.array(winners)))

    def combine(self, slots: Any, other: Referenced, others: Any) -> None:
        """Adds what another one keeps."""
        values = other.of(others)
        there = np.flatnonzero(values.is_valid().to_numpy(zero_copy_only=False))
        self.add(slots[there], values.take(pa.array(there)), None)

    def of(self, slots: Any) -> pa.Array:
        """The values of some slots."""
        return self._values.take(slots)

    def take(self, slots: Any) -> list[pa.Array]:
        """What is kept of some groups."""
        return [self._values.take(slots)]

    def put(self, slots: Any, state: list[pa.Array]) -> None:
        """The other way round."""
        self._values.put(slots, state[0])

    def clear(self, slots: Any) -> None:
        """As before there were rows."""
        self._values.clear(slots)


class Timed:
    """The first or the last value by event time, NULL too; of those of one time the first or the last that came."""

    def __init__(self, name: str, kind: pa.DataType, *, last: bool) -> None:
        self.fields = [pa.field(f"{name}#at", pa.int64()), pa.field(name, kind)]
        self._values, self._last, self._fill = slot_column(kind), last, LEAST if last else MOST
        self._times: Any = np.empty(0, np.int64)

    @property
    def nbytes(self) -> int:
        """What it takes in memory."""
        return self._values.nbytes + int(self._times.nbytes)

    def grow(self, count: int) -> None:
        """Makes room for so many slots."""
        self._values.grow(count)
        self._times = grown(self._times, count, self._fill)

    def add(self, slots: Any, values: pa.Array, times: Any) -> None:
        """Adds rows."""
        before = self._times[slots]
        rows = np.flatnonzero(times >= before if self._last else times < before)
        if not len(rows):
            return
        slots, times = slots[rows], times[rows]
        (np.maximum if self._last else np.minimum).at(self._times, slots, times)
        rows, slots = rows[there := self._times[slots] == times], slots[there]
        chosen = _one_each(slots if self._last else slots[::-1])
        rows, slots = (rows, slots) if self._last else (rows[::-1], slots[::-1])
        self._values.put(slots[chosen], values.take(pa.array(rows[chosen])))

    def combine(self, slots: Any, other: Timed, others: Any) -> None:
        """Adds what another one keeps."""
        there = np.flatnonzero(other._times[others] != self._fill)
        self.add(slots[there], other.of(others[there]), other._times[others[there]])

    def of(self, slots: Any) -> pa.Array:
        """The values of some slots."""
        return self._values.take(slots)

    def take(self, slots: Any) -> list[pa.Array]:
        """What is kept of some groups."""
        return [pa.array(self._times[slots]), self._values.take(slots)]

    def put(self, slots: Any, state: list[pa.Array]) -> None:
        """The other way round."""
        self._times[slots] = state[0].to_numpy()
        self._values.put(slots, state[1])

    def clear(self, slots: Any) -> None:
        """As before there were rows."""
        self._times[slots] = self._fill
        self._values.clear(slots)


def _one_each(slots: Any) -> Any:
    """The place of the last row of each slot."""
    order = np.argsort(slots, kind="stable")
    sorted_ = slots[order]
    return np.sort(order[np.append(sorted_[1:] != sorted_[:-1], True)])


def in_64_bits(kind: pa.DataType) -> bool:
    """Whether numbers of 64 bits tell all values of a type, in their order."""
    if pa.types.is_decimal(kind):
        return bool(kind.bit_width == 128 and kind.precision <= 18)
    fixed = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    return bool(fixed or (pa.types.is_temporal(kind) and not pa.types.is_interval(kind)))


def has_order(kind: pa.DataType) -> bool:
    """Whether one of two values of a type is the lesser one."""
    return in_64_bits(kind) or not (pa.types.is_nested(kind) or pa.types.is_interval(kind))


def ordered(values: pa.Array) -> Any:
    """Values without NULLs as numbers in their order: that of the engine, in which NaN is greater than any other."""
    kind = values.type
    if pa.types.is_decimal(kind):
        return np.frombuffer(values.buffers()[1], np.int64)[2 * values.offset :][: 2 * len(values) : 2]
    if pa.types.is_floating(kind):
        floats = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
        bits = np.where(np.isnan(floats), np.nan, floats).view(np.int64)
        return bits ^ ((bits >> 63) & MOST)
    if pa.types.is_uint64(kind):
        return (values.to_numpy(zero_copy_only=False) ^ _SIGN).view(np.int64)
    if pa.types.is_temporal(kind):
        values = values.cast(pa.int32() if kind.bit_width == 32 else pa.int64())
    return values.cast(pa.int64()).to_numpy(zero_copy_only=False)


def unordered(numbers: Any, kind: pa.DataType) -> pa.Array:
    """The values of numbers that `ordered` gave."""
    if pa.types.is_floating(kind):
        return pa.array((numbers ^ ((numbers >> 63) & MOST)).view(np.float64)).cast(kind)
    if pa.types.is_boolean(kind):
        return pa.array(numbers == 1)
    if pa.types.is_decimal(kind):
        numbers = np.stack([numbers, numbers >> 63], axis=1)
    elif pa.types.is_uint64(kind):
        numbers = numbers.view(np.uint64) ^ _SIGN
    else:
        numbers = numbers.astype(f"i{kind.bit_width // 8}")
    return pa.Array.from_buffers(kind, len(numbers), [None, pa.py_buffer(np.ascontiguousarray(numbers))])
