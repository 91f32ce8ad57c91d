"""Two workers of one stream: what one does between any two looks of the other is no fault of anybody."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

import pytest

from flowc.errors import TransientError
from flowc.runtime.arrow import empty_of
from flowc.runtime.contracts.decoder import Decoding
from flowc.runtime.contracts.epoch import Epoch, Intent, Range
from flowc.runtime.contracts.state import Checkpoint, Segment
from flowc.runtime.contracts.target import Fenced, Held
from flowc.runtime.streams.compute import Compute
from flowc.runtime.streams.run import StreamRun
from flowc.runtime.streams.state.store import DatabaseStore
from flowc.runtime.systems.shared.target import DatabaseWriter
from flowc.service.daemon import watch as watching
from flowc.service.daemon.watch import Watch
from flowc.stream import TableTarget
from tests.stores import KINDS
from tests.streams.test_state_runs import (
    _ROWS,
    Log,
    Open,
    Worker,
    _decoded,
    _kind,
    _messages,
    _plan,
    _rows,
    model,
    opened,
)
from tests.streams.test_state_store import made
from tests.streams.test_state_store import opened as stores

pytestmark = pytest.mark.turns("opened", 2)

__all__ = ["made", "opened", "stores"]
_NONE = empty_of(_ROWS)


@dataclass
class Late(DatabaseWriter):
    """A target that is opened, or looked at, only when another worker has done its work."""

    meanwhile: Callable[[], None] = lambda: None
    first: bool = True

    def open(self) -> Held:
        """Lets the other one work first, or behind it."""
        if self.first:
            self.meanwhile()
        held = super().open()
        if not self.first:
            self.meanwhile()
        return held


@pytest.mark.parametrize(
    ("opened", "state", "targets", "first"),
    [
        (kind, state, targets, (i + j) % 2 == 0)
        for i, kind in enumerate(KINDS)
        for j, (state, targets) in enumerate([("state", 2), ("state", 1), ("wh", 1)])
    ],
    indirect=["opened"],
)
def test_a_worker_that_begins_while_another_works_goes_on_behind_it(
    opened: Open, state: str, targets: int, first: bool
) -> None:
    kind, messages = _kind(opened), _messages(2, 20)
    plan = _plan(kind, 0, state, targets=targets)
    some = {part: rows[:10] for part, rows in messages.items()}
    Worker(plan, opened).run(Log(some, 7))
    target = opened("wh")
    store = DatabaseStore(plan.name, plan.state.sql, target if state == "wh" else opened("state"))  # type: ignore[union-attr]
    done = list[bool]()

    def meanwhile() -> None:
        if not done:
            done.append(True)
            Worker(plan, opened).run(Log({part: rows[:15] for part, rows in messages.items()}, 8))

    writers = [Late(each, target, meanwhile=meanwhile, first=first) for each in plan.targets]
    if state == "wh":
        writers[0].beside = store.beside
    compute = Compute(plan, {"source": Decoding(_ROWS, _decoded)}, lambda _: None)
    try:
        StreamRun(plan, {"source": Log(messages, 9)}, compute, writers, store).run()
    except Fenced:
        Worker(plan, opened).run(Log(messages, 9))  # as a worker of a daemon does
    finally:
        target.close()
        store.close()
    assert done
    for number in range(targets):
        assert _rows(opened, 0, number) == model(messages, 30)


def test_a_worker_of_before_goes_on_while_one_with_a_new_target_begins(opened: Open) -> None:
    """The first knows of no store, and what it writes is lost neither in the store nor in the table."""
    kind, messages = _kind(opened), _messages(3, 20)
    old, new = _plan(kind, 0, None, within=None), _plan(kind, 0, "state", within=None, targets=2)
    Worker(old, opened).run(Log({part: rows[:10] for part, rows in messages.items()}, 1))
    target, done = opened("wh"), list[bool]()
    store = DatabaseStore(new.name, new.state.sql, opened("state"))  # type: ignore[union-attr]

    def meanwhile() -> None:
        if not done:
            done.append(True)
            Worker(old, opened).run(Log({part: rows[:15] for part, rows in messages.items()}, 2))

    writers = [Late(each, target, meanwhile=meanwhile, first=False) for each in new.targets]
    compute = Compute(new, {"source": Decoding(_ROWS, _decoded)}, lambda _: None)
    with pytest.raises(Fenced):
        StreamRun(new, {"source": Log(messages, 3)}, compute, writers, store).run()
    target.close()
    store.close()
    Worker(new, opened).run(Log(messages, 4))
    every = sorted((id_, n) for rows in messages.values() for n, (id_, _) in enumerate(rows))
    assert _rows(opened, 0) == every
    assert _rows(opened, 0, 1) == [(id_, n) for id_, n in every if n >= 15]


@pytest.mark.parametrize("made", KINDS, indirect=True)
def test_what_a_store_gives_is_of_one_moment(stores: Callable[..., DatabaseStore]) -> None:
    """Positions of one checkpoint with the state of another would let rows through twice."""
    first, other = stores(), stores()
    first.open()
    first.save(Checkpoint(1, segments=(Segment("dedupe", "f", 0, 1, b"1", whole=True),)))
    other.open()
    threads = list[threading.Thread]()
    head = first._head

    def save() -> None:
        with suppress(TransientError):  # of an engine that lets nobody wait
            other.save(Checkpoint(2, segments=(Segment("dedupe", "f", 0, 2, b"2", whole=True),)))

    def looked() -> tuple[int, int, str]:
        found = head()
        threads.append(threading.Thread(target=save))
        threads[-1].start()
        threads[-1].join(0.3)
        return found

    first._head = looked  # type: ignore[method-assign]
    restored = first.open()
    threads[0].join()
    epoch = restored.checkpoint.epoch
    assert restored.checkpoint.segments == (Segment("dedupe", "f", 0, epoch, b"%d" % epoch),)


def test_two_members_that_tell_where_partitions_begin_do_not_fence_each_other(opened: Open) -> None:
    plan = _plan(_kind(opened), 0, None, within=None)
    (target,) = plan.targets
    assert isinstance(target, TableTarget)
    assert target.positions is not None
    target = replace(target, positions=replace(target.positions, later=""))  # as with `parallelism: 2`
    writers = [DatabaseWriter(target, opened("wh")) for _ in range(2)]
    for writer in writers:
        writer.open()
    begun = tuple(Range.numbered("source", partition, 5, 5) for partition in range(2))
    for number, writer in enumerate(writers):
        read = replace(begun[number], end="9")
        ranges = tuple(read if range_.at == read.at else range_ for range_ in begun)
        writer.write(Epoch(Intent(1, 0, ranges), _NONE, 0))
    assert writers[0].held().positions == {("source", "0"): "9", ("source", "1"): "9"}
    with pytest.raises(Fenced):
        writers[0].write(Epoch(Intent(2, 0, (Range.numbered("source", 1, 5, 6),)), _NONE, 0))
    for writer in writers:
        writer.close()


def test_positions_of_a_thousand_partitions_move_together_or_not_at_all(opened: Open) -> None:
    plan = _plan(_kind(opened), 0, None, within=None)
    writer = DatabaseWriter(plan.targets[0], opened("wh"))  # type: ignore[arg-type]
    writer.open()
    ranges = tuple(Range.numbered("source", partition, 5, 6 + partition, "log") for partition in range(1_100))
    writer.write(Epoch(Intent(1, 0, ranges), _NONE, 0))
    further = tuple(Range("source", r.partition, r.end, str(int(r.end) + 1), "log") for r in ranges)
    moved = tuple(replace(r, start="1", end="2") if r.partition == "777" else r for r in further)
    with pytest.raises(Fenced, match="partition 777"):
        writer.write(Epoch(Intent(2, 0, moved), _NONE, 0))
    assert writer.held() == Held(1, {r.at: r.end for r in ranges}, {r.at: "log" for r in ranges})
    writer.write(Epoch(Intent(2, 0, further), _NONE, 0))
    assert writer.held() == Held(2, {r.at: r.end for r in further}, {r.at: "log" for r in ranges})
    writer.close()


def test_a_target_that_does_not_answer_is_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch()
    watch.report.status = "running"
    with watch.asking():
        watch.mind()
        assert watch.report.status == "running"
        monkeypatch.setattr(watching, "_SILENCE", 0.0)
        watch.mind()
        assert watch.report.status == "degraded"
    assert watch.report.status == "running"
