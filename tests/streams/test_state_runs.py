"""Runs with state, on a log that can be cut off between any two steps: the same rows, whatever the batches were."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from flowc.catalog import Column, TableName
from flowc.compiler.ir import Apply, Dedupe, Source, Stream, Target
from flowc.compiler.streamplan.plan import plan_stream
from flowc.errors import FlowcError, UsageError
from flowc.runtime.contracts.database import Database
from flowc.runtime.contracts.decoder import Decoded, Decoding
from flowc.runtime.contracts.epoch import Partition, Range
from flowc.runtime.contracts.source import Polled
from flowc.runtime.contracts.state import Checkpoint
from flowc.runtime.streams.compute import Compute
from flowc.runtime.streams.run import StreamRun
from flowc.runtime.streams.state.store import DatabaseStore
from flowc.runtime.systems import open_database
from flowc.runtime.systems.shared.target import DatabaseWriter
from flowc.source import SourceFile, Span
from flowc.stream import StreamPlan, TableTarget, WatermarkPlan
from flowc.types import BIGINT
from tests.extended import with_extended
from tests.stores import KINDS

pytestmark = [pytest.mark.usefixtures("kept_files"), pytest.mark.turns("opened", 2)]

_COLUMNS = (Column("id", BIGINT), Column("n", BIGINT))
_ROWS = pa.schema([("id", pa.int64()), ("n", pa.int64())])
_RAW = pa.schema(
    [*_ROWS, ("_partition", pa.int32()), ("_offset", pa.int64()), ("_event_ts", pa.timestamp("us", "UTC"))]
)
_SPAN = Span(SourceFile("s.yaml", ""), 0, 0)
_START = datetime(2026, 1, 1, tzinfo=UTC)
Messages = Mapping[int, Sequence[tuple[int, int]]]
"""Of each partition: an id, and seconds of event time."""


def _messages(seed: int, count: int = 60) -> Messages:
    """Ids come again within 30 seconds and later; each id is in one partition."""
    chance = random.Random(seed)
    return {
        part: [(3 * chance.randrange(12) + part, 2 * n + chance.randrange(9)) for n in range(count)] for part in (0, 1)
    }


def model(messages: Messages, within: int) -> list[tuple[int, int]]:
    """The rows that are kept, in plain Python: an id, and its number in its partition."""
    kept: list[tuple[int, int, int]] = []
    for rows in messages.values():
        for n, (id_, at) in enumerate(rows):
            if not any(id_ == other and abs(at - then) <= within for other, then, _ in kept):
                kept.append((id_, at, n))
    return sorted((id_, n) for id_, _, n in kept)


class Cut(FlowcError):
    """The worker ends here."""

    def __init__(self) -> None:
        super().__init__("cut", code="cut")


@dataclass
class Log:
    """A topic; each poll takes some messages of some partitions, in an order of its own.

    A partition without a stored position begins at `start`, as the broker has it then.
    """

    messages: Messages
    seed: int
    start: Mapping[int, int] = field(default_factory=dict)
    at: dict[int, int] = field(default_factory=dict)
    new: set[int] = field(default_factory=set)
    """Partitions that have no stored position: their beginning is told with the first messages."""

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    @property
    def log(self) -> str:
        """Nothing tells."""
        return ""

    def seek(self, positions: Mapping[Partition, str]) -> None:
        self.at = {part: int(positions.get(("source", str(part)), self.start.get(part, 0))) for part in self.messages}
        self.new = {part for part in self.messages if ("source", str(part)) not in positions}

    def poll(self, wait: float) -> Polled | None:
        ranges = []
        for part, start in self.at.items():
            end = min(start + self.chance.randrange(8), len(self.messages[part]))
            if end > start or part in self.new:
                ranges.append(Range.numbered("source", part, start, end))
        self.new = set()
        if not ranges:
            return None
        self.at |= {int(range_.partition): int(range_.end) for range_ in ranges}
        rows = [self._message(int(r.partition), n) for r in ranges for n in range(int(r.start), int(r.end))]
        queues = {part: [row for row in rows if row["_partition"] == part] for part in self.messages}
        mixed = []
        while any(queues.values()):
            mixed.append(queues[self.chance.choice([part for part, left in queues.items() if left])].pop(0))
        return Polled("source", pa.RecordBatch.from_pylist(mixed, schema=_RAW), tuple(ranges), 0.0)

    def _message(self, part: int, n: int) -> dict[str, object]:
        id_, at = self.messages[part][n]
        return {"id": id_, "n": n, "_partition": part, "_offset": n, "_event_ts": _START + timedelta(seconds=at)}

    def close(self) -> None:
        self.at = {}

    def committed(self, written: Mapping[Partition, str], durable: Mapping[Partition, str]) -> None:
        return

    @property
    def caught_up(self) -> bool:
        return True

    @property
    def ended(self) -> bool:
        return all(self.at[part] >= len(rows) for part, rows in self.messages.items())


Open = Callable[[str], Database]


@pytest.fixture(params=KINDS)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens a session of one of the test's databases."""
    kind = request.param
    if kind in ("postgres", "mysql"):
        address = request.getfixturevalue(kind)
        return lambda name: open_database(kind, {"url": address})
    return lambda name: open_database(kind, {"path": str(tmp_path / f"{name}.db")})


