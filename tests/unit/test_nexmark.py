"""The queries of Nexmark give the rows of DuckDB, and those that nothing bounds are refused."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from benchmarks.nexmark import differing
from benchmarks.nexmark_events import AUCTION, BID, PERSON, blocks
from benchmarks.nexmark_queries import QUERIES, REFUSED, spec_of
from flowc.compiler import stages
from flowc.diagnostics import Reporter
from tests.unit.project import write

EVENTS, RATE, EPOCH = 20_000, 400, 3_000
"""Fifty seconds of event time, in seven epochs."""


@pytest.fixture(scope="module")
def events() -> list[pa.RecordBatch]:
    return list(blocks(EVENTS, RATE))


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_gives_the_rows_of_duckdb(query: str, events: list[pa.RecordBatch]):
    rows, differ = differing(query, events, EPOCH)
    assert rows > 0
    assert differ == 0


@pytest.mark.parametrize("query", REFUSED)
def test_a_query_that_nothing_bounds_is_refused_with_the_reason(query: str, tmp_path: Path):
    reporter = Reporter()
    stages.lint([write(tmp_path, spec_of(query, REFUSED[query]))], reporter)
    (found,) = reporter.found
    assert found.code == "unbounded-join"
    assert "no fixed bound of their event times, so rows would have to be kept for ever" in found.message
    assert found.span is not None
    assert found.span.text == "b._event_ts BETWEEN a._event_ts AND a.expires"


def test_events_are_as_they_are_described(events: list[pa.RecordBatch]):
    rows = pa.Table.from_batches(events)
    kinds = rows.column("type").to_numpy()
    counts = [int((kinds == kind).sum()) for kind in (PERSON, AUCTION, BID)]
    assert counts == [EVENTS // 50, EVENTS // 50 * 3, EVENTS // 50 * 46]
    assert rows.equals(pa.Table.from_batches(blocks(EVENTS, RATE)))
    assert not rows.equals(pa.Table.from_batches(blocks(EVENTS, RATE, seed=2)))
