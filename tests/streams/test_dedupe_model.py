"""`dedupe` against a model in plain Python that looks at every pair of rows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from flowc.nodes import DedupePlan
from flowc.runtime.contracts.state import Segment
from flowc.runtime.streams.operators.dedupe import Dedupe

Row = tuple[int | None, str | None, int]
"""Two key columns, and an event time."""
_SCHEMA = pa.schema(
    [("a", pa.int64()), ("b", pa.string()), ("_event_ts", pa.timestamp("us", "UTC")), ("n", pa.int64())]
)
_KEYS = st.sampled_from([(1, "x"), (1, "y"), (2, "x"), (12, ""), (1, "2"), (None, "x"), (1, None)])


def _operator(within: int) -> Dedupe:
    return Dedupe(DedupePlan("dedupe", ("source",), ("a", "b"), within, "f"))


def _batch(rows: list[Row], first: int) -> pa.RecordBatch:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    values = [
        {"a": a, "b": b, "_event_ts": epoch + timedelta(microseconds=at), "n": first + n}
        for n, (a, b, at) in enumerate(rows)
    ]
    return pa.RecordBatch.from_pylist(values, schema=_SCHEMA)


def model(epochs: list[list[Row]], watermarks: list[int | None], within: int) -> list[int]:
    """The numbers of the rows that are kept."""
    kept: list[Row] = []
    numbers, number = [], 0
    for rows, watermark in zip(epochs, watermarks, strict=True):
        for row in rows:
            a, b, at = row
            whole = a is not None and b is not None
            repeats = whole and any(
                (a, b) == (x, y) and abs(at - t) <= within and (watermark is None or t >= watermark - within)
                for x, y, t in kept
            )
            if not repeats:
                kept.append(row)
                numbers.append(number)
            number += 1
    return numbers


def _run(epochs: list[list[Row]], watermarks: list[int | None], within: int, restarts: set[int]) -> list[int]:
    operator, stored = _operator(within), list[Segment]()
    found: list[int] = []
    first = 0
    for number, (rows, watermark) in enumerate(zip(epochs, watermarks, strict=True)):
        if number in restarts:
            operator = _operator(within)
            operator.restore(stored)
        if watermark is not None:
            operator.on_watermark(0, watermark)
        kept = operator.process(0, _batch(rows, first)).rows
        assert kept is not None
        found += kept.column("n").to_pylist()
        first += len(rows)
        stored += [replace(segment, sequence=number) for segment in operator.snapshot()]
    return found


@settings(deadline=None)
@given(st.data())
def test_the_same_rows_as_the_model_whatever_restarts(data: st.DataObject) -> None:
    within = data.draw(st.sampled_from([0, 1, 7, 40, 1000]), "within")
    rows = st.tuples(_KEYS, st.integers(-50, 300)).map(lambda row: (*row[0], row[1]))
    epochs: list[list[Row]] = data.draw(st.lists(st.lists(rows, max_size=30), max_size=8), "epochs")
    steps = data.draw(st.lists(st.integers(0, 60), min_size=len(epochs), max_size=len(epochs)), "steps")
    begins = data.draw(st.integers(0, len(epochs)), "first watermark")
    watermarks = [sum(steps[: n + 1]) if n >= begins else None for n in range(len(epochs))]
    restarts = data.draw(st.sets(st.integers(0, 7)), "restarts")
    assert _run(epochs, watermarks, within, restarts) == model(epochs, watermarks, within)


@settings(deadline=None)
@given(st.lists(st.tuples(_KEYS, st.integers(0, 300)).map(lambda row: (*row[0], row[1])), max_size=60), st.data())
def test_batches_of_any_size_give_the_same_rows(rows: list[Row], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(rows)), max_size=6)))
    pieces = [rows[a:b] for a, b in zip([0, *cuts], [*cuts, len(rows)], strict=True)]
    none: list[int | None] = [None] * len(pieces)
    assert _run(pieces, none, 40, set()) == model([rows], [None], 40)
