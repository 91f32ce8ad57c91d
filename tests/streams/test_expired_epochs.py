"""A broker forgets the number of a topic's last epoch when nobody renews it: what a crash left open is not repeated."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from flowc.cli.opened import open_project
from flowc.runtime.systems.kafka import target
from flowc.runtime.systems.kafka.target import KafkaWriter
from flowc.service.streams.run import StreamReport, assembled, plan_of
from flowc.stream import TopicTarget
from tests import topics
from tests.commands import Inside
from tests.streams.epochs import Cut, CutAt, epoch, numbered
from tests.streams.test_targets_behind import DEDUPE
from tests.streams.test_targets_behind_servers import Server
from tests.streams.test_targets_kafka import COLUMNS
from tests.waiting import PATIENCE


def _forget(kafka: str, group: str) -> None:
    """As a broker does when nobody has renewed the offsets of a group for `offsets.retention.minutes`."""
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.delete_consumer_groups([group])[group].result(PATIENCE)


@pytest.fixture
def server(kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("OUT", kafka)
    made = Server(Inside(tmp_path), "kafka", kafka, topic=topics.fresh(kafka))
    made.folder.write("specs/own.yaml", f"project: {made.topic}\n")  # a group of its own, which is deleted
    yield made
    topics.drop(kafka, made.topic)


def _cut_off(server: Server) -> str:
    """Runs until the target holds an epoch of which the store has no checkpoint; the group of the target's offsets."""
    with chdir(server.folder.path):
        opened = open_project([Path("specs")], None, "nothing was run")
    plan = plan_of(opened.checked, opened.ir, "s", opened.sessions)
    run = assembled(plan, opened.sessions, StreamReport("s"), pause=CutAt("target 0"), once=True)
    with pytest.raises(Cut):
        run.run()
    run.close()
    opened.sessions.close()
    (writer,) = run.writers
    assert isinstance(writer, KafkaWriter)
    return writer._producer.group


def test_an_epoch_that_a_topic_may_hold_is_not_written_again_unasked(server: Server, kafka: str) -> None:
    server.write()
    server.run(1, 2)
    server.put(3)
    _forget(kafka, _cut_off(server))
    failed = server.folder.flowc("run", "s", "--once")
    assert (failed.code, server.ids()) == (1, [1, 2, 3]), failed.out
    assert "error[positions-lost]" in failed.err
    assert "whether it holds the epochs from 2 to 2" in failed.err
    server.rewind("current")
    server.run(4)
    assert server.ids() == [1, 2, 3, 3, 4]


def test_an_epoch_behind_others_without_rows_is_not_written_again_unasked(server: Server, kafka: str) -> None:
    server.write()
    spec = server.folder.path / "specs/s.yaml"
    spec.write_text(spec.read_text("utf-8").replace("FROM source", "FROM source WHERE id > 1"), "utf-8")
    server.run(1)
    server.put(3)
    _forget(kafka, _cut_off(server))
    failed = server.folder.flowc("run", "s", "--once")
    assert (failed.code, "error[positions-lost]" in failed.err, server.ids()) == (1, True, [3]), failed.out + failed.err


def test_a_topic_that_may_have_rows_twice_gets_them(server: Server, kafka: str) -> None:
    server.write(f"{DEDUPE}\n    delivery: at_least_once")
    server.run(1, 2)
    server.put(3)
    _forget(kafka, _cut_off(server))
    server.run(4)
    assert server.ids() == [1, 2, 3, 3, 4]


def test_a_stream_that_was_stopped_goes_on(server: Server, kafka: str) -> None:
    server.write()
    server.run(1, 2)
    server.put(3)
    group = _cut_off(server)
    server.run(4)
    _forget(kafka, group)
    server.run(5)
    assert server.ids() == [1, 2, 3, 4, 5]


def test_epochs_without_rows_renew_the_number(kafka: str, monkeypatch: pytest.MonkeyPatch) -> None:
    topic, stream = topics.fresh(kafka), f"s{uuid.uuid4().hex[:8]}"
    plan = TopicTarget("bus", topic, "json", COLUMNS)
    writer = KafkaWriter(plan, stream, {"bootstrap_servers": kafka})
    writer.open()
    writer.write(epoch(1, numbered(1)))
    nothing = replace(epoch(2, numbered(1)), rows=numbered(1).slice(0, 0))
    writer.write(nothing)
    assert writer.look().epoch == 1
    monkeypatch.setattr(target, "_RENEWAL", 0.0)
    writer.write(nothing)
    assert writer.look().epoch == 2
    writer.close()
    topics.drop(kafka, topic)
