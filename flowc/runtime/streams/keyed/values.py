"""The value columns of rows, found by the numbers of the rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa


@dataclass
class Values:
    """Batches of values in the order of the numbers of their rows; rows that are gone stay until half of all are.

    Each batch is made one with the one before when it has grown, so that there are few, and little is copied.
    """

    schema: pa.Schema
    _rows: list[Any] = field(default_factory=list)
    """The numbers, rising, of the rows of each batch."""
    _batches: list[pa.RecordBatch] = field(default_factory=list)
    _gone: int = 0

    @property
    def nbytes(self) -> int:
        """What they take in memory."""
        return sum(batch.nbytes for batch in self._batches)

    def add(self, rows: Any, values: pa.RecordBatch) -> None:
        """Adds those of rows whose numbers rise, and are greater than all before."""
        if not len(rows):
            return
        self._rows.append(rows)
        self._batches.append(values.cast(self.schema))
        while len(self._batches) > 1 and self._batches[-2].num_rows <= 2 * self._batches[-1].num_rows:
            self._rows[-2:] = [np.concatenate(self._rows[-2:])]
            self._batches[-2:] = [pa.concat_batches(self._batches[-2:])]

    def take(self, rows: Any) -> pa.RecordBatch:
        """Those of some rows, in that order."""
        if not len(rows):
            return pa.RecordBatch.from_pylist([], schema=self.schema)
        places, offset = np.zeros(len(rows), np.int64), 0
        for numbers in self._rows:
            inside = (rows >= numbers[0]) & (rows <= numbers[-1])
            whole = numbers[-1] - numbers[0] == len(numbers) - 1
            places[inside] = offset + (rows[inside] - numbers[0] if whole else np.searchsorted(numbers, rows[inside]))
            offset += len(numbers)
        found = pa.Table.from_batches(self._batches, self.schema).take(pa.array(places)).combine_chunks()
        return found.to_batches()[0]

    def removed(self, count: int, left: Callable[[], Any]) -> None:
        """So many rows are gone, and `left` gives the numbers of those that are not."""
        self._gone += count
        if self._gone * 2 > sum(map(len, self._rows)):
            rows = np.sort(left())
            kept = self.take(rows)
            self._rows, self._batches, self._gone = [], [], 0
            self.add(rows, kept)
