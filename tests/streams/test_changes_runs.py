"""Changes that an operator makes, through whole runs that are cut off between any two steps."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import deltalake
import pyarrow as pa
import pytest

from flowc.catalog import Column
from flowc.nodes import KIND, Change
from flowc.runtime.contracts.decoder import Decoded, Decoding
from flowc.runtime.contracts.epoch import Epoch
from flowc.runtime.contracts.target import Writer
from flowc.runtime.streams.compute import Compute
from flowc.runtime.streams.graph.build import Node
from flowc.runtime.streams.graph.graph import Build
from flowc.runtime.streams.operators.contract import Emitted, Operator, Stateless
from flowc.runtime.streams.run import StreamRun
from flowc.runtime.streams.state.store import DatabaseStore
from flowc.runtime.systems import open_database
from flowc.runtime.systems.delta.target import DeltaWriter
from flowc.runtime.systems.kafka.target import KafkaWriter
from flowc.runtime.systems.shared.target import DatabaseWriter
from flowc.stream import StreamPlan, TableTarget
from flowc.types import BIGINT
from tests import topics
from tests.stores import KINDS
from tests.streams.changes import plan, table_apply, topic
from tests.streams.test_state_runs import Cut, Log, Messages

pytestmark = [pytest.mark.usefixtures("kept_files"), pytest.mark.turns("wh", 2)]

COLUMNS = (Column("id", BIGINT), Column("n", BIGINT))
ROWS = pa.schema([("id", pa.int64()), ("n", pa.int64())])
MESSAGES: Messages = {part: [(3 * (n * 7 % 5) + part, n) for n in range(14)] for part in (0, 1)}


def _did(id_: int, n: int) -> list[tuple[Change, int]]:
    """What a message does: each third one of an id removes it, or gives its row another key of its partition."""
    if n % 3 == 0:
        return [(Change.DELETE, id_)]
    if n % 5 == 0:
        return [(Change.UPDATE_BEFORE, id_), (Change.UPDATE_AFTER, (id_ + 3) % 15)]
    return [(Change.INSERT if n % 2 else Change.UPDATE_AFTER, id_)]


def _model() -> dict[int, int]:
    held: dict[int, int] = {}
    for rows in MESSAGES.values():
        for n, (id_, _) in enumerate(rows):
            for change, key in _did(id_, n):
                held.pop(key, None)
                if change in (Change.INSERT, Change.UPDATE_AFTER):
                    held[key] = n
    return held


class Changing(Stateless):
    """Makes changes of messages."""

    fingerprint = "changing"

    def __init__(self) -> None:
        super().__init__(1)

    def process(self, port: int, rows: pa.RecordBatch) -> Emitted:
        changed = []
        for row in rows.to_pylist():
            changed += [{**row, "id": key, KIND: int(change)} for change, key in _did(row["id"], row["n"])]
        return emitted(rows, changed)


Hidden = tuple[str, pa.DataType]


def emitted(given: pa.RecordBatch, rows: Sequence[Mapping[str, object]], *hidden: Hidden) -> Emitted:
    """Changes of the rows of a batch, with a column of what they do, and other hidden ones."""
    *fields, last = given.schema
    return Emitted(
        pa.RecordBatch.from_pylist(list(rows), schema=pa.schema([*fields, (KIND, pa.int8()), *hidden, last]))
    )


def changing(operator: Operator, *hidden: Hidden) -> Build:
    """A graph of one operator."""

    def built(plans: object, schemas: Mapping[str, pa.Schema], *_: object, passing: bool) -> tuple[Node, ...]:
        schema = pa.schema([*schemas["source"], (KIND, pa.int8()), *hidden])
        return (Node("changing", operator, ("source",), ("changing",), schema, remembers=True),)

    return built


class Committing(DeltaWriter):
    """Commits each epoch."""

    def write(self, epoch: Epoch) -> int:
        super().write(epoch)
        return self.flush()


Held = dict[int, int]
Pause = Callable[[str], None]


@dataclass
class Place:
    """Where one stream writes, and what each of its targets holds."""

    plan: StreamPlan
    writers: Callable[[Pause], Sequence[Writer]]
    held: Callable[[], list[Held]]
    store: Path | None = None


@dataclass
class Worker:
    """One worker of a stream; it ends at the `cut`-th point between two steps."""

    place: Place
    cut: int | None = None
    points: list[str] = field(default_factory=list)

    def pause(self, point: str) -> None:
        self.points.append(point)
        if len(self.points) - 1 == self.cut:
            raise Cut

    def run(self, seed: int) -> None:
        plan, store = self.place.plan, None
        if plan.state is not None:
            plan = replace(plan, state=replace(plan.state, every=0.0))
            store = DatabaseStore(plan.name, plan.state.sql, open_database("sqlite", {"path": str(self.place.store)}))
        compute = Compute(plan, {"source": Decoding(ROWS, _decoded)}, lambda _: None, build=changing(Changing()))
        log, writers = Log(MESSAGES, seed), self.place.writers(self.pause)
        run = StreamRun(plan, {"source": log}, compute, writers, store, pause=self.pause)
        try:
            run.run()
        finally:
            run.close()


def _decoded(messages: pa.RecordBatch) -> Decoded:
    rows = pa.array(range(messages.num_rows), pa.int64())
    return Decoded(messages.select(["id", "n"]), rows, (), rows.slice(0, 0))


def _cut_off(make: Callable[[int], Place], step: int, first: int = 0) -> None:
    """Runs in a place of its own for each, cut off at every `step`-th point, and then goes on."""
    wanted, whole = _model(), Worker(make(0))
    whole.run(7)
    assert whole.place.held() == [wanted] * len(whole.place.plan.targets)
    for cut in range(first, len(whole.points), step):
        place = make(cut + 1)
        with pytest.raises(Cut):
            Worker(place, cut).run(7)
        Worker(place).run(cut)
        assert place.held() == [wanted] * len(place.plan.targets), f"cut at {cut}: {whole.points[cut]}"


def _rows(kind: str, options: Mapping[str, object], table: str) -> Held:
    database = open_database(kind, options)
    database.open()
    rows = database.query(f"SELECT id, n FROM {table}").to_pylist()
    database.close()
    return {row["id"]: row["n"] for row in rows}


def test_a_table_holds_the_net_effect_wherever_the_worker_ended(wh: tuple[str, Mapping[str, object]]) -> None:
    """The positions are in the transaction of the changes."""
    kind, options = wh

    def make(number: int) -> Place:
        made = plan(table_apply(kind, f"t{number}", keys=("id",)), columns=COLUMNS, key=("id",))
        (target,) = made.targets
        assert isinstance(target, TableTarget)
        assert made.state is None
        return Place(
            made,
            lambda pause: [DatabaseWriter(target, open_database(kind, options), pause=pause)],
            lambda: [_rows(kind, options, f"t{number}")],
        )

    # No divisor of the steps of an epoch, and each database begins elsewhere, so that every sort of step is met.
    _cut_off(make, 5 if kind == "sqlite" else 13, 2 * KINDS.index(kind))


def test_tables_lakes_and_topics_hold_the_net_effect_wherever_the_worker_ended(kafka: str, tmp_path: Path) -> None:
    """The store remembers what was intended, and each target its last epoch."""
    made: list[str] = []

    def make(number: int) -> Place:
        folder, out, name = tmp_path / str(number), topics.fresh(kafka, 2), f"s{uuid.uuid4().hex[:8]}"
        folder.mkdir()
        made.append(out)
        applies = (table_apply(kind, "t", keys=("id",)) for kind in ("sqlite", "delta"))
        planned = plan(*applies, topic(out, ("id",)), columns=COLUMNS, key=("id",))
        table, lake, topic_ = planned.targets
        near, lakes = {"path": str(folder / "t.db")}, {"uri": str(folder / "lake")}

        def writers(pause: Pause) -> list[Writer]:
            return [
                DatabaseWriter(table, open_database("sqlite", near), pause=pause),
                Committing(lake, name, open_database("delta", lakes), pause=pause),
                KafkaWriter(topic_, name, {"bootstrap_servers": kafka}, pause),
            ]

        def held() -> list[Held]:
            rows = deltalake.DeltaTable(str(folder / "lake" / "t")).to_pyarrow_table().to_pylist()
            return [_rows("sqlite", near, "t"), {row["id"]: row["n"] for row in rows}, _compacted(kafka, out)]

        return Place(planned, writers, held, folder / "state.db")

    _cut_off(make, 37)
    for out in made:
        topics.drop(kafka, out)


def _compacted(kafka: str, out: str) -> Held:
    """What is left of a topic: the last message of each key, where that is no tombstone."""
    last = {message.key(): message.value() for message in topics.committed(kafka, out)}
    rows = [json.loads(value) for value in last.values() if value is not None]
    assert None in last.values()
    return {row["id"]: row["n"] for row in rows}
