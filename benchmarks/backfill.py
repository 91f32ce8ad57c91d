"""Backfill equals live: rows as they come, and the same rows again at full speed, give the same tables.

python -m benchmarks.backfill                           10 million rows of ten minutes, live in one: about six minutes
python -m benchmarks.backfill --rows 100000 --minutes 2 --speed 100

Four partitions come late by up to three seconds, each by another delay, and are out of order by up to two. Live, a poll
gives what has come by then; a backfill reads long pieces of one partition after another, in any order. Both write a
DuckDB file, and every row of both has to be the same, to the last bit of its floats.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from benchmarks.inmemory import compute_of, plan_of, store_of
from flowc.runtime.contracts.epoch import Epoch, Partition, Range
from flowc.runtime.contracts.source import Polled
from flowc.runtime.streams.run import StreamRun
from flowc.runtime.systems import open_database
from flowc.runtime.systems.shared.target import DatabaseWriter
from flowc.stream import TableTarget

ROWS, KEYS, MINUTES, SPEED = 10_000_000, 100_000, 10, 10
_PARTITIONS, _JITTER, _DELAY = 4, 2_000_000, 1_000_000
_START = 1_767_225_600_000_000
_MOST = 50_000
"""Rows of one partition in a poll."""
_SPEC = """\
project: backfill
connections:
  memory: {{ kind: kafka, bootstrap_servers: "localhost:9092" }}
  warehouse: {{ kind: duckdb, path: warehouse.duckdb }}
streams:
  {name}:
    source:
      connection: memory
      topic: events
      columns: {{ key: bigint, value: double, happened: timestamptz }}
      event_time: happened
    watermark: {{ lateness: 3s, idle: 1m }}
    sql: |
      {sql}
    to: {{ connection: warehouse, table: result }}
"""
QUERIES = {
    "tumbling": """\
SELECT window_start, key, count(*) AS n, sum(value) AS total, avg(value) AS mean,
       first(value) AS early, last(value) AS late
FROM tumble(source, INTERVAL '1 minute') GROUP BY window_start, window_end, key""",
    "hopping": """\
WITH sums AS (
  SELECT window_start, window_end, key, sum(value) AS total, count(DISTINCT value) AS n
  FROM hop(source, INTERVAL '20 seconds', INTERVAL '1 minute') GROUP BY window_start, window_end, key
), ranked AS (SELECT *, row_number() OVER (PARTITION BY window_start ORDER BY total DESC, key) AS place FROM sums)
SELECT * FROM ranked WHERE place <= 100""",
    "sessions": """\
