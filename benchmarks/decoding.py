"""Decoding of messages alone: JSON of 8 fields and about 184 bytes, against Arrow's bare parse of the same bytes.

python -m benchmarks.decoding            batches of 100,000 messages, the best of 7 rounds
python -m benchmarks.decoding 20000 3    smaller, fewer
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

import pyarrow as pa
import pyarrow.json as arrow_json

from flowc.catalog import Column
from flowc.runtime.formats.json.decode import JsonDecoder
from flowc.types import parse_type

COLUMNS = {
    "id": "bigint", "user_id": "bigint", "amount": "double", "currency": "text", "active": "boolean",
    "created_at": "timestamptz", "country": "text", "note": "text",
}  # fmt: skip
GARBAGE = (
    b"", b"[1]", b'{"id":1', b'{"id":"1"}', b'{"id":1.5}', b'{"id":1}{"id":2}', b'{"id":1,"created_at":"yesterday"}',
)  # fmt: skip


def decoder(**other: str) -> JsonDecoder:
    """The decoder of the standard message; `other` are columns of another type."""
    return JsonDecoder(tuple(Column(name, parse_type(kind)) for name, kind in {**COLUMNS, **other}.items()))


def messages(count: int, bad: float = 0.0) -> pa.BinaryArray:
    """Messages of which a share is garbage of every sort."""
    chance = random.Random(7)
    made = (chance.choice(GARBAGE) if chance.random() < bad else _message(i, chance) for i in range(count))
    return pa.array(list(made), pa.binary())


def _message(number: int, chance: random.Random) -> bytes:
    made = {
        "id": number, "user_id": chance.randrange(10**6), "amount": round(chance.random() * 1000, 2), "currency": "EUR",
        "active": chance.random() < 0.5, "created_at": f"2024-05-06T07:08:09.{chance.randrange(10**6):06d}Z",
        "country": "DE", "note": "a remark of some length, no more",
    }  # fmt: skip
    return json.dumps(made).encode()


def bare(values: pa.BinaryArray, *, threads: bool) -> pa.Table:
    """Arrow's parse of the same messages, joined beforehand, times left as text."""
    kinds = {"bigint": pa.int64(), "double": pa.float64(), "boolean": pa.bool_()}
    schema = pa.schema([(name, kinds.get(kind, pa.string())) for name, kind in COLUMNS.items()])
    joined = b"\n".join(values.to_pylist())
    read = arrow_json.ReadOptions(use_threads=threads, block_size=1 << 20 if threads else len(joined) + 1)
    parse = arrow_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    return arrow_json.read_json(pa.BufferReader(joined), read, parse)


def cases(count: int) -> Iterator[tuple[str, Callable[[], object]]]:
    """What is measured, by name."""
    clean = messages(count)
    yield "Arrow bare, 1 thread", lambda: bare(clean, threads=False)
    yield "Arrow bare, threads", lambda: bare(clean, threads=True)
    yield "clean", lambda: decoder().decode(clean)
    for share in (0.001, 0.1):
        dirty = messages(count, share)
        yield f"{share:.1%} bad, first batch", lambda dirty=dirty: decoder().decode(dirty)
        yield f"{share:.1%} bad, later batch", partial(decoder().decode, dirty)
    yield "clean, amount numeric(12,2)", lambda: decoder(amount="numeric(12,2)").decode(clean)
    yield "clean, amount numeric", lambda: decoder(amount="numeric").decode(clean)
    yield "clean, note json", lambda: decoder(note="json").decode(clean)


def main(count: int = 100_000, rounds: int = 7) -> None:
    """Prints a table. The cases are run in turn, so that all meet the same machine."""
    best: dict[str, tuple[float, ...]] = {}
    made = list(cases(count))
    for _ in range(rounds):
        for name, work in made:
            took = _took(work)
            best[name] = tuple(map(min, took, best.get(name, took)))
    print(f"{count:,} messages, best of {rounds}\n")
    print(f"{'case':<30} {'ms':>8} {'M rows/s':>9} {'CPU ms':>8} {'CPU of clean':>13}")
    for name, (seconds, cpu) in best.items():
        speed, share = count / seconds / 1e6, cpu / best["clean"][1]
        print(f"{name:<30} {seconds * 1e3:8.1f} {speed:9.2f} {cpu * 1e3:8.1f} {share:12.2f}x")


def _took(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds on the clock, and of work by all threads: the second says more where others use the machine."""
    start, worked = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start, time.process_time() - worked


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
