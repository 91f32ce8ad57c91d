"""Whatever the batches, the timing, the partitions, the order of sources, cuts and failing targets: the same tables."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowc.compiler import stages
from flowc.compiler.lowering.lower import lower
from flowc.diagnostics import Reporter
from flowc.errors import TransientError
from flowc.runtime.contracts.decoder import Decoding
from flowc.runtime.contracts.epoch import Epoch, Partition, Range
from flowc.runtime.contracts.source import Polled
from flowc.runtime.formats.json.decode import JsonDecoder
from flowc.runtime.streams.compute import Compute
from flowc.runtime.streams.run import StreamRun
from flowc.runtime.streams.state.store import DatabaseStore
from flowc.runtime.systems import open_database
from flowc.runtime.systems.shared.target import DatabaseWriter
from flowc.service.streams.run import planned
from flowc.stream import StreamPlan, TableTarget
from tests.extended import with_extended
from tests.streams.epochs import Cut
from tests.unit.project import write

pytestmark = pytest.mark.usefixtures("kept_files")

WITHIN = 30
"""Seconds in which a key is a repeat."""
_START = datetime(2026, 1, 1, tzinfo=UTC)
_RAW = pa.schema(
    [
        ("_value", pa.binary()), ("_partition", pa.int32()), ("_offset", pa.int64()),
        ("_event_ts", pa.timestamp("us", "UTC")),
    ]
)  # fmt: skip
Tape = Mapping[Partition, Sequence[tuple[int, int, int]]]
"""Of each partition of each source: messages as id, number and seconds of event time."""

SPEC = """
connections:
  bus: {{ kind: kafka, bootstrap_servers: "localhost:9092" }}
  sqlite: {{ kind: sqlite, path: out.sqlite }}
  duckdb: {{ kind: duckdb, path: out.duckdb }}
streams:
  s:
    sources:
      a: {{ connection: bus, topic: a, columns: {{ id: bigint, n: bigint }} }}
      b: {{ connection: bus, topic: b, columns: {{ id: bigint, n: bigint }} }}
    sql: SELECT id, n, id % 3 AS part FROM a UNION ALL SELECT id, n, id % 3 FROM b
    to: [{to}]
    {more}