def _plan(
    kind: str, number: int, state: str | None, within: int | None = 30, targets: int = 1, key: str = "id"
) -> StreamPlan:
    name = f"s{number}"
    node = Source(f"{name}.source", "source", "bus", "kafka", path="events", columns=_COLUMNS)
    applies = tuple(
        Apply(
            pipeline=name, input=node, target=Target("wh", kind, TableName(None, f"t{number}_{each}"), None),
            mode="append", keys=(), compare=None, event_time=None, ttl=None, deletes="ignore", soft_delete_column=None,
            allow_empty=False, dedupe=None, incremental=None, normalize=(), derived=(), before=(), after=(), expect=(),
            timezone=None, span=_SPAN,
        ) for each in range(targets)
    )  # fmt: skip
    nodes = () if within is None else (Dedupe("dedupe", ("source",), (key,), within * 1_000_000, (_COLUMNS,), _SPAN),)
    stream = Stream(
        name, (node,), node, applies, (), _SPAN, nodes=nodes, watermark=WatermarkPlan(3_600_000_000),
        state=None if state is None else (state, kind),
    )  # fmt: skip
    return plan_stream(stream)


def _decoded(messages: pa.RecordBatch) -> Decoded:
    rows = pa.array(range(messages.num_rows), pa.int64())
    return Decoded(messages.select(["id", "n"]), rows, (), rows.slice(0, 0))


@dataclass
class Worker:
    """One worker of a stream; it ends at the `cut`-th point between two steps."""

    plan: StreamPlan
    opened: Open
    cut: int | None = None
    every: float = 0.0
    points: list[str] = field(default_factory=list)
    saved: list[Checkpoint] = field(default_factory=list)

    def pause(self, point: str) -> None:
        self.points.append(point)
        if len(self.points) - 1 == self.cut:
            raise Cut

    def prepare(self, run: StreamRun) -> None:
        return

    def run(self, log: Log) -> None:
        state = self.plan.state
        target = self.opened("wh")
        # Files that one process may open once are opened once, as a run does.
        sessions = [target, target if state is None or state.shared else self.opened("state")]
        writers = [DatabaseWriter(each, target, pause=self.pause) for each in self.plan.targets]
        store = None if state is None else DatabaseStore(self.plan.name, state.sql, sessions[1])
        if store is not None and state is not None and state.shared:
            writers[0].beside = store.beside
        elif state is not None:
            self.plan = replace(self.plan, state=replace(state, every=self.every))
        compute = Compute(self.plan, {"source": Decoding(_ROWS, _decoded)}, lambda _: None)
        try:
            run = StreamRun(self.plan, {"source": log}, compute, writers, store, pause=self.pause)
            self.prepare(run)
            run.run()
        finally:
            for session in sessions:
                session.close()


def _rows(opened: Open, number: int, target: int = 0) -> list[tuple[int, int]]:
    database = opened("wh")
    try:
        rows = database.query(f"SELECT id, n FROM t{number}_{target}").to_pylist()
        return sorted((row["id"], row["n"]) for row in rows)
    finally:
        database.close()


def _kind(opened: Open) -> str:
    database = opened("wh")
    database.close()
    return database.kind


