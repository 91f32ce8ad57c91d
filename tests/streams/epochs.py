"""Epochs for tests of targets, made by hand."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from flowc.errors import FlowcError
from flowc.runtime.contracts.epoch import Epoch, Intent, Range

ROWS = pa.schema([("id", pa.int64()), ("name", pa.string())])


class Cut(FlowcError):
    """The worker ends here."""

    def __init__(self) -> None:
        super().__init__("cut", code="cut")


class CutAt:
    """Ends the worker at the n-th time that a named point is passed."""

    def __init__(self, point: str, after: int = 0) -> None:
        self.point, self.left = point, after

    def __call__(self, point: str) -> None:
        if point == self.point:
            self.left -= 1
            if self.left < 0:
                raise Cut


def epoch(number: int, rows: pa.RecordBatch, dead: pa.RecordBatch | None = None, size: int = 10) -> Epoch:
    """The epoch of that number, which read `size` messages of partition 0."""
    start = (number - 1) * size
    return Epoch(Intent(number, 0, (Range.numbered("source", 0, start, start + size),)), rows, rows.num_rows, dead=dead)


def numbered(number: int, size: int = 10) -> pa.RecordBatch:
    """The rows of an epoch: ids that no other epoch has."""
    ids = range((number - 1) * size, number * size)
    return pa.RecordBatch.from_pylist([{"id": i, "name": f"n{i}"} for i in ids], schema=ROWS)


def numbers(count: int, size: int = 10) -> Sequence[Epoch]:
    """Epochs 1 to `count`."""
    return [epoch(number, numbered(number, size), size=size) for number in range(1, count + 1)]
