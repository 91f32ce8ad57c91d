"""Single messages of topics, read again where they stood."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from flowc.runtime.extras import driver
from flowc.runtime.systems.kafka import arrow
from flowc.runtime.systems.kafka.errors import failure
from flowc.runtime.systems.kafka.options import secrets, settings
from flowc.runtime.systems.kafka.sizes import size_of

_COLUMNS = ("_value", "_key", "_headers", "_partition", "_offset", "_event_ts", "_event_ms")
_SECONDS = 30.0
_LOG = logging.getLogger("flowc.kafka")


@dataclass
class Fetcher:
    """Reads messages of one connection, whose options are `options`, without a group."""

    options: Mapping[str, object] = field(repr=False)
    _consumer: Any = field(default=None, init=False)
    _secrets: tuple[str, ...] = field(default=(), init=False, repr=False)

    def fetch(self, topic: str, partition: int, offset: int, size: int) -> pa.RecordBatch | None:
        """The message of a size that stands at a place; None where there is none any more, or another one.

        Raises FlowcError where the broker cannot be asked.
        """
        kafka = driver("confluent_kafka", "kafka")
        place = kafka.TopicPartition(topic, partition, offset)
        try:
            low, high = self._opened(kafka).get_watermark_offsets(place, timeout=_SECONDS)
            message = self._read(kafka, place) if low <= offset < high else None
        except kafka.KafkaException as error:
            raise failure(error.args[0], self._secrets, about=f"topic `{topic}`: ") from error
        if message is None:
            return None
        found = arrow.batch([message], _COLUMNS, arrow.partitions([message]))
        headers = [(each["key"], each["value"]) for each in found.column("_headers")[0].as_py()]
        return found if size_of(message.value(), message.key(), headers) == size else None

    def close(self) -> None:
        """Leaves. May be called twice."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close()

    def _opened(self, kafka: Any) -> Any:
        if self._consumer is None:
            made = settings(self.options, "flowc-dead-letters")
            self._secrets = secrets(made)
            self._consumer = kafka.Consumer(made, logger=_LOG)
        return self._consumer

    def _read(self, kafka: Any, place: Any) -> Any:
        self._consumer.assign([place])
        until = time.monotonic() + _SECONDS
        while time.monotonic() < until:
            message = self._consumer.poll(0.5)
            if message is None:
                continue
            if message.error() is None:
                return message if message.offset() == place.offset else None
            if message.error().name() == "_PARTITION_EOF":
                return None
            if not message.error().retriable():
                raise kafka.KafkaException(message.error())
        raise kafka.KafkaException(kafka.KafkaError(kafka.KafkaError._TIMED_OUT))