"""
TARGET = "{{ connection: {}, table: out, {} }}"
MODES = {"append": "mode: append", "merge": "mode: merge, keys: [id]", "dedupe": "mode: append"}


@dataclass(frozen=True)
class Shape:
    """A stream: what it does with rows, the databases that it writes, and the one that keeps its state, if it says."""

    mode: str
    targets: tuple[str, ...]
    state: str | None = None

    def __str__(self) -> str:
        return "-".join((self.mode, *self.targets, *(("state", self.state) if self.state else ())))


SHAPES = (
    *(Shape(mode, (kind,)) for mode in ("append", "merge") for kind in ("sqlite", "duckdb")),
    *(Shape("dedupe", (kind,), state) for kind in ("sqlite", "duckdb") for state in (None, kind)),
    *(Shape(mode, ("sqlite", "duckdb")) for mode in MODES),
)


@cache
def plan_of(shape: Shape) -> StreamPlan:
    """The plan of a stream, as the compiler makes it."""
    to = ", ".join(TARGET.format(kind, MODES[shape.mode]) for kind in shape.targets)
    more = "dedupe: { keys: [id], within: 30s }\n    watermark: { lateness: 1h }" if shape.mode == "dedupe" else ""
    more += f"\n    state: {{ connection: {shape.state} }}" if shape.state else ""
    with tempfile.TemporaryDirectory() as folder:
        reporter = Reporter()
        checked = stages.check_project([write(Path(folder), SPEC.format(to=to, more=more))], reporter, env={})
        assert checked is not None, reporter.sorted()
        ir = lower(checked, reporter)
        assert ir.streams, reporter.sorted()
        return planned(ir.streams[0])


@dataclass
class Player:
    """One source that plays a tape: polls give some messages of some partitions, in any order, or nothing for now."""

    name: str
    tape: Tape
    chance: random.Random
    largest: int
    at: dict[int, int] = field(default_factory=dict)
    new: set[int] = field(default_factory=set)

    @property
    def log(self) -> str:
        """Nothing tells."""
        return ""

    def read_by(self, former: str, position: str, log: str) -> frozenset[str]:
        """No two sources of a tape have messages in common."""
        return frozenset()

    def seek(self, positions: Mapping[Partition, str]) -> None:
        own = [number for source, number in self.tape if source == self.name]
        self.at = {number: int(positions.get((self.name, str(number)), 0)) for number in own}
        self.new = {number for number in own if (self.name, str(number)) not in positions}

    def poll(self, wait: float) -> Polled | None:
        if self.chance.random() < 0.2:
            return None
        ranges = [
            Range.numbered(
                self.name, number, start, min(start + self.chance.randint(0, self.largest), self._length(number))
            )
            for number, start in self.at.items()
        ]
        ranges = [range_ for range_ in ranges if range_.moves or int(range_.partition) in self.new]
        self.new = set()
        if not ranges:
            return None
        self.at |= {int(range_.partition): int(range_.end) for range_ in ranges}
        self.chance.shuffle(ranges)
        rows = [self._message(int(r.partition), n) for r in ranges for n in range(int(r.start), int(r.end))]
        return Polled(self.name, pa.RecordBatch.from_pylist(rows, schema=_RAW), tuple(ranges), 0.0)

    def _length(self, number: int) -> int:
        return len(self.tape[self.name, number])

    def _message(self, number: int, offset: int) -> dict[str, object]:
        id_, n, at = self.tape[self.name, number][offset]
        value = json.dumps({"id": id_, "n": n}).encode()
        return {
            "_value": value, "_partition": number, "_offset": offset, "_event_ts": _START + timedelta(seconds=at),
        }  # fmt: skip

    def committed(self, written: Mapping[Partition, str], durable: Mapping[Partition, str]) -> None:
        return

    def close(self) -> None:
        return

    @property
    def caught_up(self) -> bool:
        return True

    @property
    def ended(self) -> bool:
        return not self.new and all(at == self._length(number) for number, at in self.at.items())


@dataclass
class Moody(DatabaseWriter):
    """A target that is away when some epochs come."""

    away: int | None = None

    def write(self, epoch: Epoch) -> int:
        if self.away is not None:
            self.away -= 1
            if self.away < 0:
                raise TransientError("the server is away", code="connection-lost")
        return super().write(epoch)


@dataclass(frozen=True)
class Life:
    """One run of a worker: how it polls, and how it ends; `away` is a target and the epoch at which it fails."""

    seed: int
    largest: int
    cut: int | None
    away: tuple[int, int] | None
    often: bool
    """Whether every epoch has a checkpoint, or only the last one."""


@dataclass
class Worker:
    """Lives that follow each other, and what they leave in a folder."""

    shape: Shape
    folder: Path
    steps: int = 0

    def live(self, tape: Tape, life: Life) -> bool:
        """One life; whether it ended well."""
        plan = plan_of(self.shape)
        if plan.state is not None:
            plan = replace(plan, state=replace(plan.state, every=0.0 if life.often else 1000.0))
        databases = [self.database(kind) for kind in self.shape.targets]
        writers = []
        for number, (target, database) in enumerate(zip(plan.targets, databases, strict=True)):
            assert isinstance(target, TableTarget)
            away = life.away[1] if life.away and life.away[0] % len(databases) == number else None
            writers.append(Moody(target, database, pause=self._pause(life), away=away))
        store = None
        if plan.state is not None:
            home = databases[0] if plan.state.shared else open_database("sqlite", {"path": str(self.folder / "state")})
            databases.append(home)
            store = DatabaseStore(plan.name, plan.state.sql, home)
            if plan.state.shared:
                writers[0].beside = store.beside
        decoder = JsonDecoder(plan.sources[0].columns or ())
        decoding = Decoding(decoder.schema, lambda messages: decoder.decode(messages.column("_value")))
        compute = Compute(plan, {"a": decoding, "b": decoding}, lambda _: None)
        chance = random.Random(life.seed)
        players = [Player(name, tape, random.Random(chance.random()), life.largest) for name in ("a", "b")]
        chance.shuffle(players)
        self.steps = 0
        try:
            readers = {player.name: player for player in players}
            StreamRun(plan, readers, compute, writers, store, pause=self._pause(life)).run()
        except (Cut, TransientError):
            return False
        finally:
            for database in databases:
                database.close()
        return True

    def _pause(self, life: Life):  # type: ignore[no-untyped-def]
        def pause(_: str) -> None:
            self.steps += 1
            if life.cut is not None and self.steps > life.cut:
                raise Cut

        return pause

    def database(self, kind: str):  # type: ignore[no-untyped-def]
        return open_database(kind, {"path": str(self.folder / f"out.{kind}")})

    def tables(self) -> list[list[tuple[int, int]]]:
        """The rows of every target."""
        found = []
        for kind in self.shape.targets:
            database = self.database(kind)
            rows = database.query("SELECT id, n FROM out").to_pylist()
            database.close()
            found.append(sorted((row["id"], row["n"]) for row in rows))
        return found


def model(tape: Tape, mode: str) -> list[tuple[int, int]]:
    """The rows that must be there, in plain Python. An id is in one partition only, and has an order there."""
    rows = [row for messages in tape.values() for row in messages]
    if mode == "append":
        return sorted((id_, n) for id_, n, _ in rows)
    if mode == "merge":
        return sorted({id_: n for id_, n, _ in rows}.items())
    kept: list[tuple[int, int, int]] = []
    for id_, n, at in rows:
        if not any(id_ == other and abs(at - then) <= WITHIN for other, _, then in kept):
            kept.append((id_, n, at))
    return sorted((id_, n) for id_, n, _ in kept)


@st.composite
def tapes(draw: st.DrawFn) -> Tape:
    """Both sources, of one to three partitions, which may be empty."""
    tape: dict[Partition, list[tuple[int, int, int]]] = {}
    numbers = iter(range(10_000))
    for name in ("a", "b"):
        for number in range(draw(st.integers(1, 3))):
            drawn = draw(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 90)), max_size=12))
            place = 3 * (name == "b") + number
            tape[name, number] = [(6 * key + place, next(numbers), at) for key, at in drawn]
    return tape


LIVES = st.lists(
    st.builds(
        Life, st.integers(0, 2**32), st.sampled_from((1, 3, 50)), st.none() | st.integers(0, 40),
        st.none() | st.tuples(st.integers(0, 1), st.integers(0, 6)), st.booleans(),
    ),
    max_size=4,
)  # fmt: skip


@pytest.mark.parametrize("shape", with_extended(SHAPES[1::2], SHAPES[::2]), ids=str)
@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(tape=tapes(), lives=LIVES, last=st.integers(0, 2**32), largest=st.sampled_from((1, 4, 50)))
def test_the_same_messages_make_the_same_tables(
    shape: Shape, tape: Tape, lives: Sequence[Life], last: int, largest: int
) -> None:
    with tempfile.TemporaryDirectory(prefix="flowc-same-") as folder:
        worker = Worker(shape, Path(folder))
        for life in lives:
            worker.live(tape, life)
        assert worker.live(tape, Life(last, largest, None, None, often=False))
        assert worker.tables() == [model(tape, shape.mode)] * len(shape.targets)


@pytest.mark.parametrize("seed", range(4))
def test_targets_agree_about_repeats_that_are_in_several_partitions(seed: int, tmp_path: Path) -> None:
    """Which of them is kept depends on what was polled first; a target that was away gets the same one."""
    tape = {(name, part): [(i, 100 * part + i, i) for i in range(10)] for name in ("a", "b") for part in range(3)}
    worker = Worker(Shape("dedupe", ("sqlite", "duckdb")), tmp_path)
    assert not worker.live(tape, Life(seed, 10, None, (1, 0), often=False))
    assert worker.live(tape, Life(seed + 100, 7, None, None, often=False))
    one, other = worker.tables()
    assert one == other
    assert [id_ for id_, _ in one] == list(range(10))
