"""What flowc sets of a client of Kafka, beside what the connection sets of it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from flowc.runtime.systems.kafka.source import KafkaSource
from tests.streams.test_kafka_read import read, texts
from tests.topics import fresh, numbered, produce


@pytest.mark.covering
@pytest.mark.parametrize("most", [1, 100_000, 64 << 20])
@pytest.mark.parametrize("properties", [
    {}, {"receive.message.max.bytes": 20_000_000}, {"receive.message.max.bytes": "1600"},
    {"receive.message.max.bytes": 150_000_000, "message.max.bytes": 90_000_000}, {"message.max.bytes": 20_000_000},
    {"fetch.max.bytes": 2_000_000_000}, {"fetch.max.bytes": 500_000}, {"reconnect.backoff.ms": 5000},
])  # fmt: skip
def test_what_a_connection_sets_is_never_out_of_bounds_of_what_it_does_not(
    kafka: str, properties: Mapping[str, object], most: int
) -> None:
    topic = fresh(kafka)
    produce(kafka, topic, numbered(20))
    options = {"bootstrap_servers": kafka.partition("?")[0], "properties": properties}
    source = KafkaSource("bounded", topic, options, group=topic, max_bytes=most)
    try:
        source.open()
        source.assign({})
        assert read(source, 20).values == texts(20)
    finally:
        source.close()
