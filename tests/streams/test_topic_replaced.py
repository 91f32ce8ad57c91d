"""A topic that is deleted and made again is another one: what was stored of the first is not read on from in it."""

from __future__ import annotations

import json
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions
from confluent_kafka.admin import AdminClient

from flowc.loadplan import kept_name
from flowc.runtime.systems.kafka import topics as kafka_topics
from flowc.runtime.systems.kafka.topics import TopicId
from tests.commands import Folder
from tests.daemons import daemon
from tests.streams.test_dlq import Place, rows
from tests.streams.test_rewind import APPEND, counts, fill, project, run
from tests.topics import FIRST_MS, Message, committed, cut, flush, fresh, grow, produce, producing, remake, send
from tests.waiting import PATIENCE

pytestmark = pytest.mark.turns("wh", 2)


def replaced(kafka: str, topic: str, count: int) -> None:
    """Another topic of that name, with more messages than were read of the first."""
    remake(kafka, topic, 2)
    fill(kafka, topic, count, first=1000)


def _rows(count: int, partition: int = 0, first: int = 0) -> list[Message]:
    return [Message(json.dumps({"id": n}).encode(), partition=partition) for n in range(first, first + count)]


def refused(folder: Folder) -> None:
    failed = folder.flowc("run", "s", "--once")
    assert (failed.code, "error[topic-replaced]" in failed.err) == (1, True), failed.err
    assert "`source` was deleted and made again" in failed.err
    assert "rewind s --to earliest" in failed.err


def test_a_longer_topic_of_the_same_name_is_not_read_on(tmp_path: Path, kafka: str, wh: Place) -> None:
    topic = fresh(kafka, 2)
    fill(kafka, topic, 20)
    folder = project(tmp_path, kafka, topic, wh)
    run(folder)
    replaced(kafka, topic, 100)
    refused(folder)
    (status,) = folder.flowc("status", "--json").json
    assert (status["lag"], status["error"]["code"]) == (None, "topic-replaced")
    assert len(counts(wh)) == 20
    moved = folder.flowc("rewind", "s", "--to", "earliest", "--yes")
    assert (moved.code, "another topic" in moved.out, "twice" in moved.out) == (0, True, False), moved.err
    assert run(folder)["messages"] == 100
    assert counts(wh) == dict.fromkeys([*range(20), *range(1000, 1100)], 1)
    assert run(folder)["messages"] == 0


def test_each_partition_is_rewound_by_itself(tmp_path: Path, kafka: str) -> None:
    wh, topic = ("sqlite", {"path": str(tmp_path / "wh.db")}), fresh(kafka, 2)
    fill(kafka, topic, 20)
    folder = project(tmp_path, kafka, topic, wh)
    run(folder)
    replaced(kafka, topic, 100)
    assert folder.flowc("rewind", "s", "--to", "0:10", "--yes").code == 0
    refused(folder)
    assert folder.flowc("rewind", "s", "--to", "1:40", "--yes").code == 0
    assert run(folder)["messages"] == 50


def test_a_topic_with_fewer_partitions_is_read_after_a_rewind(tmp_path: Path, kafka: str) -> None:
    wh, topic = ("sqlite", {"path": str(tmp_path / "wh.db")}), fresh(kafka, 2)
    fill(kafka, topic, 20)
    folder = project(tmp_path, kafka, topic, wh)
    run(folder)
    remake(kafka, topic, 1)
    produce(kafka, topic, _rows(15, first=1000))
    refused(folder)
    status = folder.flowc("status")
    assert "`flowc rewind s --to earliest`" in status.err, status.err
    assert folder.flowc("rewind", "s", "--to", "earliest", "--yes").code == 0
    assert run(folder)["messages"] == 15


def test_windows_do_not_wait_for_partitions_that_a_topic_lost(tmp_path: Path, kafka: str) -> None:
    wh, topic = ("sqlite", {"path": str(tmp_path / "wh.db")}), fresh(kafka, 2)
    fill(kafka, topic, 2)
    sql = "SELECT window_start, count(*) AS n FROM tumble(source, INTERVAL '1 minute') GROUP BY window_start"
    folder = project(tmp_path, kafka, topic, wh, sql=sql)
    run(folder)
    remake(kafka, topic, 1)
    produce(kafka, topic, [Message(b"{}", at=FIRST_MS + minute * 60_000) for minute in (0, 0, 5)])
    assert folder.flowc("rewind", "s", "--to", "earliest", "--yes").code == 0
    assert run(folder)["messages"] == 3
    assert [row["n"] for row in rows(wh, "SELECT n FROM result")] == [2]


