"""Queues that forget what is acknowledged: every message is in every target once, and none is forgotten before.

The long campaign is `python -m benchmarks.crash.queues`.
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest

from benchmarks.crash.queues import Found, filled, points_of, trial
from benchmarks.crash.queueworker import KINDS, Place, run
from flowc.runtime.contracts.epoch import Range
from flowc.runtime.streams import queues
from flowc.runtime.streams import run as runs
from flowc.runtime.streams.queues import QueueReader
from flowc.runtime.systems import open_database
from flowc.stream import BatchLimits
from tests import warm
from tests.commands import ROOT
from tests.streams.broker import Broker, acknowledged, send, twice
from tests.streams.epochs import Cut, CutAt

EVENTS = 60


def ends(place: Place, seed: int, point: str | None = None, count: int = 0) -> bool:
    """One life of a worker, which ends at a point; looks whenever it acknowledges. Whether it ended well."""

    def acknowledging(ids: set[str]) -> None:
        for held in place.held():
            assert {int(id_) for id_ in ids} <= set(held), f"forgotten, and a target does not hold it: {point}"

    try:
        run(place, seed, CutAt(point, count) if point is not None else lambda _: None, acknowledging)
    except Cut:
        return False
    return True


def good(place: Place, events: int = EVENTS) -> None:
    """Every message is in every target once, and forgotten."""
    assert [sorted(held) for held in place.held()] == [list(range(events))] * KINDS[place.kind]
    assert len(acknowledged(place.queue)) == events


@pytest.mark.parametrize("kind", KINDS)
def test_wherever_a_worker_ends_nothing_is_lost_or_twice_or_forgotten_too_early(tmp_path: Path, kind: str) -> None:
    chance, cuts, again = random.Random(kind), 0, 0
    for number, point in enumerate(points_of(kind, tmp_path / "points")):
        place = filled(kind, tmp_path / str(number), EVENTS)
        cuts += not ends(place, number, point, chance.randrange(2))
        assert ends(place, 9)
        good(place)
        again += twice(place.queue)
    assert cuts >= number / 2
    assert again, "the broker delivers none again"


def warmly(command: Sequence[str]) -> warm.Process:
    """A worker that has imported everything before it begins."""
    _, _, module, *arguments = command
    return warm.start(module, *arguments, cwd=ROOT, env=os.environ)


@pytest.mark.parametrize("kind", KINDS)
def test_workers_that_are_killed_lose_and_repeat_nothing(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.crash.queues.subprocess", SimpleNamespace(Popen=warmly))
    found = Found()
    trial(found, kind, tmp_path / "killed", [("acknowledging", 1)], EVENTS)
    assert (found.kills, found.good) == (1, True), found


def test_what_is_kept_of_messages_goes_when_they_are_acknowledged(tmp_path: Path) -> None:
    for kind, file in (("table", "wh.db"), ("tables", "state.db"), ("dedupe", "state.db")):
        place = filled(kind, tmp_path / kind, 400)
        run(place, 1, lambda _: None, lambda _: None)
        database = open_database("sqlite", {"path": str(place.folder / file)})
        database.open()
        (row,) = database.query("SELECT count(*) AS n, max(epoch) AS last FROM flowc_payloads").to_pylist()
        database.close()
        assert row["last"] > 20
        assert row["n"] < row["last"] / 2, "the last ones are acknowledged when all is over"


def test_targets_that_gather_epochs_are_made_durable_before_too_much_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real limit would take many megabytes."""
    place = filled("files", tmp_path / "few", 140)  # of 150 that go into a file
    assert ends(place, 1)
    monkeypatch.setattr(runs, "_LOGGED", 1000)
    often = filled("files", tmp_path / "often", 140)
    assert ends(often, 1)
    files = [len(list((each.folder / "lake").glob("*.jsonl"))) for each in (place, often)]
    assert files[0] == 1
    assert files[1] > 2
    good(often, 140)


def test_a_reader_takes_no_more_than_it_may_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "MAX_BYTES", 1000)
    send(tmp_path / "queue.db", ((str(number), b"x" * 100) for number in range(200)))
    reader = QueueReader(Broker(tmp_path / "queue.db", again=0.0), BatchLimits())
    reader.seek({})
    taken = [reader.poll(0.001) for _ in range(30)]
    ends = [polled.ranges[0].end for polled in taken if polled is not None]
    assert 10 <= int(ends[-1]) <= 60
    assert not reader.caught_up
    assert reader.settled == 0
    reader.committed({}, {("source", "0"): ends[-1]})
    assert reader.poll(0.001) is not None
    assert reader.settled == len(acknowledged(tmp_path / "queue.db")) == int(ends[-1])
    reader.close()


def test_ids_that_a_broker_does_not_settle_are_known_until_it_does(tmp_path: Path) -> None:
    class Slow(Broker):
        """A broker that settles what it delivered to this connection alone."""

        mine = frozenset[str]()

        def acknowledge(self, ids: pa.Array) -> pa.Array:
            return super().acknowledge(ids.filter(pa.array([id_ in self.mine for id_ in ids.to_pylist()], pa.bool_())))

    send(tmp_path / "queue.db", ((str(number), b"x") for number in range(3)))
    broker = Slow(tmp_path / "queue.db", again=1.0)
    reader = QueueReader(broker, BatchLimits())
    before = pa.record_batch([pa.array(["0", "1"]), pa.array([5, 6], pa.int64())], ["_id", "_offset"])
    reader.recall([before])
    reader.seek({("source", "0"): "7"})
    reader.committed({}, {("source", "0"): "7"})
    broker.mine = frozenset({"1"})
    found = [polled for _ in range(20) if (polled := reader.poll(0.001)) is not None]
    assert [polled.messages.column("_id").to_pylist() for polled in found] == [["2"]]
    assert [polled.ranges[0].start for polled in found] == ["7"]
    assert reader.settled == 0
    broker.mine = frozenset({"0", "1"})
    reader.poll(0.001)
    assert reader.settled == 7
    reader.close()


class Silent:
    """A queue that delivers nothing."""

    name = "queue"
    caught_up = True

    def open(self) -> None:
        """Nothing connects."""

    def close(self) -> None:
        """Nothing is open."""

    def receive(self, max_rows: int, max_wait: float, max_bytes: int) -> None:
        """Nothing comes."""

    def acknowledge(self, ids: pa.Array) -> pa.Array:
        """All of them are forgotten."""
        return ids


def test_messages_of_epochs_that_were_given_up_come_once_more() -> None:
    taken = [
        pa.RecordBatch.from_pydict({"_id": ids, "_offset": offsets})
        for ids, offsets in ((["a", "b"], [0, 1]), (["c"], [2]), (["d", "e"], [3, 4]))
    ]
    reader = QueueReader(Silent(), BatchLimits(), once=True)
    reader.recall([*taken, taken[-1]])
    reader.seek({("queue", "0"): "2"})
    found = []
    while not reader.ended:
        polled = reader.poll(0.0)
        found += [(polled.messages.column("_id").to_pylist(), polled.ranges)] if polled is not None else []
    assert found == [
        (["c"], (Range.numbered("queue", 0, 2, 3),)), (["d", "e"], (Range.numbered("queue", 0, 3, 5),)),
    ]  # fmt: skip
