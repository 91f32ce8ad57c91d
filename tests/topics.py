"""Topics of a Kafka broker for tests and benchmarks: made, filled, cut, and dropped."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from tests.waiting import PATIENCE, until

FIRST_MS = 1_760_000_000_000
"""The time of event 0, in milliseconds since 1970; each event is a millisecond later than the one before."""
_ONCE = {"enable.idempotence": True, "max.in.flight": 1}
"""What a busy broker answers too late is sent again: neither twice, nor behind what came after it.

One request at a time, for a broker takes any batch as the first of a producer: where it was not ready for the one
before, that one is refused as out of order when it comes again, and the client counts it as delivered.
"""


@dataclass(frozen=True)
class Message:
    """What is produced. `at` is the time in milliseconds since 1970; 0 lets the client take its clock."""

    value: bytes | None
    key: bytes | None = None
    partition: int = 0
    headers: Sequence[tuple[str, bytes | None]] = ()
    at: int = 0


def fresh(address: str, partitions: int = 1, **config: str) -> str:
    """A new topic, with dots in the names of its settings written as underscores."""
    name = f"flowc-{uuid.uuid4().hex[:12]}"
    settings = {key.replace("_", "."): value for key, value in config.items()}
    topic = NewTopic(name, num_partitions=partitions, replication_factor=1, config=settings)
    admin = _admin(address)
    until(lambda: _made(admin, topic), lambda: f"the broker does not make topic `{name}`")
    until(lambda: _led(admin, name) == partitions, lambda: f"topic `{name}` has no leaders", pause=0.01)
    return name


def _made(admin: Any, topic: NewTopic) -> bool:
    """Whether a topic is there. A broker that missed a heartbeat has room for none until the next one."""
    try:
        admin.create_topics([topic])[topic.topic].result(PATIENCE)
    except KafkaException as error:
        if error.args[0].name() not in ("INVALID_REPLICATION_FACTOR", "TOPIC_ALREADY_EXISTS"):
            raise
        return bool(error.args[0].name() == "TOPIC_ALREADY_EXISTS")
    return True


def _led(admin: Any, topic: str) -> int:
    """How many partitions of a topic clients can use: they learn of it a moment after it is made."""
    partitions = admin.list_topics(topic, timeout=PATIENCE).topics[topic].partitions
    return sum(partition.error is None and partition.leader >= 0 for partition in partitions.values())


def grow(address: str, topic: str, partitions: int) -> None:
    """Gives a topic that many partitions."""
    admin = _admin(address)
    admin.create_partitions([NewPartitions(topic, partitions)])[topic].result(PATIENCE)
    until(lambda: _led(admin, topic) == partitions, lambda: f"topic `{topic}` does not grow")


def cut(address: str, topic: str, partition: int, before: int) -> None:
    """Deletes the messages of a partition before an offset, as retention does."""
    where = TopicPartition(topic, partition, before)
    admin = _admin(address)
    admin.delete_records([where])[where].result(PATIENCE)


def remake(address: str, topic: str, partitions: int = 1) -> None:
    """Deletes a topic and makes another one of its name."""
    drop(address, topic)
    admin = _admin(address)

    def made() -> bool:
        try:
            admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(PATIENCE)
        except KafkaException as error:
            if error.args[0].name() != "TOPIC_ALREADY_EXISTS":
                raise
            return False  # the old one is still going
        return True

    until(made, lambda: f"topic `{topic}` does not go")
    until(lambda: _led(admin, topic) == partitions, lambda: f"topic `{topic}` has no leaders", pause=0.01)


def drop(address: str, topic: str) -> None:
    """Deletes a topic."""
    admin = _admin(address)
    admin.delete_topics([topic])[topic].result(PATIENCE)


def drop_all(address: str, beginning: str) -> None:
    """Deletes the topics whose names begin so."""
    admin = _admin(address)

    def names() -> list[str]:
        return [name for name in admin.list_topics(timeout=PATIENCE).topics if name.startswith(beginning)]

    found = names()
    for deleted in (admin.delete_topics(found) if found else {}).values():
        deleted.result(PATIENCE)
    until(lambda: not names(), lambda: f"topics `{beginning}…` do not go")


def produce(address: str, topic: str, messages: Iterable[Message], **config: object) -> None:
    """Produces messages and waits until the broker has them; raises when it refuses one."""
    producer = _kept(address, tuple(config.items()))
    try:
        send(producer, topic, messages)
        flush(producer)
    except BaseException:
        _kept.cache_clear()  # the next one is not to hear of what this one was refused
        raise


@cache
def _kept(address: str, config: tuple[tuple[str, object], ...]) -> Any:
    """A producer for all messages of this process: each new one waits half a second for its identity."""
    return producing(address, **dict(config))


def producing(address: str, **config: object) -> Any:
    """A producer; dots in the names of its settings are written as underscores.

    It keeps the order of its messages, and doubles none, also when it has to send some again.
    """
    settings = {key.replace("_", "."): value for key, value in config.items()}
    return Producer({"bootstrap.servers": address, "linger.ms": 5, "log_level": 0, **_ONCE, **settings})


def send(producer: Any, topic: str, messages: Iterable[Message]) -> None:
    """Hands messages to a producer."""
    for m in messages:
        producer.produce(
            topic, m.value, m.key, m.partition, on_delivery=_refused, timestamp=m.at, headers=list(m.headers) or None
        )


def flush(producer: Any) -> None:
    """Waits until the broker has what the producer holds."""
    assert producer.flush(PATIENCE) == 0, "the broker did not take all messages in time"


def numbered(count: int, partition: int = 0, first: int = 0) -> list[Message]:
    """Messages whose values are numbers."""
    return [Message(b"%d" % number, partition=partition) for number in range(first, first + count)]


def event(number: int) -> bytes:
    """A JSON message of eight fields and about 200 bytes; the same number gives the same message."""
    return (
        b'{"event_id":%d,"user_id":%d,"session":"s-%08x","page":"/products/%04d?ref=campaign","amount":%d.%02d,'
        b'"currency":"EUR","happened_at":"2026-03-%02dT%02d:%02d:%02d.%06dZ","premium":%s}'
        % (
            number, number * 7919 % 100_003, number * 2_654_435_761 % 2**32, number * 31 % 10_000, number % 997,
            number % 100, 1 + number // 86_400_000 % 28, number // 3_600_000 % 24, number // 60_000 % 60,
            number // 1000 % 60, number % 1000 * 1000, b"true" if number % 3 == 0 else b"false",
        )
    )  # fmt: skip


def fill(address: str, topic: str, count: int, partitions: int, make: Callable[[int], bytes] = event) -> None:
    """Produces events 0 to `count`, in turn to each partition; quick enough for millions."""
    producer = _kept(address, (("linger_ms", 50), ("queue_buffering_max_messages", 500_000), ("batch_size", 1_000_000)))
    for number in range(count):
        while True:
            try:
                producer.produce(topic, make(number), partition=number % partitions, timestamp=FIRST_MS + number)
                break
            except BufferError:
                producer.poll(0.1)
    flush(producer)


def committed(address: str, topic: str) -> list[Any]:
    """All messages that readers of what is committed see, when no transaction is open any more.

    A commit is answered before the broker has marked it in every partition, and what is not marked is not seen.
    """
    reader, looker = (_reader(address, isolation) for isolation in ("read_committed", "read_uncommitted"))
    partitions = tuple(reader.list_topics(topic, timeout=PATIENCE).topics[topic].partitions)
    until(
        lambda: _ends(reader, topic, partitions) == _ends(looker, topic, partitions),
        lambda: f"a transaction in topic `{topic}` does not end",
        pause=0.01,
    )
    looker.close()
    reader.assign([TopicPartition(topic, partition, 0) for partition in partitions])
    found, left = list[Any](), len(partitions)
    while left:
        message = reader.poll(PATIENCE)
        assert message is not None, "the topic is not read to its end"
        if message.error() is None:
            found.append(message)
        else:
            left -= 1
    reader.close()
    return found


def _reader(address: str, isolation: str) -> Any:
    settings = {"group.id": "x", "enable.partition.eof": True, "log_level": 0, "isolation.level": isolation}
    settings["fetch.wait.max.ms"] = 10  # the end is told when the broker has waited so long for more
    return Consumer({"bootstrap.servers": address, **settings})


def _ends(reader: Any, topic: str, partitions: Iterable[int]) -> list[int]:
    places = [TopicPartition(topic, partition) for partition in partitions]
    return [reader.get_watermark_offsets(place, timeout=PATIENCE)[1] for place in places]


def _refused(error: object, message: object) -> None:
    assert error is None, f"the broker refused a message: {error}"


@cache
def _admin(address: str) -> Any:
    return AdminClient({"bootstrap.servers": address, "log_level": 0})
