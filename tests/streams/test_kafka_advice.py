"""What a reader tells and asks the broker beside messages: never at the cost of the one who waits for it."""

from __future__ import annotations

import threading
import time
import uuid

from confluent_kafka import Consumer, TopicPartition

from flowc.runtime.connectors.kafka import KafkaSource
from tests.topics import fresh, numbered, produce


def _told(address: str, group: str, topic: str) -> int:
    consumer = Consumer({"bootstrap.servers": address, "group.id": group})
    try:
        return int(consumer.committed([TopicPartition(topic, 0)], timeout=10)[0].offset)
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
            source.poll(100, 0.2)

    thread = threading.Thread(target=polling)
    thread.start()
    time.sleep(0.5)
    longest = 0.0
    for offset in range(1, 6):
        began = time.monotonic()
        source.commit({0: offset})
        longest = max(longest, time.monotonic() - began)
        time.sleep(0.3)
    stop.set()
    thread.join(10)
    source.close()
    assert longest < 0.1
    end = time.monotonic() + 10
    while (told := _told(kafka, group, topic)) != 5 and time.monotonic() < end:
        time.sleep(0.2)
    assert told == 5


def test_the_ends_of_a_run_that_ends_are_known_before_messages_are_waited_for(kafka: str) -> None:
    topic = fresh(kafka, 2)
    produce(kafka, topic, numbered(5))
    source = KafkaSource("events", topic, {"bootstrap_servers": kafka}, group=f"g-{topic}", once=True)
    source.open()
    source.assign({0: 5, 1: 0})
    produce(kafka, topic, numbered(3))
    began = time.monotonic()
    assert [source.end_offsets() for _ in range(50)] == [{0: 5, 1: 0}] * 50
    assert time.monotonic() - began < 5  # asked behind the question for messages, each would take up to half a second
    source.close()
