"""Epochs that a target holds and whose messages are fewer by now, as in a topic that is compacted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow.compute as pc
import pytest

from flowc.cli.opened import open_project
from flowc.errors import EngineError
from flowc.runtime.contracts.source import Polled
from flowc.runtime.streams.run import StreamRun
from flowc.service.streams.run import StreamReport, assembled, plan_of
from tests.streams.epochs import Cut, CutAt
from tests.streams.test_targets_behind import OTHER, Stream


@contextmanager
def cut_run(folder: Path, point: str = "", after: int = 0) -> Iterator[StreamRun]:
    """A run that ends, or is cut off at a point."""
    with chdir(folder):
        opened = open_project([Path("specs")], None, "nothing was run")
    plan = plan_of(opened.checked, opened.ir, "s", opened.sessions)
    run = assembled(plan, opened.sessions, StreamReport("s"), once=True, pause=CutAt(point, after))
    try:
        yield run
    finally:
        run.close()
        opened.sessions.close()


def _compact(run: StreamRun) -> None:
    """Lets the source have no first message any more."""
    reader = run.readers["source"]
    poll = reader.poll

    def fewer(wait: float) -> Polled | None:
        polled = poll(wait)
        if polled is None:
            return None
        first = pc.min(polled.messages.column("_offset"))
        return replace(polled, messages=polled.messages.filter(pc.greater(polled.messages.column("_offset"), first)))

    reader.poll = fewer  # type: ignore[method-assign]


def _cut_off(tmp_path: Path, point: str) -> Stream:
    stream = Stream(tmp_path, "sqlite", OTHER, more="")
    stream.put(1, 2, 3)
    with cut_run(tmp_path, point) as run, pytest.raises(Cut):
        run.run()
    return stream


def test_a_target_does_not_get_fewer_rows_than_another_one_has(tmp_path: Path) -> None:
    stream = _cut_off(tmp_path, "target 0")
    with cut_run(tmp_path) as run:
        _compact(run)
        with pytest.raises(EngineError) as told:
            run.run()
    assert told.value.code == "retention-gap"
    assert "epoch 1 read 3 messages of `source`, of which 2 are left" in told.value.message
    assert "`flowc rewind s --to current`" in (told.value.help or "")
    stream.run()
    assert stream.ids() == stream.ids("sqlite", "other.db") == [1, 2, 3]


def test_an_epoch_that_no_target_holds_has_what_is_left(tmp_path: Path) -> None:
    stream = _cut_off(tmp_path, "intended")
    with cut_run(tmp_path) as run:
        _compact(run)
        run.run()
    assert stream.ids() == stream.ids("sqlite", "other.db") == [2, 3]
