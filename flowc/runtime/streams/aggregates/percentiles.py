"""Percentiles: numbers are kept as they are while a group has few of them, and in a t-digest where it has more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from flowc.runtime.streams.aggregates.gathered import listed, matched
from flowc.runtime.streams.aggregates.part import Numbers
from flowc.runtime.streams.aggregates.sketches import WAITING, library, put_together
from flowc.runtime.streams.keyed.slots import slot_column

FEW = 1024
"""So many numbers go into the digest at once; with fewer, a group has none."""
_CENTROIDS = 400
"""The size of a t-digest: 8.5 KB, and a rank that is at most 1 % beside, at both ends much less."""


_OUTER: tuple[Callable[[Any], Any], ...] = (np.isneginf, np.isposinf, np.isnan)


class Percentiles:
    """The numbers of each group, from which any percentile is told; NaN is greater than all others.

    They go into the digest so many at a time, counted from the first of the group: so it depends on the order of the
    rows alone, and neither on their batches nor on when it is asked.
    """

    def __init__(self, name: str) -> None:
        self._outer = Numbers([f"{name}#below", f"{name}#above", f"{name}#nan"], np.int64)
        """How many there are that no digest takes: minus infinity, infinity, and NaN."""
        self._digests = slot_column(pa.binary())
        kept = pa.field(f"{name}#values", pa.list_(pa.float64())), pa.field(f"{name}#tdigest", pa.binary())
        self.fields = [*self._outer.fields, *kept]
        self._slots, self._values = np.empty(0, np.int64), np.empty(0, np.float64)
        """The numbers that are in no digest yet, in their order."""
        self._more: list[tuple[Any, Any]] = []
        self._waiting, self._most, self._size = 0, WAITING, 0
        self._asked: tuple[Any, tuple[list[Any], _Inner]] | None = None
        """What was asked of last, and its numbers, until something changes."""

    @property
    def nbytes(self) -> int:
        """What it takes in memory."""
        return self._outer.nbytes + self._digests.nbytes + 16 * self._waiting

    def grow(self, count: int) -> None:
        """Makes room for so many slots."""
        self._outer.grow(count)
        self._digests.grow(count)
        self._size = max(self._size, count)

    def add(self, slots: Any, values: pa.Array, times: Any) -> None:
        """Adds rows."""
        numbers = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        finite = np.isfinite(numbers)
        if not finite.all():
            for column, found in zip(self._outer.columns, _OUTER, strict=True):
                np.add.at(column, slots[found(numbers)], 1)
            slots, numbers = slots[finite], numbers[finite]
        self._wait(slots, numbers)
        if self._waiting > self._most:
            self._settle()
            self._most = max(WAITING, 2 * self._waiting)

    def combine(self, slots: Any, other: Percentiles, others: Any) -> None:
        """Adds what another one keeps."""
        self._settle()
        below, above, nan, values, digests = other.take(others)
        for column, more in zip(self._outer.columns, (below, above, nan), strict=True):
            np.add.at(column, slots, more.to_numpy())
        put_together(self._digests, slots, digests, _merged)
        self._wait(slots[values.value_parent_indices().to_numpy()], values.flatten().to_numpy())

    def of(self, slots: Any, level: float) -> pa.Array:
        """The numbers below which `level` of those of some groups are, from 0 to 1; NULL where there are none."""
        outer, inner = self._sorted(slots)
        first, last = outer[0], outer[0] + inner.counts
        count = last + outer[1] + outer[2]
        at = level * np.maximum(count - 1, 0)

        def number(places: Any) -> Any:
            """Those of some places in the order of all, one for each group."""
            bounds = [places < first, places < last, places < last + outer[1]]
            return np.select(bounds, [-np.inf, inner.at(places - first), np.inf], np.nan)

        low = np.floor(at)
        part, lower, upper = at - low, number(low), number(np.ceil(at))
        with np.errstate(invalid="ignore"):
            found = np.where(part == 0, lower, lower + part * (upper - lower))
        return pa.array(np.where(lower == upper, lower, found), mask=count == 0)

    def _sorted(self, slots: Any) -> tuple[list[Any], _Inner]:
        """The numbers of some groups in their order, which several percentiles are taken of one after the other."""
        if self._asked is None or self._asked[0] is not slots:
            *outer, values, digests = self.take(slots)
            self._asked = slots, ([column.to_numpy() for column in outer], _Inner(values, digests))
        return self._asked[1]

    def take(self, slots: Any) -> list[pa.Array]:
        """What is kept of some groups."""
        self._settle()
        asked, rows = matched(slots, self._slots, self._size)
        order = np.argsort(asked, kind="stable")
        values = listed(asked[order], pa.array(self._values[rows[order]]), len(slots))
        return [*self._outer.take(slots), values, self._digests.take(slots)]

    def put(self, slots: Any, state: list[pa.Array]) -> None:
        """The other way round."""
        self._outer.put(slots, state[:3])
        self._digests.put(slots, state[4])
        self._wait(slots[state[3].value_parent_indices().to_numpy()], state[3].flatten().to_numpy())

    def clear(self, slots: Any) -> None:
        """As before there were rows."""
        self._asked = None
        self._gather()
        gone = np.zeros(self._size, bool)
        gone[slots] = True
        self._keep(~gone[self._slots])
        self._outer.clear(slots)
        self._digests.clear(slots)

    def _wait(self, slots: Any, numbers: Any) -> None:
        self._asked = None
        self._more.append((slots, numbers + 0.0))
        self._waiting += len(slots)

    def _gather(self) -> None:
        if self._more:
            slots, values = zip(*self._more, strict=True)
            self._slots, self._values = np.concatenate([self._slots, *slots]), np.concatenate([self._values, *values])
            self._more = []

    def _keep(self, chosen: Any) -> None:
        if not chosen.all():
            self._slots, self._values = self._slots[chosen], self._values[chosen]
        self._waiting = len(self._slots)

    def _settle(self) -> None:
        """Puts numbers into digests, wherever a group has enough of them."""
        self._gather()
        counts = np.bincount(self._slots, minlength=self._size)
        slots = np.flatnonzero(counts >= FEW)
        if not len(slots):
            return
        order, starts = np.argsort(self._slots, kind="stable"), np.cumsum(counts) - counts
        whole, values = counts - counts % FEW, self._values[order]
        parts = (values[begin : begin + size] for begin, size in zip(starts[slots], whole[slots], strict=True))
        before = self._digests.take(slots).to_pylist()
        made = [_digested(data, part) for data, part in zip(before, parts, strict=True)]
        self._digests.put(slots, pa.array(made, pa.binary()))
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order)) - np.repeat(starts, counts)
        self._keep(place >= whole[self._slots])


class _Inner:
    """The finite numbers of some groups in their order: those of lists as they are, or about, by digests."""

    def __init__(self, lists: pa.Array, digests: pa.Array) -> None:
        parents, values = lists.value_parent_indices().to_numpy(), lists.flatten().to_numpy()
        self._values, self.counts = values[np.lexsort((values, parents))], np.bincount(parents, minlength=len(lists))
        self._starts = np.cumsum(self.counts) - self.counts
        self._digests = dict[int, Any]()
        for place in np.flatnonzero(digests.is_valid().to_numpy(zero_copy_only=False)).tolist():
            digest = self._digests[place] = _digest(digests[place].as_py())
            begin = self._starts[place]
            digest.update(values[begin : begin + self.counts[place]].copy())  # it takes none that are read-only
            self.counts[place] = digest.get_total_weight()

    def at(self, places: Any) -> Any:
        """Of each group the number of a place; anything where there is none."""
        if not len(self._values) and not self._digests:
            return np.zeros(len(places))
        inside = np.clip(places, 0, np.maximum(self.counts - 1, 0)).astype(np.int64)
        rows = self._starts + inside
        found = self._values[np.minimum(rows, len(self._values) - 1)] if len(self._values) else np.zeros(len(places))
        for place, digest in self._digests.items():
            found[place] = digest.get_quantile((inside[place] + 0.5) / self.counts[place])
        return found


def _digest(data: bytes | None) -> Any:
    kind = library().tdigest_double
    return kind(_CENTROIDS) if data is None else kind.deserialize(data)


def _digested(data: bytes | None, values: Any) -> bytes:
    """A t-digest with numbers more, of which there are whole portions."""
    digest = _digest(data)
    for portion in values.reshape(-1, FEW):
        digest.update(portion)
        digest.compress()
    made: bytes = digest.serialize()
    return made


def _merged(one: bytes, other: bytes) -> bytes:
    digest = _digest(one)
    digest.merge(_digest(other))
    made: bytes = digest.serialize()
    return made
