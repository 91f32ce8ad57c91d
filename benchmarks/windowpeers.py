"""Tumbling windows against peers that take rows in memory, each in a process of its own on one core.

python -m benchmarks.windowpeers operator|stream FILE SIZE     flowc's sides: the operator by itself, and a whole stream

Peers run in their own environments, which are made when the case runs; or by the interpreters that
FLOWC_BENCHMARK_LAMINARDB and FLOWC_BENCHMARK_BYTEWAX name. Times are those of the processor, and everybody's sums are
compared. Quix Streams reads from Kafka alone, and ematix-flow has no windows with several aggregates: neither is here.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks import windows
from benchmarks.context import REPOSITORY, Context
from benchmarks.inmemory import plan_of, whole
from benchmarks.measure import SideFailed, run
from benchmarks.peer import interpreter
from benchmarks.report import Row
from flowc.nodes import ROW, TIME
from flowc.runtime.lean import keep_memory
from flowc.runtime.streams.memorytarget import Kept

LAMINARDB, BYTEWAX = "laminardb==0.17.0", "bytewax==0.21.1"
BYTEWAX_ROWS = 300_000
_SPEC = """\
project: windows
connections:
  memory: {{ kind: kafka, bootstrap_servers: "localhost:9092" }}
  nowhere: {{ kind: files, uri: out, format: parquet }}
streams:
  sums:
    source:
      connection: memory
      topic: events
      columns: {{ key: bigint, value: bigint, at: timestamptz }}
      event_time: at
    watermark: {{ lateness: 1ms }}
    sql: |
      SELECT window_start, key, count(*) AS n, sum(value) AS total, avg(value) AS mean, min(value) AS least,
             max(value) AS most
      FROM tumble(source, INTERVAL '{size} microseconds') GROUP BY window_start, window_end, key
    to: {{ connection: nowhere, path: sums }}
"""


@dataclass(frozen=True, slots=True)
class Given:
    """The rows that all sides take, in a file, and what is to come out of them."""

    path: Path
    size: int
    rows: int
    keys: int
    total: int


@dataclass(frozen=True, slots=True)
class Sums:
    """What came out of the windows of one side, and the seconds that it took."""

    groups: int
    count: int
    total: int
    processor: float
    elapsed: float


def laminardb_windows(context: Context) -> Iterator[Row]:
    """The operator by itself, and a whole stream, against LaminarDB."""
    python = interpreter(context, LAMINARDB, "pyarrow")
    given = given_rows(context, windows.ROWS, windows.KEYS)
    peer = str(python), str(Path(__file__).with_name("laminar_windows.py"))
    theirs, operator, stream = _best(context, given, peer, (*_FLOWC, "operator"), (*_FLOWC, "stream"))
    yield _row("the operator", given, operator, theirs, LAMINARDB, wanted=True)
    yield _row("the stream", given, stream, theirs, LAMINARDB, wanted=False)


def bytewax_windows(context: Context) -> Iterator[Row]:
    """A whole stream against bytewax."""
    python = interpreter(context, BYTEWAX, "pyarrow")
    given = given_rows(context, BYTEWAX_ROWS, BYTEWAX_ROWS // 100)
    peer = str(python), str(Path(__file__).with_name("bytewax_windows.py"))
    theirs, stream = _best(context, given, peer, (*_FLOWC, "stream"))
    yield _row("the stream", given, stream, theirs, BYTEWAX, wanted=True)


CASES = (laminardb_windows, bytewax_windows)
_FLOWC = (sys.executable, "-m", "benchmarks.windowpeers")


def given_rows(context: Context, full: int, all_keys: int) -> Given:
    """Rows as `benchmarks.windows` has them, in ten windows."""
    rows, keys = context.rows(full), context.rows(all_keys)
    path, size = context.folder / f"windows-{rows}.arrow", rows // windows.WINDOWS
    table = pa.Table.from_batches(windows.generated(rows, keys)).select(["key", "value", TIME])
    table = table.set_column(2, "at", table[TIME].cast(pa.int64()))
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    return Given(path, size, rows, keys, pc.sum(table["value"]).as_py())


def _best(context: Context, given: Given, *sides: Sequence[str]) -> list[Sums]:
    """The fastest of the runs of each side, which take turns. Raises SideFailed where one gives other sums."""
    rounds = [[_once(given, side) for side in sides] for _ in range(context.rounds)]
    return [min(found, key=lambda each: each.processor) for found in zip(*rounds, strict=True)]


def _once(given: Given, side: Sequence[str]) -> Sums:
    output = run(side[-1], [*side, str(given.path), str(given.size)], cwd=REPOSITORY).output
    found = Sums(**json.loads(output))
    if (found.count, found.total) != (given.rows, given.total):
        raise SideFailed(f"{side[-1]} counted {found.count} of {given.rows} rows, with a sum of {found.total}")
    return found


def _row(what: str, given: Given, ours: Sums, theirs: Sums, peer: str, *, wanted: bool) -> Row:
    speeds = [f"{given.rows / side.processor / 1000:,.0f} k rows/s" for side in (ours, theirs)]
    case = f"tumbling windows of {given.rows:,} rows and {given.keys:,} keys, one core: {what}"
    ratio = theirs.processor / ours.processor
    met = ratio >= 1 if wanted else None
    return Row(case, speeds[0], f"{peer}: {speeds[1]}", f"{ratio:.2f}", ">= 1.00" if wanted else "-", met)


def measured(way: str, path: str, size: int) -> Sums:
    """Runs one of flowc's sides."""
    with pa.OSFile(path) as file:
        table = pa.ipc.open_file(file).read_all()
    table = table.set_column(2, "at", table["at"].cast(pa.timestamp("us", "UTC")))
    return _operator(table, size) if way == "operator" else _stream(table, size)


