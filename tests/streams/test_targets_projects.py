"""Targets that are no tables of a database: streams of one name in two projects, and those of a renamed project."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from flowc.catalog import Column
from flowc.compiler.ir import FilesOutput
from flowc.compiler.systems.files.target import plan_target
from flowc.errors import EngineError, FlowcError
from flowc.nodes import Changelog
from flowc.runtime.contracts.epoch import Epoch
from flowc.runtime.contracts.target import MOVED, Writer
from flowc.runtime.systems import open_database
from flowc.runtime.systems.delta.target import DeltaWriter
from flowc.runtime.systems.files.target import FilesWriter
from flowc.runtime.systems.kafka.target import KafkaWriter
from flowc.source import SourceFile, Span
from flowc.stream import TopicTarget
from flowc.types import BIGINT, TEXT
from tests import topics
from tests.streams.epochs import numbers
from tests.streams.test_targets_delta import _plan as delta_plan

COLUMNS = (Column("id", BIGINT), Column("name", TEXT))
SPAN = Span(SourceFile("s.yaml", ""), 0, 0)


class Place:
    """A fformer, a Delta table or a topic, and those who write it as streams of some name."""

    def __init__(self, kind: str, fformer: Path, kafka: str, topic: str) -> None:
        self.kind, self.fformer, self.kafka, self.topic = kind, fformer, kafka, topic
        self.prefix = uuid.uuid4().hex[:8]

    def writer(self, stream: str, was: str = "") -> Any:
        stream, was = (f"{self.prefix}{name}" if name else "" for name in (stream, was))
        if self.kind == "files":
            plan = plan_target(FilesOutput("out", "rows", "jsonl", {}, (), SPAN), COLUMNS, "s", Changelog.INSERT_ONLY)
            return FilesWriter(plan, stream, str(self.fformer), was=was)
        if self.kind == "delta":
            return DeltaWriter(delta_plan(), stream, open_database("delta", {"uri": str(self.fformer)}), was)
        options = {"bootstrap_servers": self.kafka}
        return KafkaWriter(TopicTarget("bus", self.topic, "json", COLUMNS), stream, options, was=was)

    def ids(self) -> list[int]:
        if self.kind == "files":
            files = list((self.fformer / "rows").glob("*.jsonl"))
            return sorted(json.loads(line)["id"] for path in files for line in path.read_text().splitlines())
        if self.kind == "delta":
            table: Any = DeltaTable(str(self.fformer / "events")).to_pyarrow_table()
            return sorted(table.column("id").to_pylist())
        return sorted(json.loads(m.value() or b"")["id"] for m in topics.committed(self.kafka, self.topic))


@pytest.fixture(params=["files", "delta", "kafka"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param != "kafka":
        yield Place(request.param, tmp_path, "", "")
        return
    kafka = str(request.getfixturevalue("kafka"))
    topic = topics.fresh(kafka, 1)
    yield Place("kafka", tmp_path, kafka, topic)
    topics.drop(kafka, topic)


def wrote(writer: Writer, held: int, numbers_: Sequence[Any]) -> None:
    assert writer.open().epoch == held
    for each in numbers_:
        writer.write(each)
    writer.flush()
    writer.close()


def test_streams_of_one_name_in_two_projects_do_not_meet(place: Place):
    epochs = numbers(3)
    wrote(place.writer("a/s", "s"), 0, epochs[:2])
    wrote(place.writer("b/s", "s"), 0, epochs[:1])
    wrote(place.writer("a/s", "s"), 2, epochs[2:])
    wrote(place.writer("b/s", "s"), 1, ())
    assert place.ids() == sorted([*range(30), *range(10)])


def test_what_was_written_under_the_former_name_is_taken_up_once(place: Place):
    epochs = numbers(3)
    former = place.writer("s")
    wrote(former, 0, epochs[:2])
    looking = place.writer("a/s", "s")
    assert looking.look().epoch == 2
    looking.close()
    wrote(place.writer("a/s", "s"), 2, epochs[2:])
    wrote(place.writer("a/s", "s"), 3, ())
    wrote(place.writer("b/s", "s"), 0, ())
    assert place.ids() == list(range(30))


def test_a_worker_of_the_former_name_is_stopped(place: Place):
    epochs = numbers(4)
    former = place.writer("s")
    former.open()
    for each in epochs[:2]:
        former.write(each)
    former.flush()
    wrote(place.writer("a/s", "s"), 2, epochs[2:3])
    with pytest.raises(FlowcError):
        _written(former, epochs[2])
    former.close()
    assert place.ids() == list(range(30))
    again = place.writer("s")
    if place.kind == "files":
        with pytest.raises(EngineError, match="cannot be read"):
            again.open()
    else:
        assert again.open().epoch == MOVED  # which its state knows not
    again.close()


def _written(writer: Writer, epoch: Epoch) -> None:
    writer.write(epoch)
    writer.flush()
