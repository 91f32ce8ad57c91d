"""Rows that the first target refuses, when a worker ends between the targets and the epoch is replayed."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path

import pytest

from benchmarks.crash.zombieplaces import REFUSED, Stream
from benchmarks.crash.zombies import Cut, Sleeper


def _stream(folder: Path, *targets: str) -> Stream:
    stream = Stream.drawn(folder, random.Random(0))
    stream.targets, stream.source, stream.letters = targets, "source", False
    stream.refuse()
    return stream


@pytest.mark.parametrize("other", ["delta", "files", "other"])
@pytest.mark.parametrize("step", ["refused", "target 1", "target 0", "checkpoint"])
def test_no_target_gets_what_the_first_one_has_refused(tmp_path: Path, other: str, step: str) -> None:
    """Delta records no epoch without rows, and files may gather several, so the first target may be ahead of them."""
    stream = _stream(tmp_path, "one", other)
    stream.put(REFUSED)

    def cut(point: str) -> None:
        if point == step:
            raise Cut

    for _ in range(2):
        with suppress(Cut):
            stream.run(cut)
    stream.put("c")
    assert stream.run().error is None
    wanted = Counter({("c", 10): 1})
    assert stream.held() == {"one": wanted, other: wanted}


def test_what_was_judged_first_counts(tmp_path: Path) -> None:
    """The row fits by then: what the targets get is what was judged first."""
    stream = _stream(tmp_path, "one", "other")
    stream.put(REFUSED)
    asleep = Sleeper(stream, "refused", 1)
    assert asleep.start()
    with closing(sqlite3.connect(tmp_path / "one.db")) as database:
        database.executescript("DROP TABLE t; CREATE TABLE t (id TEXT, x BIGINT)")
    report = stream.run()
    asleep.end()
    assert (report.error, stream.held()) == (None, {"one": Counter(), "other": Counter()})
