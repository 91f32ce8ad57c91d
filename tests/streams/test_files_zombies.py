"""A worker that sleeps, and finds the stream exactly where it left it, although it was rewound and edited meanwhile."""

from __future__ import annotations

import os
import random
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest

from benchmarks.crash.zombieplaces import Stream
from benchmarks.crash.zombies import Cut, Sleeper


def _stream(folder: Path) -> Stream:
    """A stream whose only table keeps the positions, over files of which the last has two rows."""
    stream = Stream.drawn(folder, random.Random(0))
    stream.targets, stream.source, stream.letters = ("one",), "source", False
    stream.put("x", "a", "b")
    path = folder / "in/b.jsonl"
    row = path.read_text("utf-8")
    at = path.stat().st_mtime_ns
    path.write_text(row + row.replace('"b"', '"b2"'), "utf-8")
    os.utime(path, ns=(at, at))
    return stream


def _cut_at(count: int, stream: Stream) -> None:
    """A worker that ends when it has committed so many epochs."""
    left = [count]

    def pause(step: str) -> None:
        left[0] -= step == "target 0"
        if not left[0]:
            raise Cut

    with suppress(Cut):
        stream.run(pause)


@pytest.mark.parametrize("path", ["[!a]*.jsonl", "*.jsonl"])
def test_a_worker_of_before_a_rewind_is_fenced_where_it_finds_its_position(tmp_path: Path, path: str) -> None:
    stream = _stream(tmp_path)
    asleep = Sleeper(stream, "target 0", 3)
    assert asleep.start()
    with closing(sqlite3.connect(tmp_path / "one.db")) as database, database:
        assert database.execute("DELETE FROM t").rowcount == 3
    stream.rewind("earliest")
    stream.edit(path=path, factor=2)
    _cut_at(2 if path != "*.jsonl" else 3, stream)
    asleep.end()
    assert stream.run().error is None
    stream.edit(path="*.jsonl")
    assert stream.run().error is None
    assert stream.rows("one") == {(name, 20): 1 for name in ("x", "a", "b", "b2")}
