"""What stands for an operator whose messages have passed it before."""

from __future__ import annotations

import pyarrow as pa

from flowc.runtime.streams.operators.contract import Emitted, Stateless


class Passing(Stateless):
    """Lets all rows through; see `flowc.stream.StreamPlan.passing`."""

    def process(self, port: int, rows: pa.RecordBatch) -> Emitted:
        """The rows as they are."""
        return Emitted(rows)
