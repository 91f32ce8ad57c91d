"""Keyed state: checkpoints of a million keys of which few changed, reading them back, and `dedupe` itself.

A checkpoint is held against a transaction that writes as many bytes as one value by the database's own driver.
"""

from __future__ import annotations

import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import psycopg
import pyarrow as pa

from benchmarks.context import Context
from benchmarks.report import Row, seconds
from flowc.compiler.streamplan.state import Owner, state_plan
from flowc.nodes import DedupePlan, JoinPlan
from flowc.runtime.contracts.state import Checkpoint
from flowc.runtime.streams.operators.dedupe import Dedupe
from flowc.runtime.streams.operators.join import IntervalJoin
from flowc.runtime.streams.state.compaction import compacted
from flowc.runtime.streams.state.store import DatabaseStore
from flowc.runtime.systems import open_database

KEYS, SHARE, CHECKPOINTS, EPOCH = 1_000_000, 100, 20, 20_000
HOUR, CHECKPOINT_ROWS = 3_600_000_000, 1_000_000
_PLAN = DedupePlan("dedupe", ("source",), ("id",), HOUR, "f")
_ROWS = pa.schema([("id", pa.int64()), ("_event_ts", pa.timestamp("us", "UTC"))])
_PAIRED = pa.schema([("id", pa.int64()), ("n", pa.int64())])


def batch(first: int, count: int) -> pa.RecordBatch:
    """Rows of keys that nobody has seen, a microsecond apart."""
    ids = np.arange(first, first + count)
    return pa.RecordBatch.from_arrays([pa.array(ids), pa.array(ids).cast(_ROWS.field(1).type)], schema=_ROWS)


