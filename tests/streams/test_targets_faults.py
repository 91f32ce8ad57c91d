"""Topics as targets when the broker dies: the worker may try again, and nothing is lost or there twice."""

from __future__ import annotations

import json
import uuid
from contextlib import suppress

import pytest

from flowc.errors import TransientError
from flowc.runtime.systems.kafka.producer import TopicProducer
from flowc.runtime.systems.kafka.target import KafkaWriter
from flowc.stream import TopicTarget
from tests.services.kafka import Broker
from tests.streams.epochs import epoch, numbered
from tests.streams.test_kafka_faults import broker
from tests.streams.test_targets_kafka import COLUMNS
from tests.topics import committed, drop, fresh
from tests.waiting import until

__all__ = ["broker"]


def _opened(writer: KafkaWriter) -> int:
    """The epoch that is held, as soon as the broker tells it: what a worker that tries again does."""
    held: list[int] = []

    def is_back() -> bool:
        with suppress(TransientError):
            held.append(writer.open().epoch)
        return bool(held)

    until(is_back)
    return held[0]


def test_a_transaction_that_does_not_end_is_told_with_its_mend(kafka: str, monkeypatch: pytest.MonkeyPatch) -> None:
    topic, stream = fresh(kafka, 2), f"s{uuid.uuid4().hex[:8]}"
    writer = KafkaWriter(TopicTarget("bus", topic, "json", COLUMNS), stream, {"bootstrap_servers": kafka})
    assert _opened(writer) == 0
    other = TopicProducer({"bootstrap_servers": kafka}, f"flowc-epochs-{stream}-{topic}", f"other-{stream}")
    other.open()
    with other.transaction():
        other.offsets({(topic, 0): 7}, {})
        monkeypatch.setattr("flowc.runtime.systems.kafka.producer._SECONDS", 2.0)
        with pytest.raises(TransientError) as told:
            writer.look()
        monkeypatch.undo()
    assert f"a transaction with offsets of group `flowc-epochs-{stream}-{topic}` hangs" in (told.value.help or "")
    other.close()
    writer.close()
    drop(kafka, topic)


def test_a_writer_outlives_the_death_of_the_broker(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    address = broker.address.partition("?")[0]
    topic, stream = fresh(address, 2), f"s{uuid.uuid4().hex[:8]}"
    writer = KafkaWriter(TopicTarget("bus", topic, "json", COLUMNS), stream, {"bootstrap_servers": address})
    _opened(writer)  # a broker that has just begun may name no coordinator yet
    writer.write(epoch(1, numbered(1)))
    # A broker killed before it has written a commit's markers may never write them (Kafka 4.3 tells its log that it
    # has), and then no producer and no reader gets past them.
    committed(address, topic)
    _opened(writer)
    broker.kill()
    with monkeypatch.context() as impatient:  # so that a dead broker is found out soon
        impatient.setattr("flowc.runtime.systems.kafka.producer._SECONDS", 2.0)
        impatient.setattr("flowc.runtime.systems.kafka.producer._COMMIT_SECONDS", 2.0)
        with pytest.raises(TransientError):
            writer.write(epoch(2, numbered(2)))
        with pytest.raises(TransientError):
            writer.open()
    broker.start()
    held = _opened(writer)
    for number in range(held + 1, 4):
        writer.write(epoch(number, numbered(number)))
    writer.close()
    found = sorted(json.loads(message.value() or b"")["id"] for message in committed(address, topic))
    assert (held in (1, 2), found) == (True, list(range(30)))
