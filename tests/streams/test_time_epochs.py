"""Epochs of time alone, and the end of the input: what operators hold comes out once, whatever was cut off when.

The operator is a window of the tests' own: the loop has to need nothing more for those that are to come.
"""

from __future__ import annotations

import itertools
import json
import math
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from time import sleep

import pyarrow as pa
import pytest

from flowc.nodes import ROW
from flowc.runtime.badrows import BadRow
from flowc.runtime.contracts.decoder import Decoding
from flowc.runtime.contracts.epoch import END, Epoch, Intent, Range
from flowc.runtime.contracts.source import Polled
from flowc.runtime.contracts.state import Segment
from flowc.runtime.contracts.target import Fenced
from flowc.runtime.streams.compute import Compute
from flowc.runtime.streams.graph.build import Node, built
from flowc.runtime.streams.graph.graph import Build
from flowc.runtime.streams.operators.contract import Decision, Emitted, Verdict
from flowc.runtime.streams.origins import Origin
from flowc.runtime.streams.run import StreamRun
from flowc.runtime.streams.state.memory import MemoryStore
from flowc.runtime.streams.state.store import DatabaseStore
from flowc.runtime.systems import open_database
from flowc.runtime.systems.shared.target import DatabaseWriter
from flowc.stream import StreamPlan, TableTarget, WatermarkPlan
from tests.stores import KINDS
from tests.streams import test_state_runs as states
from tests.streams.test_state_runs import Cut, Log, Messages, Open

pytestmark = [pytest.mark.usefixtures("kept_files"), pytest.mark.turns("opened", 2)]

opened = states.opened  # a fixture

_SIZE = 10_000_000
_LATENESS, _IDLE = 10_000_000, 60_000_000
_TICK = 500_000
"""Microseconds between two looks at the clock: no partition is set aside while messages come."""


