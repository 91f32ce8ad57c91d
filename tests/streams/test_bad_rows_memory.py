"""Batches with bad rows are let go as soon as they are done with, not when Python next looks for cycles."""

from __future__ import annotations

import gc
import weakref

import pyarrow as pa
import pytest

from flowc.nodes import ROW
from flowc.runtime.streams.rowwise import Rowwise
from flowc.runtime.streams.transform import Transform

SCHEMA = pa.schema([("amount", pa.string()), (ROW, pa.int64())])


@pytest.mark.parametrize("sql", ["CAST(amount AS bigint)", "1 / (length(amount) - 3)"])
def test_nothing_holds_a_batch_with_bad_rows(sql: str) -> None:
    rowwise = Rowwise(Transform(f"SELECT {sql} AS amount, {ROW} FROM source", {"source": SCHEMA}))
    batch = pa.record_batch([["1", "ten", "2"] * 300, list(range(900))], schema=SCHEMA)
    gone = weakref.ref(batch)
    gc.collect()
    gc.disable()
    try:
        made = rowwise({"source": batch}, "source")
        assert (made.rows.num_rows, len(made.failed)) == (600, 300)
        del batch, made
        assert gone() is None
    finally:
        gc.enable()
