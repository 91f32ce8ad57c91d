"""Operators one behind the other: what comes out of one goes into the next."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from flowc.runtime.streams.epoch import END
from flowc.runtime.streams.operators.contract import Operator


def chained(operators: Sequence[Operator], rows: pa.RecordBatch, source: str, at: int | None) -> pa.RecordBatch:
    """What becomes of an epoch's rows; `at` is the watermark before them, or `END`.

    What that watermark lets out of one operator goes through the next one before the watermark does: it is older than
    what is still to come.
    """
    older: list[pa.RecordBatch] = []
    for operator in operators:
        older = [operator.process(batch, source) for batch in older]
        older = [batch for batch in (*older, _let_out(operator, at)) if batch is not None and batch.num_rows]
        rows = operator.process(rows, source)
    return pa.concat_batches([*older, rows]) if older else rows


def _let_out(operator: Operator, at: int | None) -> pa.RecordBatch | None:
    if at is None:
        return None
    return operator.on_end() if at == END else operator.on_watermark(at)
