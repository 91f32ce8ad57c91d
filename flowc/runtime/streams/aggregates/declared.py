"""Aggregate functions of a project: what is kept of each group are the columns of the state that it declares.

The author's object lives for one call. It gets the state, the rows of its group in a batch, and gives the state again:
so what comes out is the same whether the stream went on or began again in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from flowc.runtime.engine.functions import Aggregate
from flowc.runtime.streams.aggregates.part import Count
from flowc.runtime.streams.keyed.slots import slot_column


class Declared:
    """One aggregate function, by slots."""

    def __init__(self, name: str, aggregate: Aggregate) -> None:
        self._aggregate, self._rows = aggregate, Count(f"{name}#rows")
        """How many rows there were: of none, there is no state."""
        kept = [pa.field(f"{name}#{place}", kind) for place, kind in enumerate(aggregate.state)]
        self._states = [slot_column(field.type) for field in kept]
        self.fields = [*self._rows.fields, *kept]

    @property
    def nbytes(self) -> int:
        """What it takes in memory."""
        return self._rows.nbytes + sum(column.nbytes for column in self._states)

    def grow(self, count: int) -> None:
        """Makes room for so many slots."""
        self._rows.grow(count)
        for column in self._states:
            column.grow(count)

    def add(self, slots: Any, values: Sequence[pa.Array], times: Any) -> None:
        """Adds rows. Raises DataError (`function-failed`) where the author's code fails."""
        found, order, starts, counts = _by_slot(slots)
        columns = [column.take(pa.array(order)) for column in values]
        before, known = [column.take(found) for column in self._states], self._rows.of(found) > 0
        made = list[list[pa.Scalar]]()
        for place, (start, count) in enumerate(zip(starts.tolist(), counts.tolist(), strict=True)):
            own = self._aggregate.begin()
            if known[place]:
                self._aggregate.merge(own, [column.slice(place, 1) for column in before])
            self._aggregate.update(own, [column.slice(start, count) for column in columns])
            made.append(self._aggregate.state_of(own))
        self._put(found, made)
        self._rows.add(slots, None, None)

    def combine(self, slots: Any, other: Declared, others: Any) -> None:
        """Adds what another one keeps: that of each group is merged at once, in its order."""
        there = other._rows.of(others) > 0
        slots, others = slots[there], others[there]
        own = np.unique(slots)
        own = own[self._rows.of(own) > 0]
        found, order, starts, counts = _by_slot(np.concatenate([own, slots]))
        columns = [
            pa.concat_arrays([mine.take(own), theirs.take(others)]).take(pa.array(order))
            for mine, theirs in zip(self._states, other._states, strict=True)
        ]
        alone = counts == 1
        for kept, column in zip(self._states, columns, strict=True):
            kept.put(found[alone], column.take(pa.array(starts[alone])))
        pairs = zip(starts[~alone].tolist(), counts[~alone].tolist(), strict=True)
        self._put(found[~alone], [self._merged(columns, *each) for each in pairs])
        self._rows.combine(slots, other._rows, others)

    def of(self, slots: Any, kind: pa.DataType) -> pa.Array:
        """What the aggregate gives of some groups. Raises as `add`."""
        states, known = [column.take(slots) for column in self._states], self._rows.of(slots) > 0
        made = []
        for place in range(len(slots)):
            own = self._aggregate.begin()
            if known[place]:
                self._aggregate.merge(own, [column.slice(place, 1) for column in states])
            made.append(self._aggregate.evaluate(own))
        return pa.array(made, self._aggregate.gives).cast(kind)

    def take(self, slots: Any) -> list[pa.Array]:
        """What is kept of some groups."""
        return [*self._rows.take(slots), *(column.take(slots) for column in self._states)]

    def put(self, slots: Any, state: list[pa.Array]) -> None:
        """The other way round."""
        self._rows.put(slots, state[:1])
        for column, kept in zip(self._states, state[1:], strict=True):
            column.put(slots, kept)

    def clear(self, slots: Any) -> None:
        """As before there were rows."""
        self._rows.clear(slots)
        for column in self._states:
            column.clear(slots)

    def _merged(self, states: Sequence[pa.Array], start: int, count: int) -> list[pa.Scalar]:
        own = self._aggregate.begin()
        self._aggregate.merge(own, [column.slice(start, count) for column in states])
        return self._aggregate.state_of(own)

    def _put(self, slots: Any, states: Sequence[Sequence[pa.Scalar]]) -> None:
        for place, (column, kind) in enumerate(zip(self._states, self._aggregate.state, strict=True)):
            column.put(slots, pa.array([state[place] for state in states], kind))


def _by_slot(slots: Any) -> tuple[Any, Any, Any, Any]:
    """The different slots, the order in which rows lie slot by slot, where in it those of each begin, and how many."""
    order = np.argsort(slots, kind="stable")
    found, starts, counts = np.unique(slots[order], return_index=True, return_counts=True)
    return found, order, starts, counts