@pytest.mark.covering
@pytest.mark.parametrize(("state", "every"), with_extended([("wh", 0.0), ("state", 1000.0)], [("state", 0.0)]))
def test_a_worker_that_is_cut_off_between_any_two_steps_drops_the_same_rows(
    opened: Open, state: str, every: float
) -> None:
    kind, messages = _kind(opened), _messages(1, 16)
    whole = Worker(_plan(kind, 0, state), opened, every=every)
    whole.run(Log(messages, 7))
    wanted = model(messages, 30)
    assert _rows(opened, 0) == wanted
    assert len(wanted) < 30
    # No divisor of the steps of an epoch, and each case begins elsewhere, so that every sort of step is met.
    first, step = 2 * (state == "state") + 2 * (every > 0) + 7 * KINDS.index(kind), 23 if kind == "sqlite" else 37
    for cut in range(first, len(whole.points), step):
        worker = Worker(_plan(kind, cut + 1, state), opened, cut, every)
        with pytest.raises(Cut):
            worker.run(Log(messages, 7))
        again = Worker(_plan(kind, cut + 1, state), opened, cut // 2, every)
        try:
            again.run(Log(messages, cut))
        except Cut:
            Worker(_plan(kind, cut + 1, state), opened, every=every).run(Log(messages, cut + 1))
        assert _rows(opened, cut + 1) == wanted, f"cut at {cut}: {whole.points[cut]}"


@dataclass
class Told(Log):
    """A topic that remembers how far it was told that the stream is."""

    told: list[tuple[Mapping[Partition, str], Mapping[Partition, str]]] = field(default_factory=list)

    def committed(self, written: Mapping[Partition, str], durable: Mapping[Partition, str]) -> None:
        self.told.append((dict(written), dict(durable)))


@pytest.mark.parametrize(("targets", "every"), [(1, 0.0), (2, 0.0), (2, 1000.0)])
def test_a_source_is_told_what_is_durable_and_nothing_else(tmp_path: Path, targets: int, every: float) -> None:
    """That is the checkpoint that is kept, or what the only target holds; what was written is told before."""

    def opened(name: str) -> Database:
        return open_database("sqlite", {"path": str(tmp_path / f"{name}.db")})

    messages, within = _messages(5, 12), None
    whole = Worker(_plan("sqlite", 0, None, within, targets), opened, every=every)
    whole.run(Told(messages, 3))
    for cut in range(0, len(whole.points), 5):
        worker, log = Worker(_plan("sqlite", cut + 1, None, within, targets), opened, cut, every), Told(messages, 3)
        with pytest.raises(Cut):
            worker.run(log)
        written, durable = log.told[-1] if log.told else ({}, {})
        assert all(int(written[at]) >= int(end) for at, end in durable.items())
        state = worker.plan.state
        if state is None:
            (target,) = worker.plan.targets
            assert isinstance(target, TableTarget)
            kept: Mapping[Partition, str] = DatabaseWriter(target, opened("wh")).look().positions
        else:
            kept = DatabaseStore(worker.plan.name, state.sql, opened("state")).open().checkpoint.positions
        last = whole.points[cut] in ("committed", "target 0") if state is None else whole.points[cut] == "checkpoint"
        assert all(int(kept.get(at, 0)) >= int(end) for at, end in durable.items())
        assert last or kept == durable, f"cut at {cut}: {whole.points[cut]}"


def test_two_targets_hold_the_same_rows_wherever_the_worker_ended(opened: Open) -> None:
    kind, messages = _kind(opened), _messages(2, 12)
    whole = Worker(_plan(kind, 0, None, targets=2), opened)
    plan = whole.plan
    assert plan.state is not None
    assert not plan.state.shared
    for cut in range(3 * KINDS.index(kind), 40, 13):
        worker = Worker(_plan(kind, cut + 1, "state", targets=2), opened, cut)
        with pytest.raises(Cut):
            worker.run(Log(messages, 7))
        Worker(_plan(kind, cut + 1, "state", targets=2), opened).run(Log(messages, 8))
        assert _rows(opened, cut + 1) == _rows(opened, cut + 1, 1) == model(messages, 30)


def test_a_target_that_is_new_begins_where_the_stream_is(opened: Open) -> None:
    kind = _kind(opened)
    messages = _messages(3, 10)
    Worker(_plan(kind, 0, None, within=None), opened).run(Log(messages, 1))
    more = {part: [*rows, (part, 500)] for part, rows in messages.items()}
    Worker(_plan(kind, 0, "state", within=None, targets=2), opened).run(Log(more, 2))
    assert len(_rows(opened, 0)) == 22
    assert _rows(opened, 0, 1) == [(0, 10), (1, 10)]
    # And what follows is replayed as in any other stream.
    most = {part: [*rows, (part, 600)] for part, rows in more.items()}
    cut = Worker(_plan(kind, 0, "state", within=None, targets=2), opened, 1)
    with pytest.raises(Cut):
        cut.run(Log(most, 3))
    Worker(_plan(kind, 0, "state", within=None, targets=2), opened).run(Log(most, 4))
    assert len(_rows(opened, 0)) == 24
    assert _rows(opened, 0, 1) == [(0, 10), (0, 11), (1, 10), (1, 11)]


def test_what_was_intended_first_is_read_again_although_the_stream_would_begin_elsewhere_now(opened: Open) -> None:
    """A stream that starts at the end of its topic, and ends before anything but the intent is kept."""
    kind, messages = _kind(opened), _messages(4, 12)
    with pytest.raises(Cut):
        Worker(_plan(kind, 0, "state"), opened, 0).run(Log(messages, 1, {0: 4, 1: 4}))
    Worker(_plan(kind, 0, "state"), opened).run(Log(messages, 1, {0: 12, 1: 12}))
    read = {part: rows[4:] for part, rows in messages.items()}
    assert _rows(opened, 0) == sorted((id_, n + 4) for id_, n in model(read, 30))


def test_a_target_ahead_of_its_state_is_not_written(opened: Open) -> None:
    kind, messages = _kind(opened), _messages(5, 10)
    Worker(_plan(kind, 0, "wh"), opened).run(Log(messages, 1))
    database = opened("wh")
    checkpoints = "flowc_checkpoints" if kind in ("sqlite", "mysql") else "flowc.checkpoints"
    database.execute(f"DELETE FROM {checkpoints}")
    database.close()
    more = {part: [*rows, (part, 500)] for part, rows in messages.items()}
    with pytest.raises(UsageError, match="its state knows not"):
        Worker(_plan(kind, 0, "wh"), opened).run(Log(more, 1))
    assert _rows(opened, 0) == model(messages, 30)


def test_a_checkpoint_holds_what_changed_and_nothing_else(opened: Open) -> None:
    kind = _kind(opened)
    written: list[int] = []

    class Counting(DatabaseStore):
        def _keep(self, point: Checkpoint, before: int) -> None:
            written.append(sum(segment.rows for segment in point.segments))
            super()._keep(point, before)

    plan = _plan(kind, 0, "wh", within=3600)
    assert plan.state is not None
    database = opened("wh")
    first = {0: [(n, n % 7) for n in range(3000)]}
    store = Counting(plan.name, plan.state.sql, database)
    for messages in (first, {0: [*first[0], (5000, 3)]}):
        writer = DatabaseWriter(plan.targets[0], database)
        writer.beside = store.beside
        log = Log(messages, 1)
        log.chance.randrange = lambda _: 3000  # type: ignore[assignment, method-assign]
        compute = Compute(plan, {"source": Decoding(_ROWS, _decoded)}, lambda _: None)
        StreamRun(plan, {"source": log}, compute, [writer], store).run()
    database.close()
    assert written == [3000, 1]


def test_what_a_dedupe_remembered_that_was_removed_is_not_taken_for_that_of_another(opened: Open) -> None:
    """Ids 5 and 6 are remembered first; then numbers are, of which 5 and 6 are not."""
    kind, messages = _kind(opened), [(5, 0), (6, 1), (1, 2), (5, 3)]

    def run(key: str | None, *more: tuple[int, int]) -> None:
        messages.extend(more)
        plan = _plan(kind, 0, "state", None if key is None else 3600, targets=2, key=key or "id")
        Worker(plan, opened).run(Log({0: messages}, 1))

    run("id")
    run(None, (5, 4))
    run("n", (8, 5), (9, 6))
    assert _rows(opened, 0) == [(1, 2), (5, 0), (5, 4), (6, 1), (8, 5), (9, 6)]
    # And what it remembers now, it does.
    with pytest.raises(UsageError, match="was changed"):
        run("id")
