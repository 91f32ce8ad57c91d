"""How many different values there are: of few, these are kept themselves; of more, a sketch of Apache DataSketches.

What a group gives is exact for as long as it has few values. Sketches are kept as their bytes, in DataSketches' own
format, which names its version, and are objects only while something is added to them.
"""

from __future__ import annotations

import importlib
from collections import deque
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa

from flowc.runtime.streams.aggregates.gathered import Distinct
from flowc.runtime.streams.keyed.slots import SlotColumn, grown, slot_column

FEW = 512
"""Up to how many different values a group has no sketch."""
_LOG_SIZE = 12
"""The size of a CPC sketch: a standard error of 1.1 %, in 2.5 KB."""
WAITING = 1 << 18
"""So many values wait at least, of all groups, before those that have many are put into their sketches."""

Merge = Callable[[bytes, bytes], bytes]


class Approximate:
    """How many different values each group has, about: it depends on the set of these alone, to the last bit."""

    def __init__(self, name: str, kind: pa.DataType) -> None:
        self._few, self._sketches = Distinct(f"{name}#few", kind), slot_column(pa.binary())
        """The values of groups that have no sketch, and sketches."""
        self.fields = [*self._few.fields, pa.field(f"{name}#cpc", pa.binary())]
        self._many = np.empty(0, bool)
        """Which have a sketch."""
        self._more: list[tuple[Any, Any]] = []
        """The slots and the bits of values that are not in their sketches yet."""
        self._waiting, self._most = 0, WAITING

    @property
    def nbytes(self) -> int:
        """What it takes in memory."""
        return self._few.nbytes + self._sketches.nbytes + int(self._many.nbytes) + 16 * self._waiting

    def grow(self, count: int) -> None:
        """Makes room for so many slots."""
        self._few.grow(count)
        self._sketches.grow(count)
        self._many = grown(self._many, count)

    def add(self, slots: Any, values: pa.Array, times: Any) -> None:
        """Adds rows."""
        (hi, lo), many = self._few.bits(values), self._many[slots]
        if many.any():
            self._wait(slots[many], hi[many])
            slots, hi, lo = slots[~many], hi[~many], lo[~many]
        self._few.insert(hi, lo, slots)
        if self._waiting > WAITING or len(self._few) > self._most:
            self._settle()
            self._most = max(WAITING, 2 * len(self._few))

    def combine(self, slots: Any, other: Approximate, others: Any) -> None:
        """Adds what another one keeps."""
        other._settle()
        there = other._many[others]
        self._few.combine(slots[~there], other._few, others[~there])
        put_together(self._sketches, slots[there], other._sketches.take(others[there]), _union)
        self._many[slots[there]] = True

    def of(self, slots: Any) -> Any:
        """How many there are in some groups, about."""
        self._settle()
        counts, many = self._few.of(slots), self._many[slots]
        counts[many] = [round(_counted(data).get_estimate()) for data in self._sketches.take(slots[many]).to_pylist()]
        return counts

    def take(self, slots: Any) -> list[pa.Array]:
        """What is kept of some groups: the same of equal sets."""
        self._settle()
        return [*self._few.take(slots), self._sketches.take(slots)]

    def put(self, slots: Any, state: list[pa.Array]) -> None:
        """The other way round."""
        self._few.put(slots, state[:1])
        self._sketches.put(slots, state[1])
        self._many[slots] = state[1].is_valid().to_numpy(zero_copy_only=False)

    def clear(self, slots: Any) -> None:
        """As before there were rows."""
        self._settle()
        self._few.clear(slots)
        self._sketches.clear(slots)
        self._many[slots] = False

    def _wait(self, slots: Any, bits: Any) -> None:
        self._more.append((slots, bits))
        self._waiting += len(slots)

    def _settle(self) -> None:
        """Puts values into the sketches of those that have one, or have more values than a few."""
        counts = self._few.of(slice(None))
        many = np.flatnonzero((counts > FEW) | (self._many & (counts > 0)))
        if len(many):
            parents, hi, _ = self._few.kept(many)
            self._wait(many[parents], hi)
            self._few.clear(many)
        if not self._more:
            return
        columns = zip(*self._more, strict=True)
        slots, bits = (np.concatenate(column) for column in columns)
        order = np.argsort(slots, kind="stable")
        found, starts = np.unique(slots[order], return_index=True)
        parts = np.split(bits[order].view(np.int64), starts[1:])
        before = self._sketches.take(found).to_pylist()
        made = [_with(data, part.tolist()) for data, part in zip(before, parts, strict=True)]
        self._sketches.put(found, pa.array(made, pa.binary()))
        self._many[found] = True
        self._more, self._waiting = [], 0


@cache
def library() -> ModuleType:
    """Apache DataSketches, which is loaded for the first sketch."""
    return importlib.import_module("datasketches")


def _with(data: bytes | None, values: list[int]) -> bytes:
    """A CPC sketch with values more."""
    sketch = library().cpc_sketch(_LOG_SIZE)
    deque(map(sketch.update, values), 0)
    return _joined(sketch, *([] if data is None else [_counted(data)]))


def _union(one: bytes, other: bytes) -> bytes:
    return _joined(_counted(one), _counted(other))


def _joined(*sketches: Any) -> bytes:
    """What comes of a union does not tell in which order it was made."""
    union = library().cpc_union(_LOG_SIZE)
    for sketch in sketches:
        union.update(sketch)
    made: bytes = union.get_result().serialize()
    return made


def _counted(data: bytes) -> Any:
    return library().cpc_sketch.deserialize(data)


def put_together(kept: SlotColumn, slots: Any, sketches: pa.Array, both: Merge) -> None:
    """Puts sketches to those of slots, in their order; any slot may come more than once."""
    there = np.flatnonzero(sketches.is_valid().to_numpy(zero_copy_only=False))
    slots, sketches = slots[there], sketches.take(pa.array(there))
    asked, place = np.unique(slots, return_inverse=True)
    made = kept.take(asked).to_pylist()
    for number, data in zip(place.tolist(), sketches.to_pylist(), strict=True):
        before = made[number]
        made[number] = data if before is None else both(before, data)
    kept.put(asked, pa.array(made, pa.binary()))
