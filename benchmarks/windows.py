"""Windows and running aggregates alone: rows a second with state and watermarks, what groups take, their checkpoints.

Times are those of the processor, so that what else runs on the machine does not count.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.context import Context
from benchmarks.report import Row, seconds
from flowc.loadplan import FunctionPlan
from flowc.nodes import ROW, TIME, AggregatePlan, RunningPlan, WindowKind, WindowPlan
from flowc.runtime.engine.functions import Function
from flowc.runtime.streams.operators.running import Running
from flowc.runtime.streams.operators.session import Sessions
from flowc.runtime.streams.operators.sessionagain import SessionsAgain
from flowc.runtime.streams.operators.window import Windows
from flowc.types import BIGINT, DataType, Kind

ROWS, KEYS, GROUPS = 10_000_000, 100_000, 1_000_000
SESSION_ROWS, SKETCHED_ROWS = 3_000_000, 2_000_000
EPOCH, CHECKPOINT = 50_000, 200
"""Rows of an epoch, and epochs from one checkpoint to the next: less than a second at the speed that is wanted."""
WINDOWS, _PANES, LATENESS = 10, 5, 1000
_SCHEMA = pa.schema([("key", pa.int64()), ("value", pa.int64())])
_AGGREGATES = (
    AggregatePlan("n", "count", BIGINT), AggregatePlan("total", "sum", BIGINT, "value"),
    AggregatePlan("mean", "avg", DataType(Kind.FLOAT64), "value"), AggregatePlan("least", "min", BIGINT, "value"),
    AggregatePlan("most", "max", BIGINT, "value"),
)  # fmt: skip
_FLOAT = DataType(Kind.FLOAT64)
_SKETCHES = (
    AggregatePlan("different", "approx_count_distinct", BIGINT, "value"),
    AggregatePlan("middle", "approx_percentile_cont", _FLOAT, "value", level=0.5),
    AggregatePlan("high", "approx_percentile_cont", _FLOAT, "value", level=0.99),
)


class Mean:
    """A mean as a project would write it."""

    def __init__(self) -> None:
        self.total, self.count = 0, 0

    def update(self, values: pa.Array) -> None:
        self.total, self.count = self.total + (pc.sum(values).as_py() or 0), self.count + len(values)

    def merge(self, totals: pa.Array, counts: pa.Array) -> None:
        self.total, self.count = self.total + pc.sum(totals).as_py(), self.count + pc.sum(counts).as_py()

    def state(self) -> list[int]:
        return [self.total, self.count]

    def evaluate(self) -> float:
        return self.total / self.count


_MEAN = FunctionPlan("own_mean", "benchmarks.windows:Mean", True, (BIGINT,), _FLOAT, (BIGINT, BIGINT))
_OWN, _FUNCTIONS = (AggregatePlan("mean", "own_mean", _FLOAT, "value", declared=_MEAN),), (Function(_MEAN, Mean),)


def windows(context: Context) -> Iterator[Row]:
    """Tumbling, hopping and cumulating windows of rows that come up to a millisecond out of order."""
    count, keys = context.rows(ROWS), context.rows(KEYS)
    batches, step = list(generated(count, keys)), count // WINDOWS
    alone = 0.0
    for kind, size, of in (
        ("tumbling", step, "count, sum, avg, min, max"),
        ("hopping", _PANES * step, f"the same, {_PANES} panes"),
        ("cumulating", _PANES * step, f"the same, {_PANES} steps"),
    ):
        took, made = min(_seconds(windowing(kind, size, step), batches) for _ in range(context.rounds))
        alone = alone or took
        ratio = f"{took / alone:.2f} of the time" if kind != "tumbling" else "-"
        case = f"{kind} windows of {count:,} rows and {keys:,} keys, {made:,} groups come out: {of}"
        wanted = ">= 5,000 k rows/s" if kind == "tumbling" else "<= 2" if kind == "hopping" else "-"
        met = {"tumbling": count / took >= 5_000_000, "hopping": took <= 2 * alone}.get(kind)
        yield Row(case, f"{count / took / 1000:,.0f} k rows/s", "tumbling" if ratio != "-" else "-", ratio, wanted, met)


def sessions(context: Context) -> Iterator[Row]:
    """Sessions of about ten rows of each key, most of which come out by the gap and some by their longest duration."""
    count, keys = context.rows(SESSION_ROWS), context.rows(KEYS)
    batches, gap = list(generated(count, keys)), 2 * keys
    took, made = min(_seconds(_sessions(gap), batches, CHECKPOINT // 10) for _ in range(context.rounds))
    case = f"sessions of {count:,} rows and {keys:,} keys, {made:,} come out: count, sum, avg, min, max"
    met = count / took >= 500_000
    yield Row(case, f"{count / took / 1000:,.0f} k rows/s", "-", "-", ">= 500 k rows/s", met)
    again, made = min(_seconds(_sessions(gap, reopens=True), batches, CHECKPOINT // 10) for _ in range(context.rounds))
    case = f"the same, which reopen for as long as the gap, {made:,} rows come out"
    yield Row(case, f"{count / again / 1000:,.0f} k rows/s", "sessions", f"{again / took:.2f} of the time", "-", None)


def running(context: Context) -> Iterator[Row]:
    """Groups of all rows so far, of which those that changed come out with each epoch."""
    count, keys = context.rows(ROWS), context.rows(KEYS)
    batches = list(generated(count, keys))
    for ttl in (None, count // WINDOWS):
        plan = RunningPlan("r", ("source",), ("key",), _AGGREGATES, "{}", ttl)
        took, made = min(_seconds(Running(plan, _SCHEMA), batches) for _ in range(context.rounds))
        kept = "for ever" if ttl is None else "for a tenth of the time"
        what = "count, sum, avg, min, max"
        case = f"running aggregates of {count:,} rows and {keys:,} keys, kept {kept}, {made:,} come out: {what}"
        yield Row(case, f"{count / took / 1000:,.0f} k rows/s", "-", "-", "-", None)


def own_aggregates(context: Context) -> Iterator[Row]:
    """Tumbling windows with sketches, and with a function of a project, which is called for each group of a batch."""
    count = context.rows(SKETCHED_ROWS)
    of = "approx_count_distinct, two approximate percentiles"
    cases = [(100, _SKETCHES, of), (10_000, _SKETCHES, of), (100_000, _SKETCHES, of)]
    cases += [(10, _OWN, "an aggregate function in Python"), (1_000, _OWN, "an aggregate function in Python")]
    for keys, aggregates, what in cases:
        plan = WindowPlan("w", ("source",), "tumbling", count // 2, count // 2, ("key",), aggregates, "{}")
        batches = list(generated(count, context.rows(keys), distinct=True))
        timed = (_seconds(Windows(plan, _SCHEMA, _FUNCTIONS), batches, CHECKPOINT // 10) for _ in range(context.rounds))
        took, made = min(timed)
        case = f"tumbling windows of {count:,} rows and {context.rows(keys):,} keys, {made:,} groups come out: {what}"
        yield Row(case, f"{count / took / 1000:,.0f} k rows/s", "-", "-", "-", None)


def windows_state(context: Context) -> Iterator[Row]:
    """A million groups: memory, a checkpoint of all of them and of one in a hundred, and reading them back."""
    groups, chance = context.rows(GROUPS), np.random.default_rng(1)
    tracemalloc.start()
    before = _memory()
    operator = windowing("tumbling", GROUPS, GROUPS)
    for first in range(0, groups, EPOCH):
        operator.process(0, _batch(np.arange(first, min(first + EPOCH, groups)), 0))
    size = _memory() - before
    tracemalloc.stop()
    yield Row(f"memory of {groups:,} groups", f"{size / 2**20:.0f} MiB", "-", "-", "< 400 MiB", size < 400 * 2**20)
    began = time.perf_counter()
    segments = operator.snapshot()
    whole = sum(len(segment.data) for segment in segments)
    case = f"checkpoint of {groups:,} groups, {whole / 2**20:.0f} MiB"
    yield Row(case, seconds(time.perf_counter() - began), "-", "-", "-", None)
    took, changed = list[float](), 0
    for _ in range(max(context.rounds, 3)):
        operator.process(0, _batch(chance.choice(groups, groups // 100, replace=False), 0))
        began = time.perf_counter()
        changed = sum(len(segment.data) for segment in operator.snapshot())
        took.append(time.perf_counter() - began)
    case = f"checkpoint of 1 % of {groups:,} groups, {changed / 2**10:,.0f} KiB, without a store"
    yield Row(case, seconds(min(took)), "-", "-", "< 200 ms", min(took) < 0.2)
    began = time.perf_counter()
    windowing("tumbling", GROUPS, GROUPS).restore(segments)
    yield Row(f"reading {groups:,} groups back", seconds(time.perf_counter() - began), "-", "-", "-", None)


def _seconds(
    operator: Windows | Sessions | Running, batches: list[pa.RecordBatch], every: int = CHECKPOINT
) -> tuple[float, int]:
    """How long the processor takes with a checkpoint `every` so many epochs, and how many groups come out."""
    made, began = 0, time.process_time()
    for number, rows in enumerate(batches):
        out = operator.on_watermark(0, number * EPOCH - LATENESS).rows
        made += out.num_rows if out is not None else 0
        out = operator.process(0, rows).rows
        made += out.num_rows if out is not None else 0
        if number % every == every - 1:
            operator.snapshot()
    out = operator.on_end().rows
    made += out.num_rows if out is not None else 0
    return time.process_time() - began, made


def windowing(kind: WindowKind, size: int, step: int) -> Windows:
    return Windows(WindowPlan("w", ("source",), kind, size, step, ("key",), _AGGREGATES, "{}"), _SCHEMA)


def _sessions(gap: int, *, reopens: bool = False) -> Sessions:
    plan = WindowPlan("s", ("source",), "session", 3 * gap, gap, ("key",), _AGGREGATES, "{}")
    if not reopens:
        return Sessions(plan, _SCHEMA)
    return SessionsAgain(replace(plan, late="reopen", allowed_lateness=gap), _SCHEMA)


def generated(count: int, keys: int, *, distinct: bool = False) -> Iterator[pa.RecordBatch]:
    """Rows of random keys, a microsecond apart and up to a thousand out of order; values are those of keys or any."""
    chance = np.random.default_rng(1)
    for first in range(0, count, EPOCH):
        size = min(EPOCH, count - first)
        times = np.arange(first, first + size) - chance.integers(0, LATENESS, size)
        yield _batch(chance.integers(0, keys, size), times, chance.integers(0, count, size) if distinct else None)


def _batch(keys: object, times: object, values: object = None) -> pa.RecordBatch:
    ids = np.asarray(keys)
    at = np.broadcast_to(np.asarray(times, np.int64), ids.shape)
    columns = [
        pa.array(ids),
        pa.array(ids % 1000 if values is None else values),
        pa.array(at).cast(pa.timestamp("us", "UTC")),
    ]
    numbers = pa.array(np.arange(len(ids)))
    return pa.RecordBatch.from_arrays([*columns, numbers], names=[*_SCHEMA.names, TIME, ROW])


def _memory() -> int:
    """Bytes of arrays, those of Arrow too."""
    return tracemalloc.get_traced_memory()[0] + pa.total_allocated_bytes()


CASES = (windows, sessions, own_aggregates, running, windows_state)
