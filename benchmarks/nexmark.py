"""Nexmark: six of its queries as streams, from memory to a target that discards, checkpoints on, on one core.

python -m benchmarks.nexmark q5 q7 --events 2000000     a line of JSON for each query; without names, all
python -m benchmarks.nexmark --events 100000 --rate 1000 --check

Each query is a spec, compiled as any other, and run by the loop that runs all streams, with the store that a stream has
by default. What is measured is the time of the processor, from the first event until the end of the input has let out
everything. With `--check` the rows are compared with those of DuckDB over all events at once.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import duckdb
import pyarrow as pa

from benchmarks.context import REPOSITORY, Context
from benchmarks.inmemory import Discarding, plan_of, whole
from benchmarks.measure import run
from benchmarks.nexmark_events import blocks
from benchmarks.nexmark_queries import EPOCH, QUERIES, spec_of
from benchmarks.report import Row
from flowc.runtime.streams.memorytarget import Kept
from flowc.stream import StreamPlan

EVENTS, RATE = 4_000_000, 50_000
"""Events of a run, and of a second of event time: there are eight windows of ten seconds."""
_CHECKPOINT = 0.5
"""Seconds between two checkpoints, which are ten in other streams: the runs are short."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one query took."""

    query: str
    events: int
    rows: int
    checkpoints: int
    processor: float
    """Seconds of the processor."""
    elapsed: float
    """Seconds."""


def nexmark(context: Context) -> Iterator[Row]:
    """All queries, in a process of their own that has one core, against what is published of Flink."""
    found: dict[str, list[Measured]] = {}
    command = [sys.executable, "-m", "benchmarks.nexmark", "--events", str(context.rows(EVENTS))]
    for _ in range(context.rounds):
        output = run("nexmark", command, cwd=REPOSITORY).output
        for measured in (Measured(**json.loads(line)) for line in output.splitlines()):
            found.setdefault(measured.query, []).append(measured)
    for name, all_of_it in found.items():
        yield _row(min(all_of_it, key=lambda measured: measured.processor), QUERIES[name].flink)


def _row(measured: Measured, flink: int) -> Row:
    speed = measured.events / measured.processor
    counts = f"{measured.events:,} events, {measured.rows:,} rows, {measured.checkpoints} checkpoints"
    case = f"nexmark {measured.query}, {counts}, one core"
    shown, theirs = f"{speed / 1000:,.0f} k events/s", f"Flink 2.0 as published, not run here: {flink / 1000:,.0f} k"
    return Row(case, shown, theirs, f"{speed / flink:.2f}", ">= 1.00", speed >= flink)


def measure(name: str, events: Sequence[pa.RecordBatch]) -> Measured:
    """Runs a query over the events."""
    with tempfile.TemporaryDirectory(prefix="flowc-nexmark-") as folder:
        target = Discarding()
        stream = whole(_plan(name, folder), events, target, Path(folder))
        began, clock = time.process_time(), time.perf_counter()
        stream.run()
        took = time.process_time() - began, time.perf_counter() - clock
        stream.close()
    return Measured(name, sum(batch.num_rows for batch in events), target.rows, target.checkpoints, *took)


def differing(name: str, events: Sequence[pa.RecordBatch], epoch: int) -> tuple[int, int]:
    """How many rows a query gives in epochs of so many events, and and how many DuckDB has not, or has besides."""
    target = Kept()
    with tempfile.TemporaryDirectory(prefix="flowc-nexmark-") as folder, duckdb.connect() as database:
        stream = whole(_plan(name, folder), _pieces(events, epoch), target, Path(folder))
        stream.walk()
        stream.close()
        ours = _without_zone(pa.Table.from_batches(batch for batch in target.batches if batch.num_rows))
        database.register("ours", ours).register("events", _without_zone(pa.Table.from_batches(events)))
        names = ", ".join(ours.column_names)
        database.execute(f"CREATE TABLE whole AS SELECT {names} FROM ({QUERIES[name].whole})")
        sides = (("ours", "whole"), ("whole", "ours"))
        queries = (f"SELECT count(*) FROM (FROM {one} EXCEPT ALL FROM {other})" for one, other in sides)
        return ours.num_rows, sum(_number(database, query) for query in queries)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures the chosen queries, or checks them; 1 where one gives other rows than DuckDB."""
    options = _parser().parse_args(arguments)
    # Threads that are started from here on, those of libraries too, share the core.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    pa.set_cpu_count(1)
    events, wrong = list(blocks(options.events, options.rate)), 0
    for name in options.queries or QUERIES:
        if options.check:
            rows, differ = differing(name, events, EPOCH // 10)
            print(f"{name}: {rows:,} rows, {differ:,} differ from DuckDB's")
            wrong += differ
        else:
            print(json.dumps(asdict(measure(name, events))), flush=True)
    return 1 if wrong else 0


def _plan(name: str, folder: str) -> StreamPlan:
    plan = plan_of(spec_of(name, QUERIES[name].sql), Path(folder))
    assert plan.state is not None
    return replace(plan, state=replace(plan.state, every=_CHECKPOINT))


def _pieces(events: Sequence[pa.RecordBatch], size: int) -> list[pa.RecordBatch]:
    return [batch.slice(at, size) for batch in events for at in range(0, batch.num_rows, size)]


def _without_zone(rows: pa.Table) -> pa.Table:
    """Rows whose times are those of UTC: DuckDB computes with them without any extension."""
    plain = [
        pa.field(each.name, pa.timestamp("us")) if pa.types.is_timestamp(each.type) else each for each in rows.schema
    ]
    return rows.cast(pa.schema(plain))


def _number(database: duckdb.DuckDBPyConnection, query: str) -> int:
    found = database.execute(query).fetchone()
    return int(found[0]) if found else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.nexmark", description=__doc__.split("\n", 1)[0])
    parser.add_argument("queries", nargs="*", metavar="QUERY", help=f"of {', '.join(QUERIES)} (default: all)")
    parser.add_argument("--events", type=int, default=EVENTS, help=f"how many events (default: {EVENTS:,})")
    parser.add_argument("--rate", type=int, default=RATE, help=f"events of a second of event time (default: {RATE:,})")
    parser.add_argument("--check", action="store_true", help="compare the rows with those of DuckDB")
    return parser


CASES = (nexmark,)

if __name__ == "__main__":
    sys.exit(main())