SELECT session_id, window_start, window_end, key, count(*) AS n, sum(value) AS total, min(value) AS least
FROM session(source, INTERVAL '10 seconds', INTERVAL '5 minutes') GROUP BY session_id, window_start, window_end, key""",
}


@dataclass(frozen=True, slots=True)
class Tape:
    """The messages of each partition in the order of their arrival, and when each of them came, in microseconds."""

    messages: Sequence[pa.RecordBatch]
    arrivals: Sequence[np.ndarray]


@dataclass
class Clock:
    """A clock that goes on only when it is looked at, by `step` microseconds; see `Wall`."""

    step: int
    now: int = _START

    def __call__(self) -> int:
        """The time."""
        self.now += self.step
        return self.now

    def wait(self, seconds: float) -> None:
        """Nothing has to be waited for."""


@dataclass
class Wall:
    """A clock that begins with the first row and goes so many times as fast as that on the wall."""

    speed: float
    _began: float | None = field(default=None, init=False)

    def __call__(self) -> int:
        """The time."""
        now = time.monotonic()
        self._began = now if self._began is None else self._began
        return _START + round((now - self._began) * self.speed * 1_000_000)

    def wait(self, seconds: float) -> None:
        """Lets it go on."""
        time.sleep(seconds)


Ends = Callable[[Sequence[int]], Sequence[int]]
"""How far each partition is read by the next poll, of how far each is."""


def live(tape: Tape, clock: Clock | Wall) -> Ends:
    """What has come by now."""

    def ends(at: Sequence[int]) -> Sequence[int]:
        now = clock()
        there = [int(np.searchsorted(arrivals, now, "right")) for arrivals in tape.arrivals]
        if there == list(at):
            clock.wait(0.01)
        return [min(end, start + _MOST) for start, end in zip(at, there, strict=True)]

    return ends


def backfill(tape: Tape, seed: int = 1, most: int = _MOST) -> Ends:
    """A long piece of one partition, whichever it is."""
    chance = np.random.default_rng(seed)
    sizes = [messages.num_rows for messages in tape.messages]

    def ends(at: Sequence[int]) -> Sequence[int]:
        left = [number for number, size in enumerate(sizes) if at[number] < size]
        one, piece = int(chance.choice(left)), int(chance.integers(most // 2, most)) + 1
        return [min(each + piece, sizes[number]) if number == one else each for number, each in enumerate(at)]

    return ends


@dataclass
class Player:
    """Plays a tape to its end; see `flowc.runtime.streams.loop.Seekable`."""

    tape: Tape
    ends: Ends
    log: str = field(default="", init=False)
    _at: list[int] = field(default_factory=list, init=False)
    caught_up: bool = field(default=False, init=False)

    def seek(self, positions: Mapping[Partition, str]) -> None:
        """Goes to the stored positions."""
        partitions = range(len(self.tape.messages))
        self._at = [int(positions.get(("source", str(number)), 0)) for number in partitions]

    def poll(self, wait: float) -> Polled | None:
        """The next messages."""
        ends, at = self.ends(self._at), self._at
        if not any(at) or list(ends) != at:
            self._at = list(ends)
            pieces = [m.slice(a, e - a) for m, a, e in zip(self.tape.messages, at, ends, strict=True)]
            ranges = tuple(Range.numbered("source", n, *pair) for n, pair in enumerate(zip(at, ends, strict=True)))
            return Polled("source", pa.concat_batches(pieces), ranges, time.time())
        return None

    @property
    def ended(self) -> bool:
        """Whether all was read."""
        return all(at == messages.num_rows for at, messages in zip(self._at, self.tape.messages, strict=True))

    def committed(self, written: Mapping[Partition, str], durable: Mapping[Partition, str]) -> None:
        """Nobody watches."""

    def close(self) -> None:
        """Nothing is open."""


def tape(rows: int, keys: int, seconds: int, seed: int = 1) -> Tape:
    """Rows of random keys and values, each key in one partition."""
    chance = np.random.default_rng(seed)
    due = _START + np.arange(rows) * (seconds * 1_000_000) // rows
    key, value = chance.integers(0, keys, rows), np.round(chance.random(rows) * 100, 3)
    happened, partition = due - chance.integers(0, _JITTER, rows), key % _PARTITIONS
    messages, arrivals = [], []
    for number in range(_PARTITIONS):
        own = np.flatnonzero(partition == number)
        columns = {
            "key": pa.array(key[own]), "value": pa.array(value[own]),
            "happened": pa.array(happened[own]).cast(pa.timestamp("us", "UTC")),
            "_partition": pa.array(np.full(len(own), number, np.int32)), "_offset": pa.array(np.arange(len(own))),
        }  # fmt: skip
        messages.append(pa.record_batch(columns))
        arrivals.append(due[own] + number * _DELAY)
    return Tape(messages, arrivals)


def played(name: str, player: Player, folder: Path, *, threads: bool = True) -> tuple[int, int]:
    """Runs a stream to the end of the tape, into a DuckDB file of the folder; its epochs, and its late rows."""
    counts = [0, 0]

    def written(epoch: Epoch) -> None:
        counts[0] += 1
        counts[1] += epoch.late

    folder.mkdir()
    plan = plan_of(_SPEC.format(name=name, sql=QUERIES[name].replace("\n", "\n      ")), folder)
    (target,) = plan.targets
    assert isinstance(target, TableTarget)
    writer = DatabaseWriter(target, open_database("duckdb", {"path": str(folder / "warehouse.duckdb")}))
    store = store_of(plan, folder)
    run = StreamRun(plan, {"source": player}, compute_of(plan), [writer], store, written=written, drain=True)
    run.run() if threads else run.walk()
    run.close()
    return counts[0], counts[1]


def compared(one: Path, other: Path) -> tuple[int, int]:
    """How many rows the first folder's table has, and how many are in one of both tables alone."""
    with duckdb.connect() as database:
        for name, folder in (("one", one), ("other", other)):
            database.execute(f"ATTACH '{folder / 'warehouse.duckdb'}' AS {name} (READ_ONLY)")
        sides = (("one", "other"), ("other", "one"))
        both = (f"(FROM {a}.result EXCEPT ALL FROM {b}.result)" for a, b in sides)
        total, *alone = (_count(database, rows) for rows in ("one.result", *both))
    return total, sum(alone)


def _count(database: duckdb.DuckDBPyConnection, rows: str) -> int:
    return int(database.execute(f"SELECT count(*) FROM {rows}").fetchall()[0][0])


def main(arguments: Sequence[str] | None = None) -> int:
    """Plays each stream live and again at full speed; 1 where the tables differ, or a row was late."""
    options = _parser().parse_args(arguments)
    made, wrong = tape(options.rows, options.keys, options.minutes * 60), 0
    for name in options.queries or QUERIES:
        with tempfile.TemporaryDirectory(prefix="flowc-backfill-") as folder:
            root, told = Path(folder), list[str]()
            ways = (("live", live(made, Wall(options.speed))), ("backfill", backfill(made)))
            for way, ends in ways:
                began = time.monotonic()
                epochs, late = played(name, Player(made, ends), root / way)
                told.append(f"{way} {time.monotonic() - began:.1f} s, {epochs:,} epochs, {late} late")
                wrong += late
            rows, alone = compared(root / "live", root / "backfill")
            print(f"{name}, {options.rows:,} messages: {'; '.join(told)}; {rows:,} rows, {alone} differ", flush=True)
            wrong += alone
    return 1 if wrong else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backfill", description=__doc__.split("\n", 1)[0])
    parser.add_argument("queries", nargs="*", metavar="STREAM", help=f"of {', '.join(QUERIES)} (default: all)")
    parser.add_argument("--rows", type=int, default=ROWS, help=f"how many messages (default: {ROWS:,})")
    parser.add_argument("--keys", type=int, default=KEYS, help=f"how many keys (default: {KEYS:,})")
    parser.add_argument("--minutes", type=int, default=MINUTES, help=f"in how much event time (default: {MINUTES})")
    parser.add_argument("--speed", type=float, default=SPEED, help=f"of live, times real time (default: {SPEED})")
    return parser


if __name__ == "__main__":
    sys.exit(main())