def test_a_gap_in_a_new_partition_stops_the_stream_until_a_rewind(tmp_path: Path, kafka: str) -> None:
    wh, topic = ("sqlite", {"path": str(tmp_path / "wh.db")}), fresh(kafka)
    produce(kafka, topic, _rows(3))
    folder = project(tmp_path, kafka, topic, wh)
    run(folder)
    grow(kafka, topic, 2)
    with_new = producing(kafka)
    with_new.list_topics(topic)
    send(with_new, topic, _rows(10, 1))
    flush(with_new)
    cut(kafka, topic, 1, 4)
    failed = folder.flowc("run", "s", "--once")
    assert (failed.code, "error[retention-gap]" in failed.err) == (1, True), failed.err
    assert "flowc rewind s --to 1:4" in failed.err
    moved = folder.flowc("rewind", "s", "--to", "1:4", "--yes")
    assert (moved.code, "4 are not read" in moved.out) == (0, True), moved.out
    assert run(folder)["messages"] == 6


def test_a_store_knows_it_too(tmp_path: Path, kafka: str) -> None:
    wh, topic = ("sqlite", {"path": str(tmp_path / "wh.db")}), fresh(kafka, 2)
    fill(kafka, topic, 20)
    to = f"[{APPEND}, {{ connection: lake, table: result }}]"
    folder = project(tmp_path, kafka, topic, wh, to=to)
    run(folder)
    replaced(kafka, topic, 100)
    refused(folder)
    assert folder.flowc("rewind", "s", "--to", "earliest", "--yes").code == 0
    assert run(folder)["messages"] == 100
    assert len(counts(wh)) == 120


@dataclass
class OnlyKafka:
    """A stream whose only memory are offsets in its cluster: a topic there is all that it writes."""

    kafka: str
    topic: str
    out: str
    folder: Folder

    @classmethod
    def made(cls, folder: Path, kafka: str) -> OnlyKafka:
        topic, out = fresh(kafka, 2), fresh(kafka)
        fill(kafka, topic, 20)
        to = f"{{ connection: bus, topic: {out}, key: id }}"
        wh = ("sqlite", {"path": str(folder / "wh.db")})
        made = project(folder, kafka, topic, wh, to=to)
        made.write("specs/own.yaml", f"project: {out}\n")  # a group of its own, which is deleted
        found = cls(kafka, topic, out, made)
        assert run(found.folder)["messages"] == 20
        return found

    def forget(self) -> None:
        """As a broker does with offsets that are older than it keeps them."""
        admin = AdminClient({"bootstrap.servers": self.kafka})
        admin.delete_consumer_groups([self.group])[self.group].result(PATIENCE)

    @property
    def group(self) -> str:
        return f"flowc-epochs-{kept_name(self.out, 's')}-{self.out}"

    def lost(self) -> None:
        failed = self.folder.flowc("run", "s", "--once")
        assert (failed.code, "error[positions-lost]" in failed.err) == (1, True), failed.err
        assert "how far `source` was read" in failed.err
        assert "flowc rewind s --to earliest" in failed.err
        (status,) = self.folder.flowc("status", "--json").json
        assert (status["lag"], status["error"]["code"]) == (None, "positions-lost")

    def ids(self) -> list[int]:
        return sorted(json.loads(message.value() or b"")["id"] for message in committed(self.kafka, self.out))


def test_a_stream_whose_memory_went_with_its_topic_does_not_begin_anew_unasked(tmp_path: Path, kafka: str) -> None:
    """A broker forgets the offsets of a topic that is deleted."""
    stream = OnlyKafka.made(tmp_path, kafka)
    replaced(kafka, stream.topic, 100)
    stream.lost()
    assert stream.ids() == list(range(20))
    assert stream.folder.flowc("rewind", "s", "--to", "0:10", "--yes").code == 0
    stream.lost()  # the other partition is not known yet
    moved = stream.folder.flowc("rewind", "s", "--to", "1:40", "--yes")
    assert (moved.code, "position lost" in moved.out) == (0, True), moved.err
    assert run(stream.folder)["messages"] == 50
    assert run(stream.folder)["messages"] == 0


