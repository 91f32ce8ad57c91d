"""What a reader tells and asks the broker beside messages: never at the cost of the one who waits for it."""

from __future__ import annotations

import threading
import time
import uuid

from confluent_kafka import Consumer, TopicPartition

from flowc.runtime.systems.kafka.source import KafkaSource
from tests.topics import fresh, numbered, produce
from tests.waiting import PATIENCE, until

_LONG = 60.0
"""Seconds that a poll waits for messages, and what waited for it would."""


def _told(address: str, group: str, topic: str) -> int:
    consumer = Consumer({"bootstrap.servers": address, "group.id": group})
    try:
        return int(consumer.committed([TopicPartition(topic, 0)], timeout=PATIENCE)[0].offset)
    finally:
        consumer.close()


def test_telling_the_broker_never_waits_for_the_thread_that_polls(kafka: str) -> None:
    topic, group = fresh(kafka), f"g{uuid.uuid4().hex[:8]}"
    produce(kafka, topic, numbered(10))
    source = KafkaSource("events", topic, {"bootstrap_servers": kafka}, group=group)
    source.open()
    source.assign({})
    stop = threading.Event()

    def polling() -> None:
        while not stop.is_set():
            source.poll(100, _LONG)

    thread = threading.Thread(target=polling)
    thread.start()
    until(lambda: source.positions() == {0: 10})
    longest = 0.0
    for offset in range(1, 6):
        time.sleep(0.1)  # most likely it waits in a poll by then
        began = time.monotonic()
        source.commit({0: offset}, {})
        longest = max(longest, time.monotonic() - began)

    def is_told() -> bool:
        produce(kafka, topic, numbered(1))  # a poll ends, and the next one tells
        return _told(kafka, group, topic) == 5

    until(is_told, pause=0.5)
    stop.set()
    produce(kafka, topic, numbered(1))
    thread.join(PATIENCE)
    source.close()
    assert longest < _LONG / 4


def test_the_ends_of_a_run_that_ends_are_known_before_messages_are_waited_for(kafka: str) -> None:
    """Each would take up to half a second behind the question for messages; none is asked at all."""
    topic = fresh(kafka, 2)
    produce(kafka, topic, numbered(5))
    source = KafkaSource("events", topic, {"bootstrap_servers": kafka}, group=f"g-{topic}", once=True)
    source.open()
    source.assign({0: 5, 1: 0})
    produce(kafka, topic, numbered(3))
    assert source.end_offsets() == {0: 5, 1: 0}
    source.close()


def test_what_is_told_never_goes_back_behind_where_a_partition_was_taken_over(kafka: str) -> None:
    """What a worker knew when it began is older than what another member has written since."""
    topic, group = fresh(kafka), f"g{uuid.uuid4().hex[:8]}"
    produce(kafka, topic, numbered(10))
    source = KafkaSource("events", topic, {"bootstrap_servers": kafka}, group=group)
    source.open()
    source.assign({0: 7})
    source.commit({0: 2}, {})
    source.close()
    assert _told(kafka, group, topic) == 7
