"""How large messages may be: what a topic takes, and what a message has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flowc.errors import EngineError
from flowc.runtime.extras import driver
from flowc.runtime.systems.kafka.options import number

_UNTOLD = 1_000_000
"""What is taken to be a topic's limit where the cluster does not tell: that of the client."""
_FRAME, _HEADER = 200, 10
"""More bytes than a batch of one message has around it, and around each header."""
_UNREACHED = ("_TRANSPORT", "_TIMED_OUT", "_ALL_BROKERS_DOWN", "_RESOLVE")
_LEAST, _MOST, _BATCH = 1000, 1_000_000_000, 1_000_000
"""What librdkafka takes as limits, and the size of a batch that is filled."""
_LIMIT, _FULL = "message.max.bytes", "batch.size"
_OPEN = "max.message.bytes"
Headers = Sequence[tuple[str, bytes | None]]


def size_of(value: bytes | None, key: bytes | None, headers: Headers | None = None) -> int:
    """The bytes that a message may have in a batch of its own, before it is compressed."""
    own = sum(len(name.encode()) + len(data or b"") + _HEADER for name, data in headers or ())
    return len(value or b"") + len(key or b"") + own + _FRAME


def sizes_of(values: pa.Array, keys: pa.Array | None) -> pa.Int64Array:
    """As `size_of`, of messages without headers."""
    sizes = pc.add(pc.fill_null(pc.binary_length(values), 0).cast(pa.int64()), _FRAME)
    return sizes if keys is None else pc.add(sizes, pc.fill_null(pc.binary_length(keys), 0))


def make_topics(client: Any, topics: Iterable[str], seconds: float) -> None:
    """Makes the topics that are missing, as the cluster makes topics by default.

    Raises EngineError (`missing-topic`) where the cluster does not let us.
    """
    kafka, admin = driver("confluent_kafka", "kafka"), driver("confluent_kafka.admin", "kafka")
    there = client.list_topics(timeout=seconds).topics
    for topic in (topic for topic in topics if topic not in there):
        try:
            client.create_topics([admin.NewTopic(topic, num_partitions=-1)])[topic].result(seconds)
        except kafka.KafkaException as error:
            if error.args[0].name() != "TOPIC_ALREADY_EXISTS":
                message = f"there is no topic `{topic}`, and it cannot be made: {error.args[0].str()}"
                raise EngineError(message, code="missing-topic", help="create it, or correct its name") from error


def make_compacted(client: Any, topic: str, seconds: float) -> bool:
    """Makes a topic that keeps the last message of each key for ever, where it is missing; whether it is there then."""
    kafka, admin = driver("confluent_kafka", "kafka"), driver("confluent_kafka.admin", "kafka")
    if topic in client.list_topics(timeout=seconds).topics:
        return True
    made = admin.NewTopic(topic, num_partitions=1, config={"cleanup.policy": "compact"})
    try:
        client.create_topics([made])[topic].result(seconds)
    except kafka.KafkaException as error:
        return bool(error.args[0].name() == "TOPIC_ALREADY_EXISTS")
    return True


def told_limits(client: Any, topics: Iterable[str], seconds: float) -> dict[str, int]:
    """The largest batch that each topic takes, of those of which the cluster tells us."""
    kafka, admin = driver("confluent_kafka", "kafka"), driver("confluent_kafka.admin", "kafka")
    asked = [admin.ConfigResource(admin.ResourceType.TOPIC, topic) for topic in topics]
    found: dict[str, int] = {}
    for resource, answer in (client.describe_configs(asked, request_timeout=seconds) if asked else {}).items():
        try:
            found[resource.name] = int(answer.result(seconds)[_OPEN].value)
        except kafka.KafkaException as error:
            if error.args[0].name() in _UNREACHED:
                raise  # else who may not ask goes by the client's own limit
    return found


def limits(told: Mapping[str, int], topics: Iterable[str], settings: Mapping[str, object]) -> dict[str, int]:
    """The largest message that is sent to each topic: never more than the connection's own `message.max.bytes`."""
    own = settings.get(_LIMIT)
    most = number(settings, _LIMIT, _MOST)
    return {topic: min(told.get(topic, _UNTOLD if own is None else most), most) for topic in topics}


def sized(limits: Mapping[str, int], settings: Mapping[str, object]) -> dict[str, object]:
    """What a producer is told, so that it makes no batch that one of the topics refuses."""
    if not limits:
        return {}
    full = number(settings, _FULL, _BATCH)
    largest = max(_LEAST, min(max(limits.values()), _MOST))
    return {_LIMIT: largest, _FULL: max(1, min(full, *(max(1, limit - _FRAME) for limit in limits.values())))}