def test_a_stream_whose_offsets_expired_does_not_begin_anew_unasked(tmp_path: Path, kafka: str) -> None:
    stream = OnlyKafka.made(tmp_path, kafka)
    stream.forget()
    stream.lost()
    moved = stream.folder.flowc("rewind", "s", "--to", "latest", "--yes")
    assert (moved.code, "position lost" in moved.out) == (0, True), moved.err
    fill(kafka, stream.topic, 10, first=20)
    assert run(stream.folder)["messages"] == 10
    assert stream.ids() == list(range(30))
    stream.forget()
    stream.lost()
    assert stream.folder.flowc("rewind", "s", "--to", "earliest", "--yes").code == 0
    assert run(stream.folder)["messages"] == 30


def test_a_longer_topic_is_told_by_its_id_where_the_broker_kept_the_offsets(tmp_path: Path, kafka: str) -> None:
    stream = OnlyKafka.made(tmp_path, kafka)
    admin = AdminClient({"bootstrap.servers": kafka})
    group = stream.group
    asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result(PATIENCE)
    replaced(kafka, stream.topic, 100)
    again = ConsumerGroupTopicPartitions(group, [each for each in asked.topic_partitions if each.topic != stream.out])
    assert [len(place.metadata) for place in again.topic_partitions] == [22, 22]
    admin.alter_consumer_group_offsets([again])[group].result(PATIENCE)
    refused(stream.folder)


def test_an_idle_epoch_forgets_nothing(tmp_path: Path, kafka: str) -> None:
    """The id stands with every position, after runs that read nothing too."""
    wh, topic = ("sqlite", {"path": str(tmp_path / "wh.db")}), fresh(kafka, 2)
    fill(kafka, topic, 20)
    folder = project(tmp_path, kafka, topic, wh)
    for _ in range(3):
        run(folder)
    found = rows(wh, "SELECT DISTINCT log_id FROM flowc_positions")
    assert [len(row["log_id"]) for row in found] == [22]


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_that_run_find_it_out(tmp_path: Path, kafka: str, postgres: str, workers: int) -> None:
    wh, topic = ("postgres", {"url": postgres}), fresh(kafka, 2)
    fill(kafka, topic, 20)
    folder = project(tmp_path, kafka, topic, wh, more=f"parallelism: {workers}")
    run(folder)
    with daemon(Folder(folder.path), "s") as running:
        running.until(lambda: running.page("/readyz")[0] == 200)
        replaced(kafka, topic, 100)
        running.until(lambda: any(code in running.log() for code in ("topic-replaced", "missing-topic")))
    refused(folder)
    assert len(counts(wh)) == 20


@pytest.mark.parametrize("answer", ["AAAAAAAAAAAAAAAAAAAAAA", "_UNSUPPORTED_FEATURE"])
def test_a_broker_that_tells_no_ids_is_asked_once(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    """Brokers before Kafka 2.8, of which none runs here: a client of the tests' own answers for them."""
    asked = list[str]()

    class Refused(Exception):
        pass

    def describe(topics: list[str], request_timeout: float) -> dict[str, Future[Any]]:
        asked.extend(topics)
        told = Future[Any]()
        if answer.startswith("_"):
            told.set_exception(Refused(SimpleNamespace(name=lambda: answer)))
        else:
            told.set_result(SimpleNamespace(topic_id=answer))
        return dict.fromkeys(topics, told)

    client = SimpleNamespace(describe_topics=describe)
    made = SimpleNamespace(AdminClient=lambda _: client, TopicCollection=list, KafkaException=Refused)
    monkeypatch.setattr(kafka_topics, "driver", lambda *_: made)
    topic = TopicId({}, "orders", "source")
    topic.open()
    topic.check()
    for messages in (False, True):
        topic.heard(messages)
    assert (topic.known, asked) == ("", ["orders"])