def state_sqlite(context: Context) -> Iterator[Row]:
    """The embedded store."""
    folder = Path(tempfile.mkdtemp(dir=context.folder))
    plan, options = state_plan(Owner("p", "s"), None), {"path": str(folder / "state.sqlite")}
    (folder / "state.sqlite").touch()

    def by_hand(data: bytes) -> None:
        with closing(sqlite3.connect(folder / "hand.sqlite", isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("CREATE TABLE IF NOT EXISTS t (data BLOB)")
            connection.execute("INSERT INTO t VALUES (?)", (data,))

    yield from _measured(context, "sqlite", DatabaseStore("s", plan.sql, open_database("sqlite", options)), by_hand)
    shutil.rmtree(folder)


def state_postgres(context: Context) -> Iterator[Row]:
    """A store in PostgreSQL."""
    server = context.postgres
    server.create("state")
    plan, dsn = state_plan(Owner("p", "s"), "state", "postgres"), server.dsn("state")
    with closing(psycopg.connect(dsn)) as connection:
        connection.execute("CREATE TABLE hand (data bytea)")
        connection.commit()

        def by_hand(data: bytes) -> None:
            connection.execute("INSERT INTO hand VALUES (%s)", (data,))
            connection.commit()

        yield from _measured(
            context, "postgres", DatabaseStore("s", plan.sql, open_database("postgres", {"url": dsn})), by_hand
        )
    server.drop("state")


def state_dedupe(context: Context) -> Iterator[Row]:
    """The operator alone: rows a second, with a checkpoint of every epoch as state beside the rows has, and without."""
    for kept in (False, True):
        operator, count, biggest = Dedupe(_PLAN), context.rows(KEYS), 0.0
        began = time.perf_counter()
        for first in range(0, count, EPOCH):
            operator.process(0, batch(first, EPOCH))
            operator.on_watermark(0, first - HOUR)
            if kept:
                biggest = max(biggest, sum(len(each.data) for each in operator.snapshot()) / EPOCH)
        speed = count / (time.perf_counter() - began)
        what = f"with a checkpoint of every epoch, {biggest:.1f} bytes a row" if kept else "alone"
        case = f"dedupe of {count:,} new keys, {what}"
        yield Row(case, f"{speed / 1000:,.0f} k rows/s", "-", "-", ">= 100 k rows/s", speed >= 100_000)


def _measured(context: Context, name: str, store: DatabaseStore, by_hand: Callable[[bytes], None]) -> Iterator[Row]:
    keys, operator, number = context.rows(KEYS), Dedupe(_PLAN), 1
    store.open()
    operator.process(0, batch(0, keys))
    whole = _save(store, operator, number)
    times, bare, bytes_, merged = list[float](), list[float](), list[int](), list[float]()
    chance = np.random.default_rng(1)
    for _ in range(CHECKPOINTS):
        number += 1
        operator.process(0, batch(int(chance.integers(keys, 2**40)), keys // SHARE))
        began = time.perf_counter()
        bytes_.append(_save(store, operator, number, merge=False))
        times.append(time.perf_counter() - began)
        began = time.perf_counter()
        by_hand(bytes(bytes_[-1]))
        bare.append(time.perf_counter() - began)
        began = time.perf_counter()
        compacted(store.database, store.sql, store.stream)
        merged.append(time.perf_counter() - began)
    took, hand = statistics.median(times), statistics.median(bare)
    case = f"checkpoint of 1 % of {keys:,} keys, {name}, {bytes_[-1] / 2**10:,.0f} KiB of {whole / 2**20:.0f} MiB"
    most = f"{seconds(took)} (at most {seconds(max(times))})"
    yield Row(case, most, f"one value: {seconds(hand)}", f"{hand / took:.2f}", "< 200 ms", took < 0.2)
    busy = sum(merged) / len(merged)
    yield Row(f"merging, a checkpoint, {name}", f"{seconds(busy)} in the background", "-", "-", "-", None)
    began = time.perf_counter()
    again = Dedupe(_PLAN)
    again.restore(store.open().checkpoint.segments)
    yield Row(f"reading {keys:,} keys back, {name}", seconds(time.perf_counter() - began), "-", "-", "-", None)
    store.close()


def _save(store: DatabaseStore, operator: Dedupe, number: int, *, merge: bool = True) -> int:
    """Keeps what changed as one checkpoint; its bytes."""
    if not merge:
        store._tally.groups.clear()
    segments = tuple(replace(each, sequence=number) for each in operator.snapshot())
    store.save(Checkpoint(number, segments=segments, fingerprints={"dedupe": "f"}))
    return sum(len(each.data) for each in segments)


def state_join(context: Context) -> Iterator[Row]:
    """A join alone, of two inputs in turn: rows a second of both, where as many rows as there are keys are kept."""
    kept, columns = context.rows(KEYS), ((0, "id", "id"), (0, "n", "n"), (1, "n", "other"))
    for kind in ("inner", "left"):
        # Rows of the left side wait for a partner for half of what is kept, and each of the right one is one.
        plan = JoinPlan("join", ("l", "r"), kind, (("id", "id"),), -kept // 2, kept // 2, columns, "f")
        operator = IntervalJoin(plan, _PAIRED, _PAIRED)
        _joined(operator, 0, kept)
        began, count = time.perf_counter(), _joined(operator, kept, kept)
        speed = 2 * kept / (time.perf_counter() - began)
        held = sum(len(table) for table in operator._tables)
        what = f"{kind} join, {held:,} rows kept, checkpoints of every {CHECKPOINT_ROWS:,} rows, {count:,} pairs"
        yield Row(what, f"{speed / 1000:,.0f} k rows/s", "-", "-", ">= 500 k rows/s", speed >= 500_000)


def _joined(operator: IntervalJoin, first: int, count: int) -> int:
    """Rows of both sides a microsecond apart, those of the right one behind by a quarter of the bounds; the pairs."""
    pairs, unsaved, behind = 0, 0, count // 4
    for start in range(first, first + count, EPOCH):
        for port, shift in ((0, 0), (1, behind)):
            ids = pa.array(np.arange(start, start + EPOCH) - shift)
            at = pa.array(np.arange(start, start + EPOCH)).cast(_ROWS.field(1).type)
            rows = pa.RecordBatch.from_arrays([ids, ids, at], names=["id", "n", "_event_ts"])
            made = operator.process(port, rows).rows
            pairs += made.num_rows if made is not None else 0
            operator.on_watermark(port, start)
        unsaved += 2 * EPOCH
        if unsaved >= CHECKPOINT_ROWS:
            operator.snapshot()
            unsaved = 0
    return pairs


CASES = (state_sqlite, state_postgres, state_dedupe, state_join)
