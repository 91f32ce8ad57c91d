"""What stands for operators whose messages have passed them before."""

from __future__ import annotations

import pyarrow as pa

from flowc.runtime.streams.operators.contract import NOTHING, Emitted, Stateless


class Passing(Stateless):
    """Lets all rows through; see `flowc.stream.StreamPlan.passing`."""

    def process(self, port: int, rows: pa.RecordBatch) -> Emitted:
        """The rows as they are."""
        return Emitted(rows)


class Taken(Stateless):
    """Nothing comes of rows that an operator has taken in before; see `flowc.stream.StreamPlan.passing`."""

    def process(self, port: int, rows: pa.RecordBatch) -> Emitted:
        """Nothing."""
        return NOTHING
