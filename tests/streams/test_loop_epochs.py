"""The loop and its writer on real databases: every message once, whatever was cut off when."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pytest

from flowc.catalog import Column, TableName
from flowc.compiler.ir import Apply, Source, Stream, Target
from flowc.compiler.streamplan.plan import plan_stream
from flowc.errors import FlowcError
from flowc.runtime.contracts.database import Database
from flowc.runtime.contracts.decoder import Decoded, Decoding
from flowc.runtime.contracts.epoch import Epoch, Intent, Partition, Range
from flowc.runtime.contracts.source import Polled
from flowc.runtime.contracts.target import Fenced
from flowc.runtime.streams.compute import Compute
from flowc.runtime.streams.run import StreamRun
from flowc.runtime.systems import open_database
from flowc.runtime.systems.shared.target import DatabaseWriter
from flowc.source import SourceFile, Span
from flowc.stream import StreamPlan
from flowc.types import BIGINT

pytestmark = [pytest.mark.usefixtures("kept_files"), pytest.mark.turns("place", 2)]

_ROWS = pa.schema([("id", pa.int64()), ("part", pa.int64())])
_COLUMNS = (Column("id", BIGINT), Column("part", BIGINT))


def _plan(kind: str) -> StreamPlan:
    node = Source("s.source", "source", "bus", "kafka", path="events", columns=_COLUMNS)
    span = Span(SourceFile("s.yaml", ""), 0, 0)
    apply = Apply(
        pipeline="s", input=node, target=Target("wh", kind, TableName(None, "events"), None), mode="append", keys=(),
        compare=None, event_time=None, ttl=None, deletes="ignore", soft_delete_column=None, allow_empty=False,
        dedupe=None, incremental=None, normalize=(), derived=(), before=(), after=(), expect=(), timezone=None,
        span=span,
    )  # fmt: skip
    stream = Stream("s", (node,), node, (apply,), (), span)
    return plan_stream(stream)


class Log:
    """A topic of a few partitions, whose messages are numbers; read in pieces of `step`."""

    def __init__(self, sizes: Mapping[int, int], step: int) -> None:
        self.sizes, self.step = sizes, step
        self.at: dict[int, int] = {}
        self.seen: dict[Partition, int] = {}
        self.polls = 0

    @property
    def log(self) -> str:
        """Nothing tells."""
        return ""

    def seek(self, positions: Mapping[Partition, str]) -> None:
        self.at = {part: int(positions.get(("source", str(part)), 0)) for part in self.sizes}

    def poll(self, wait: float) -> Polled | None:
        self.polls += 1
        ranges = [
            Range.numbered("source", part, start, min(start + self.step, self.sizes[part]))
            for part, start in self.at.items()
            if start < self.sizes[part]
        ]
        if not ranges:
            return None
        self.at |= {int(range_.partition): int(range_.end) for range_ in ranges}
        rows = [{"id": n, "part": int(r.partition)} for r in ranges for n in range(int(r.start), int(r.end))]
        return Polled("source", pa.RecordBatch.from_pylist(rows, schema=_ROWS), tuple(ranges), 0.0)

    def close(self) -> None:
        self.at = {}

    def committed(self, written: Mapping[Partition, str], durable: Mapping[Partition, str]) -> None:
        self.seen = dict(durable)

    @property
    def caught_up(self) -> bool:
        return True

    @property
    def ended(self) -> bool:
        return all(start >= self.sizes[part] for part, start in self.at.items())


def _database(kind: str, place: str) -> Database:
    return open_database(kind, {"url": place} if kind == "postgres" else {"path": place})


@pytest.fixture(params=["sqlite", "duckdb", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """A kind of database, and where an empty one of it is."""
    kind = request.param
    return kind, request.getfixturevalue("postgres") if kind == "postgres" else str(tmp_path / "events.db")


def _events(database: Database) -> list[tuple[int, int]]:
    rows = database.query("SELECT part, id FROM events ORDER BY part, id").to_pylist()
    return [(row["part"], row["id"]) for row in rows]


def _run(database: Database, log: Log, fail_at: str | None = None, count: int = 0) -> int:
    seen: list[str] = []

    def pause(point: str) -> None:
        seen.append(point)
        if point == fail_at and seen.count(point) > count:
            raise Cut

    plan = _plan(database.kind)
    epochs: list[Epoch] = []
    compute = Compute(plan, {"source": Decoding(_ROWS, _decoded)}, lambda _: None)
    writer = DatabaseWriter(plan.targets[0], database, pause=pause)
    StreamRun(plan, {"source": log}, compute, [writer], written=epochs.append).run()
    return len(epochs)


def _decoded(messages: pa.RecordBatch) -> Decoded:
    rows = pa.array(range(messages.num_rows), pa.int64())
    return Decoded(messages, rows, (), rows.slice(0, 0))


class Cut(FlowcError):
    """The worker ends here."""

    def __init__(self) -> None:
        super().__init__("cut", code="cut")


ALL = [(part, offset) for part, size in ((0, 50), (1, 7), (2, 31)) for offset in range(size)]


def test_every_message_arrives_once(place: tuple[str, str]) -> None:
    database = _database(*place)
    log = Log({0: 50, 1: 7, 2: 31}, 8)
    assert _run(database, log) == 7
    assert log.polls == 7, "nothing is waited for behind the end"
    assert _events(database) == ALL
    assert log.seen == {("source", "0"): "50", ("source", "1"): "7", ("source", "2"): "31"}
    assert _run(database, Log({0: 50, 1: 7, 2: 31}, 8)) == 0
    database.close()


@pytest.mark.covering(2)
@pytest.mark.parametrize("point", ["positions", "rows", "committed"])
@pytest.mark.parametrize("count", [0, 2])
def test_a_worker_that_is_cut_off_anywhere_loses_and_repeats_nothing(
    place: tuple[str, str], point: str, count: int
) -> None:
    database = _database(*place)
    with pytest.raises(Cut):
        _run(database, Log({0: 50, 1: 7, 2: 31}, 8), point, count)
    database.close()
    again = _database(*place)
    _run(again, Log({0: 50, 1: 7, 2: 31}, 5))
    assert _events(again) == ALL
    again.close()


def test_a_zombie_is_fenced_and_its_rows_are_not_seen(place: tuple[str, str]) -> None:
    database = _database(*place)
    _run(database, Log({0: 5}, 5))
    zombie = DatabaseWriter(_plan(database.kind).targets[0], database)
    zombie.open()
    _run(database, Log({0: 9}, 5))
    rows = pa.RecordBatch.from_pylist([{"id": 5, "part": 0}], schema=_ROWS)
    with pytest.raises(Fenced):
        zombie.write(Epoch(Intent(2, 0, (Range.numbered("source", 0, 5, 6),)), rows, 1))
    beginner = DatabaseWriter(_plan(database.kind).targets[0], database)
    with pytest.raises(Fenced):
        beginner.write(Epoch(Intent(1, 0, (Range.numbered("source", 0, 0, 1),)), rows, 1))
    assert _events(database) == [(0, offset) for offset in range(9)]
    database.close()


def test_what_fails_in_a_thread_ends_the_run_with_its_error(place: tuple[str, str]) -> None:
    database = _database(*place)
    plan = _plan(database.kind)

    def broken(messages: pa.RecordBatch) -> Decoded:
        raise Cut

    compute = Compute(plan, {"source": Decoding(_ROWS, broken)}, lambda _: None)
    with pytest.raises(Cut):
        StreamRun(plan, {"source": Log({0: 5}, 5)}, compute, [DatabaseWriter(plan.targets[0], database)]).run()
    assert _events(database) == []
    database.close()
