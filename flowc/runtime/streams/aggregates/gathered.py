"""What is kept of every row of a group: its different values, or all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from flowc.runtime.streams.keyed.groupkeys import GroupKeys
from flowc.runtime.streams.keyed.index import Index
from flowc.runtime.streams.keyed.slots import grown

_BITS = pa.binary(16)


class Distinct:
    """The different values of each group, as the 128 bits of a key."""

    def __init__(self, name: str, kind: pa.DataType) -> None:
        self.fields = [pa.field(name, pa.list_(_BITS))]
        self._bits, self._pairs = GroupKeys([kind]), Index()
        """Bits of values, and the slots of their groups in the place of a time."""
        self._counts: Any = np.empty(0, np.int64)

    def __len__(self) -> int:
        return len(self._pairs)

    @property
    def nbytes(self) -> int:
        """What it takes in memory."""
        return self._pairs.nbytes + int(self._counts.nbytes)

    def grow(self, count: int) -> None:
        """Makes room for so many slots."""
        self._counts = grown(self._counts, count)

    def add(self, slots: Any, values: pa.Array, times: Any) -> None:
        """Adds rows."""
        self.insert(*self.bits(values), slots)

    def bits(self, values: pa.Array) -> tuple[Any, Any]:
        """The upper and lower 64 bits by which values are told apart."""
        return self._bits([values], len(values))

    def insert(self, hi: Any, lo: Any, slots: Any) -> None:
        """Adds values by their bits."""
        _, new = self._pairs.add(hi, lo, slots)
        np.add.at(self._counts, slots[new], 1)

    def combine(self, slots: Any, other: Distinct, others: Any) -> None:
        """Adds what another one keeps."""
        parents, hi, lo = other.kept(others)
        self.insert(hi, lo, slots[parents])

    def of(self, slots: Any) -> Any:
        """How many there are in some groups."""
        return self._counts[slots]

    def take(self, slots: Any) -> list[pa.Array]:
        """What is kept of some groups: the same of equal sets."""
        parents, hi, lo = self.kept(slots)
        order = np.lexsort((lo, hi, parents))
        bits = np.stack([hi[order], lo[order]], axis=1)
        values = pa.Array.from_buffers(_BITS, len(bits), [None, pa.py_buffer(np.ascontiguousarray(bits))])
        return [listed(parents, values, len(slots))]

    def put(self, slots: Any, state: list[pa.Array]) -> None:
        """The other way round."""
        values = state[0].flatten()
        bits = np.frombuffer(values.buffers()[1] or b"", np.uint64)[2 * values.offset :][: 2 * len(values)]
        parents = state[0].value_parent_indices().to_numpy()
        self.insert(bits[::2].copy(), bits[1::2].copy(), slots[parents])

    def clear(self, slots: Any) -> None:
        """As before there were rows."""
        gone = np.zeros(len(self._counts), bool)
        gone[slots] = True
        pairs = self._pairs.slots()
        self._pairs.remove(pairs[gone[self._pairs.at[pairs]]])
        self._counts[slots] = 0

    def kept(self, slots: Any) -> tuple[Any, Any, Any]:
        """The values of some groups, which may be asked for more than once: the place in `slots`, and their bits."""
        pairs = self._pairs.slots()
        asked, rows = matched(slots, self._pairs.at[pairs], len(self._counts))
        return asked, self._pairs.hi[pairs[rows]], self._pairs.lo[pairs[rows]]


class Listed:
    """All values of each group, NULLs too, by event time; those of one time in the order in which they came."""

    def __init__(self, name: str, kind: pa.DataType) -> None:
        self.fields = [pa.field(f"{name}#at", pa.list_(pa.int64())), pa.field(name, pa.list_(kind))]
        self._slots: Any = np.empty(0, np.int64)
        self._times: Any = np.empty(0, np.int64)
        self._parts = [pa.array([], kind)]
        self._more: list[tuple[Any, Any]] = []
        self._size = 0

    @property
    def nbytes(self) -> int:
        """What it takes in memory."""
        numbers = [self._slots, self._times, *(each for pair in self._more for each in pair)]
        return sum(int(each.nbytes) for each in numbers) + sum(int(part.nbytes) for part in self._parts)

    def grow(self, count: int) -> None:
        """Makes room for so many slots."""
        self._size = max(self._size, count)

    def add(self, slots: Any, values: pa.Array, times: Any) -> None:
        """Adds rows."""
        self._more.append((slots, times))
        # A slice would hold on to the whole batch that it is of.
        self._parts.append(values.take(pa.array(np.arange(len(values)))))

    def combine(self, slots: Any, other: Listed, others: Any) -> None:
        """Adds what another one keeps."""
        self.put(slots, other.take(others))

    def of(self, slots: Any) -> pa.Array:
        """The lists of some groups; empty ones where there were no rows."""
        return self.take(slots)[1]

    def take(self, slots: Any) -> list[pa.Array]:
        """What is kept of some groups: the times and the values, in their order."""
        kept = self._gathered()
        asked, rows = matched(slots, self._slots, self._size)
        order = np.lexsort((rows, self._times[rows], asked))
        asked, rows = asked[order], rows[order]
        columns = pa.array(self._times[rows]), kept.take(pa.array(rows))
        return [listed(asked, column, len(slots)) for column in columns]

    def put(self, slots: Any, state: list[pa.Array]) -> None:
        """The other way round."""
        times, values = state
        self.add(slots[values.value_parent_indices().to_numpy()], values.flatten(), times.flatten().to_numpy())

    def clear(self, slots: Any) -> None:
        """As before there were rows."""
        kept, gone = self._gathered(), np.zeros(self._size, bool)
        gone[slots] = True
        stays = ~gone[self._slots]
        if not stays.all():
            self._parts = [kept.filter(pa.array(stays))]
            self._slots, self._times = self._slots[stays], self._times[stays]

    def _gathered(self) -> pa.Array:
        if self._more:
            self._parts = [pa.concat_arrays(self._parts)]
            slots, times = zip(*self._more, strict=True)
            self._slots, self._times = np.concatenate([self._slots, *slots]), np.concatenate([self._times, *times])
            self._more = []
        return self._parts[0]


def matched(slots: Any, kept: Any, size: int) -> tuple[Any, Any]:
    """For slots, any of them more than once: places in `slots`, and the rows of `kept` that are of the slot there."""
    count = np.bincount(slots, minlength=size)
    first = np.cumsum(count) - count
    order = np.argsort(slots, kind="stable")
    rows = np.flatnonzero(count[kept])
    times = count[kept[rows]]
    within = np.arange(int(times.sum())) - np.repeat(np.cumsum(times) - times, times)
    return order[np.repeat(first[kept[rows]], times) + within], np.repeat(rows, times)


def listed(parents: Any, values: pa.Array, count: int) -> pa.Array:
    """So many lists, of values that lie list by list."""
    offsets = np.zeros(count + 1, np.int32)
    np.cumsum(np.bincount(parents, minlength=count), out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), values)