class Tumble:
    """Counts rows in windows of ten seconds: `id` is the window's start in seconds, `n` the count.

    Rows of a window that is out are late, whatever closed it.
    """

    fingerprint = "1"

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        self.closed, self.watermark = -1, None

    def process(self, port: int, rows: pa.RecordBatch) -> Emitted:
        late = []
        times = rows.column("_event_ts").cast(pa.int64()).to_pylist()
        for message, at in zip(rows.column(ROW).to_pylist(), times, strict=True):
            if at // _SIZE <= self.closed:
                late.append(BadRow(message, "late-row", "its window is closed"))
            else:
                self.counts[at // _SIZE] += 1
        return Emitted(rows.slice(0, 0), tuple(late))

    def due(self, at: int) -> bool:
        return any(at == END or (window + 1) * _SIZE <= at for window in self.counts)

    def on_watermark(self, port: int, at: int) -> Emitted:
        self.watermark = at
        return self._out(window for window in self.counts if (window + 1) * _SIZE <= at)

    def on_end(self) -> Emitted:
        return self._out(self.counts)

    def _out(self, windows: Iterable[int]) -> Emitted:
        rows = [{"id": window * _SIZE // 1_000_000, "n": self.counts[window]} for window in sorted(windows)]
        for row in rows:
            self.closed = max(self.closed, row["id"] * 1_000_000 // _SIZE)
            del self.counts[row["id"] * 1_000_000 // _SIZE]
        return Emitted(pa.RecordBatch.from_pylist(rows, schema=SCHEMA) if rows else None)

    def snapshot(self) -> tuple[Segment, ...]:
        data = json.dumps([self.closed, sorted(self.counts.items())]).encode()
        return (Segment("tumble", self.fingerprint, 0, 0, data, whole=True),)

    def restore(self, segments: Iterable[Segment]) -> None:
        for segment in segments:
            self.closed, counts = json.loads(segment.data)
            self.counts = Counter(dict(counts))

    def verdict(self, written_by: str) -> Verdict:
        return Verdict(Decision.REFUSE)


def tumbling(plans: object, schemas: Mapping[str, pa.Schema], *_: object, passing: bool) -> tuple[Node, ...]:
    """The window in the place of what is planned."""
    return (Node("tumble", Tumble(), ("source",), ("tumble",), schemas["source"], remembers=True),)  # type: ignore[arg-type]


SCHEMA = pa.schema(
    [("id", pa.int64()), ("n", pa.int64()), ("_event_ts", pa.timestamp("us", "UTC")), ("_partition", pa.int32()),
     (ROW, pa.int64())]
)  # fmt: skip


class Quiet(Log):
    """A topic that stays silent when all is read, until its stream has looked at the clock some more times."""

    silence: int = 0
    looks: int = 0

    def poll(self, wait: float) -> Polled | None:
        polled = super().poll(wait)
        if polled is not None:
            self.looks = 0
        else:
            sleep(0.0005)
        return polled

    @property
    def ended(self) -> bool:
        return super().ended and self.looks > self.silence


def model(messages: Messages) -> list[tuple[int, int]]:
    """The windows in plain Python."""
    base = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
    found = Counter((base + at) // 10 * 10 for rows in messages.values() for _, at in rows)
    return sorted(found.items())


@dataclass
class Worker:
    """One worker; it ends at the `cut`-th point between two steps."""

    plan: StreamPlan
    opened: Open
    cut: int | None = None
    drain: bool = False
    build: Build = tumbling
    points: list[str] = field(default_factory=list)
    epochs: list[Epoch] = field(default_factory=list)
    late: list[Origin] = field(default_factory=list)

    def pause(self, point: str) -> None:
        self.points.append(point)
        if len(self.points) - 1 == self.cut:
            raise Cut

    def run(self, log: Log) -> None:
        assert self.plan.state is not None
        # On a slow machine the clock would bring a checkpoint in some of the runs, and a point more to cut at.
        state = replace(self.plan.state, every=math.inf)
        plan = replace(self.plan, watermark=WatermarkPlan(_LATENESS, _IDLE), state=state)
        target = self.opened("wh")
        side = target if state.shared else self.opened("state")
        writers = [DatabaseWriter(each, target, pause=self.pause) for each in plan.targets]
        store = DatabaseStore(plan.name, state.sql, side)
        if state.shared:
            writers[0].beside = store.beside
        decoding = {"source": Decoding(states._ROWS, states._decoded)}
        compute = Compute(plan, decoding, self.late.extend, build=self.build)
        time = itertools.count(0, _TICK)

        def clock() -> int:
            if isinstance(log, Quiet):
                log.looks += 1
            return next(time)

        try:
            StreamRun(
                plan, {"source": log}, compute, writers, store, written=self.epochs.append, pause=self.pause,
                clock=clock, drain=self.drain,
            ).run()  # fmt: skip
        finally:
            target.close()
            side.close()


def _quiet(messages: Messages, seed: int) -> Quiet:
    log = Quiet(messages, seed)
    log.silence = 300
    return log


@pytest.mark.covering
@pytest.mark.parametrize("state", ["wh", "state"])
def test_windows_close_as_time_passes_on_a_silent_stream_once_each(opened: Open, state: str) -> None:
    kind, messages = states._kind(opened), states._messages(1, 14)
    whole = Worker(states._plan(kind, 0, state), opened)
    whole.run(_quiet(messages, 7))
    assert states._rows(opened, 0) == model(messages)
    assert [epoch for epoch in whole.epochs if not epoch.messages and epoch.rows.num_rows], "none of time alone"
    first, step = 3 * (state == "state") + 7 * KINDS.index(kind), 37 if kind == "sqlite" else 71
    for cut in range(first, len(whole.points), step):
        plan = states._plan(kind, cut + 1, state)
        with pytest.raises(Cut):
            Worker(plan, opened, cut).run(_quiet(messages, 7))
        Worker(plan, opened).run(_quiet(messages, cut))
        assert states._rows(opened, cut + 1) == model(messages), f"cut at {cut}: {whole.points[cut]}"


@pytest.mark.covering
@pytest.mark.parametrize("state", ["wh", "state"])
def test_the_end_of_the_input_lets_everything_out_once_and_the_stream_goes_on_later(opened: Open, state: str) -> None:
    kind, messages = states._kind(opened), states._messages(2, 15)
    held = Worker(states._plan(kind, 0, state), opened)
    held.run(Log(messages, 3))
    assert states._rows(opened, 0) != model(messages), "nothing was held back"
    whole = Worker(states._plan(kind, 0, state), opened, drain=True)
    whole.run(Log(messages, 4))
    assert states._rows(opened, 0) == model(messages)
    later = {part: [*rows, (1, 200), (2, 260)] for part, rows in messages.items()}
    Worker(states._plan(kind, 0, state), opened, drain=True).run(Log(later, 5))
    assert states._rows(opened, 0) == model(later)
    Worker(states._plan(kind, 0, state), opened, drain=True).run(Log(later, 6))
    assert states._rows(opened, 0) == model(later)
    # What the end closed is closed: rows for it are late, and nothing of it comes out once more.
    latest = {part: [*rows, (part, 205)] for part, rows in later.items()}
    last = Worker(replace(states._plan(kind, 0, state), on_error="drop"), opened, drain=True)
    last.run(Log(latest, 7))
    assert states._rows(opened, 0) == model(later)
    assert {(each.row.code, each.offset) for each in last.late} == {
        ("late-row", len(rows) - 1) for rows in latest.values()
    }


@pytest.mark.covering
@pytest.mark.parametrize("state", ["wh", "state"])
def test_a_drain_that_is_cut_off_is_finished_by_the_next(opened: Open, state: str) -> None:
    kind, messages = states._kind(opened), states._messages(3, 6)
    whole = Worker(states._plan(kind, 0, state), opened, drain=True)
    whole.run(Log(messages, 3))
    first, step = (state == "state") + 2 * KINDS.index(kind), 7 if kind == "sqlite" else 19
    for cut in range(first, len(whole.points), step):
        plan = states._plan(kind, cut + 1, state)
        with pytest.raises(Cut):
            Worker(plan, opened, cut, drain=True).run(Log(messages, 3))
        Worker(plan, opened, drain=True).run(Log(messages, 4))
        assert states._rows(opened, cut + 1) == model(messages), f"cut at {cut}: {whole.points[cut]}"


def test_time_makes_no_epochs_where_nothing_is_due(opened: Open) -> None:
    kind, messages = states._kind(opened), states._messages(4, 10)
    worker = Worker(states._plan(kind, 0, "wh"), opened, drain=True, build=built)
    worker.run(_quiet(messages, 1))
    assert all(epoch.messages or any(r.end == r.start == "0" for r in epoch.ranges) for epoch in worker.epochs)
    assert states._rows(opened, 0) == states.model(messages, 30)


def test_repeats_are_dropped_after_the_end_of_the_input_too(opened: Open) -> None:
    kind = states._kind(opened)
    messages = {0: [(1, 1), (2, 2)]}
    plan = states._plan(kind, 0, "wh")
    Worker(plan, opened, drain=True, build=built).run(Log(messages, 1))
    Worker(plan, opened, drain=True, build=built).run(Log({0: [*messages[0], (1, 3), (3, 4)]}, 1))
    assert [id_ for id_, _ in states._rows(opened, 0)] == [1, 2, 3]


def test_a_zombie_is_found_out_by_an_epoch_of_time_alone(opened: Open) -> None:
    kind, messages = states._kind(opened), states._messages(5, 5)
    plan = states._plan(kind, 0, "wh")
    Worker(plan, opened).run(Log(messages, 1))
    database = opened("wh")
    zombie = DatabaseWriter(plan.targets[0], database)
    held = zombie.open()
    at = ("source", "0")
    number, offset = held.epoch, held.positions[at]
    more = {part: [*rows, (part, 500)] for part, rows in messages.items()}
    database.close()
    Worker(plan, opened).run(Log(more, 1))
    database = opened("wh")
    zombie = DatabaseWriter(plan.targets[0], database, known={at})
    rows = pa.RecordBatch.from_pylist([{"id": 1, "n": 1}], schema=states._ROWS)
    before = _count(database)
    with pytest.raises(Fenced):
        zombie.write(Epoch(Intent(number + 1, 0, (Range(*at, offset, offset),)), rows, 0))
    assert _count(database) == before
    database.close()


def test_of_two_workers_that_meet_in_a_new_table_one_writes_an_epoch_of_time_alone(opened: Open) -> None:
    plan = states._plan(states._kind(opened), 0, "state")
    first, second = (DatabaseWriter(plan.targets[0], opened("wh")) for _ in range(2))
    first.open()
    second.open()
    rows = pa.RecordBatch.from_pylist([{"id": 1, "n": 1}], schema=states._ROWS)
    of_time = Epoch(Intent(1, 0, (Range("source", "0", "0", "0"),)), rows, 0)
    first.write(of_time)
    with pytest.raises(Fenced):
        second.write(of_time)
    assert _count(first.database) == 1
    first.close()
    second.close()


@dataclass
class Sleeper(Worker):
    """Sleeps at the `cut`-th point, which is in no transaction, while another worker does all there is to do."""

    def pause(self, point: str) -> None:
        self.points.append(point)
        if len(self.points) - 1 == self.cut:
            Worker(self.plan, self.opened, drain=self.drain).run(_quiet(states._messages(6, 6), 5))


@pytest.mark.covering
@pytest.mark.parametrize("drain", [True, False])
def test_a_worker_that_sleeps_anywhere_while_another_one_goes_on_repeats_nothing(opened: Open, *, drain: bool) -> None:
    """An epoch of time alone moves no position: its number tells that another worker has written it meanwhile."""
    kind, messages = states._kind(opened), states._messages(6, 6)
    whole = Worker(states._plan(kind, 0, "state"), opened, drain=drain)
    whole.run(_quiet(messages, 5))
    outside = [cut for cut, point in enumerate(whole.points) if point not in ("positions", "rows", "state")]
    for cut in outside[drain + 2 * KINDS.index(kind) :: 7 if kind == "sqlite" else 11]:
        sleeper = Sleeper(states._plan(kind, cut + 1, "state"), opened, cut, drain=drain)
        with suppress(Fenced):
            sleeper.run(_quiet(messages, 5))
        assert states._rows(opened, cut + 1) == model(messages), f"asleep at {cut}: {whole.points[cut]}"


def _count(database: object) -> int:
    """The rows of the first table."""
    found = database.query("SELECT count(*) AS n FROM t0_0").to_pylist()  # type: ignore[attr-defined]
    return int(found[0]["n"])


@pytest.mark.parametrize("state", ["wh", "state"])
def test_a_step_is_an_epoch_in_the_callers_thread_at_the_time_that_is_given(tmp_path: Path, state: str) -> None:
    """The last windows close because the clock goes on, and nobody waits for it."""
    messages, now = states._messages(1, 20), [0]
    plan = replace(states._plan("sqlite", 0, state), watermark=WatermarkPlan(_LATENESS, _IDLE))
    target, store = open_database("sqlite", {"path": str(tmp_path / "wh.db")}), MemoryStore(plan.name)
    assert plan.state is not None
    (each,) = plan.targets
    assert isinstance(each, TableTarget)
    writer = DatabaseWriter(each, target, **({"beside": store.beside} if plan.state.shared else {}))
    compute = Compute(plan, {"source": Decoding(states._ROWS, states._decoded)}, lambda _: None, build=tumbling)
    run = StreamRun(plan, {"source": Log(messages, 7)}, compute, [writer], store, clock=lambda: now[0])
    run.begin()
    threads, rows, alone = threading.active_count(), 0, 0
    for _ in range(400):
        now[0] += _TICK
        epoch = run.step()
        assert threading.active_count() == threads
        if epoch is None:
            continue
        rows, alone = rows + epoch.rows.num_rows, alone + (not epoch.messages)
        assert epoch.intent.time == now[0]
        assert writer.look().epoch == epoch.number
        assert target.query("SELECT count(*) AS n FROM t0_0").to_pylist() == [{"n": rows}], "it is committed"
    assert alone
    run.end()
    run.close()
    assert states._rows(lambda _: open_database("sqlite", {"path": str(tmp_path / "wh.db")}), 0) == model(messages)
    assert store.open().checkpoint.epoch == store.open().last == run._number