def main(way: str, path: str, size: int) -> None:
    """Runs one of flowc's sides on one core, and prints what came out and how long it took."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    pa.set_cpu_count(1)
    keep_memory()  # as the process of any stream does
    print(json.dumps(asdict(measured(way, path, size))))


def _operator(table: pa.Table, size: int) -> Sums:
    """The operator by itself, with watermarks and checkpoints."""
    rows = table.rename_columns(["key", "value", TIME]).append_column(ROW, pa.array(np.arange(table.num_rows)))
    batches, made = rows.to_batches(max_chunksize=windows.EPOCH), list[pa.RecordBatch | None]()
    operator, began, clock = windows.windowing("tumbling", size, size), time.process_time(), time.perf_counter()
    for number, batch in enumerate(batches):
        made.append(operator.on_watermark(0, number * windows.EPOCH - windows.LATENESS).rows)
        operator.process(0, batch)
        if number % windows.CHECKPOINT == windows.CHECKPOINT - 1:
            operator.snapshot()
    made.append(operator.on_end().rows)
    took = time.process_time() - began, time.perf_counter() - clock
    return _sums([each for each in made if each is not None], *took)


def _stream(table: pa.Table, size: int) -> Sums:
    """A whole stream: compiled from SQL, with the store that it has by default, into a target that keeps the rows."""
    target, batches = Kept(), table.to_batches(max_chunksize=windows.EPOCH)
    with tempfile.TemporaryDirectory(prefix="flowc-windows-") as folder:
        run_ = whole(plan_of(_SPEC.format(size=size), Path(folder)), batches, target, Path(folder))
        began, clock = time.process_time(), time.perf_counter()
        run_.run()
        took = time.process_time() - began, time.perf_counter() - clock
        run_.close()
    return _sums(target.batches, *took)


def _sums(made: Sequence[pa.RecordBatch], processor: float, elapsed: float) -> Sums:
    rows = pa.Table.from_batches(batch for batch in made if batch.num_rows)
    return Sums(rows.num_rows, pc.sum(rows["n"]).as_py(), pc.sum(rows["total"]).as_py(), processor, elapsed)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
