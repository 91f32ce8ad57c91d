"""The tumbling windows of `benchmarks.windowpeers` by bytewax, in memory, in its own environment.

python bytewax_windows.py FILE SIZE

Its watermark goes on with the clock on the wall, too, so that rows of a backlog would be late: its clock stands still.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import UTC, datetime, timedelta

import bytewax.operators as op
import bytewax.operators.windowing as windowing
import pyarrow as pa
from bytewax.dataflow import Dataflow
from bytewax.operators.windowing import EventClock, TumblingWindower
from bytewax.testing import TestingSink, TestingSource, run_main

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Row = tuple[str, int, datetime]
State = tuple[int, int, int, int]
"""Count, sum, least and greatest; the mean is made of them."""


def add(state: State | None, row: Row) -> State:
    """One row more."""
    value = row[1]
    if state is None:
        return 1, value, value, value
    return state[0] + 1, state[1] + value, min(state[2], value), max(state[3], value)


def merge(one: State, other: State) -> State:
    """Two states as one."""
    return one[0] + other[0], one[1] + other[1], min(one[2], other[2]), max(one[3], other[3])


def flow(rows: list[Row], size: int, out: list[tuple[str, tuple[int, State]]]) -> Dataflow:
    """The dataflow of rows in memory."""
    dataflow = Dataflow("windows")
    late = timedelta(milliseconds=1)
    clock = EventClock(lambda row: row[2], late, now_getter=lambda: EPOCH, to_system_utc=lambda at: None)
    windower = TumblingWindower(align_to=EPOCH, length=timedelta(microseconds=size))
    keyed = op.key_on("key", op.input("in", dataflow, TestingSource(rows, batch_size=1000)), lambda row: row[0])
    summed = windowing.fold_window("sums", keyed, clock, windower, lambda: None, add, merge)
    op.output("out", summed.down, TestingSink(out))
    return dataflow


def main() -> None:
    """Runs the windows, and prints what came out and how long it took."""
    path, size = sys.argv[1], int(sys.argv[2])
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with pa.OSFile(path) as file:
        table = pa.ipc.open_file(file).read_all()
    times = [EPOCH + timedelta(microseconds=at) for at in table["at"].to_pylist()]
    rows = list(zip(map(str, table["key"].to_pylist()), table["value"].to_pylist(), times, strict=True))
    out: list[tuple[str, tuple[int, State]]] = []
    dataflow = flow(rows, size, out)
    began, clock = time.process_time(), time.perf_counter()
    run_main(dataflow)
    took = time.process_time() - began, time.perf_counter() - clock
    states = [state for _, (_, state) in out]
    told = {"groups": len(states), "count": sum(s[0] for s in states), "total": sum(s[1] for s in states)}
    print(json.dumps({**told, "processor": took[0], "elapsed": took[1]}))


main()
