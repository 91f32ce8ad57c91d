"""The parts of aggregates: what is kept of each group, and shared by all aggregates that are made of it."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from flowc.runtime.streams.keyed.slots import grown


class Part(Protocol):
    """What is kept of each group, by slot. Used by one thread."""

    fields: list[pa.Field]
    """The columns in which it is kept."""

    @property
    def nbytes(self) -> int:
        """What it takes in memory."""

    def grow(self, count: int) -> None:
        """Makes room for so many slots."""

    def add(self, slots: Any, values: pa.Array, times: Any) -> None:
        """Adds rows, in their order: the slot, the argument and the event time (microseconds) of each."""

    def combine(self, slots: Any, other: Any, others: Any) -> None:
        """Adds what another part of its kind keeps in some slots."""

    def take(self, slots: Any) -> list[pa.Array]:
        """What is kept of some groups."""

    def put(self, slots: Any, state: list[pa.Array]) -> None:
        """The other way round."""

    def clear(self, slots: Any) -> None:
        """As before there were rows."""


class Numbers:
    """What parts have in common that keep columns of numbers of 64 bits alone."""

    def __init__(self, names: list[str], kind: Any, fill: Any = 0) -> None:
        self.fields = [pa.field(name, pa.from_numpy_dtype(kind)) for name in names]
        self._fill = fill
        self.columns: list[Any] = [np.empty(0, kind) for _ in names]

    @property
    def nbytes(self) -> int:
        """What it takes in memory."""
        return sum(column.nbytes for column in self.columns)

    def grow(self, count: int) -> None:
        """Makes room for so many slots."""
        self.columns = [grown(column, count, self._fill) for column in self.columns]

    def take(self, slots: Any) -> list[pa.Array]:
        """What is kept of some groups."""
        return [pa.array(column[slots]) for column in self.columns]

    def put(self, slots: Any, state: list[pa.Array]) -> None:
        """The other way round."""
        for column, kept in zip(self.columns, state, strict=True):
            column[slots] = kept.to_numpy()

    def clear(self, slots: Any) -> None:
        """As before there were rows."""
        for column in self.columns:
            column[slots] = self._fill


class Count(Numbers):
    """How many rows there were."""

    def __init__(self, name: str) -> None:
        super().__init__([name], np.int64)

    def add(self, slots: Any, values: pa.Array | None, times: Any) -> None:
        """Adds rows."""
        np.add.at(self.columns[0], slots, 1)

    def combine(self, slots: Any, other: Count, others: Any) -> None:
        """Adds what another one keeps."""
        np.add.at(self.columns[0], slots, other.columns[0][others])

    def of(self, slots: Any) -> Any:
        """The counts of some slots."""
        return self.columns[0][slots]


NEVER = -(2**63)
"""The step before there was any time."""


class Steps(Numbers):
    """In which step of time a group changed last; `now` is the one that it is."""

    def __init__(self, name: str) -> None:
        super().__init__([name], np.int64, NEVER)
        self.now = NEVER

    def add(self, slots: Any, values: pa.Array | None, times: Any) -> None:
        """Adds rows."""
        self.columns[0][slots] = self.now

    def combine(self, slots: Any, other: Steps, others: Any) -> None:
        """Takes the later one."""
        np.maximum.at(self.columns[0], slots, other.columns[0][others])

    def of(self, slots: Any) -> Any:
        """The steps of some slots."""
        return self.columns[0][slots]


class Floats(Numbers):
    """The sum of floats, added one by one in the order of the rows."""

    def __init__(self, name: str) -> None:
        super().__init__([name], np.float64)

    def add(self, slots: Any, values: pa.Array, times: Any) -> None:
        """Adds rows."""
        with np.errstate(all="ignore"):
            np.add.at(self.columns[0], slots, values.cast(pa.float64()).to_numpy(zero_copy_only=False))

    def combine(self, slots: Any, other: Floats, others: Any) -> None:
        """Adds what another one keeps."""
        with np.errstate(all="ignore"):
            np.add.at(self.columns[0], slots, other.columns[0][others])

    def of(self, slots: Any) -> Any:
        """The sums of some slots."""
        return self.columns[0][slots]
