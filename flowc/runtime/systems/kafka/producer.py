"""A producer of one stream, its transactions, and the group of offsets in which it remembers how far it is.

The number of the last epoch, and positions where the target is a stream's only memory, are offsets of a group that
nobody else uses: they are committed in the transaction of the messages. All of them are committed each time, for a
broker forgets offsets that are not renewed (`offsets.retention.minutes`). That they were there once stands in a topic
of its own, which forgets nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from flowc.errors import EngineError, FlowcError, TransientError
from flowc.runtime.contracts.target import Fenced
from flowc.runtime.extras import driver
from flowc.runtime.systems.kafka.errors import failure, is_overtaken
from flowc.runtime.systems.kafka.messages import Headers, Message
from flowc.runtime.systems.kafka.options import producer_settings, secrets, settings
from flowc.runtime.systems.kafka.sizes import limits, make_compacted, make_topics, sized, told_limits
from flowc.runtime.systems.kafka.topics import topic_id
from flowc.runtime.threads import thread

_SECONDS = 30.0
_COMMIT_SECONDS = 60.0
_MARKING = 10.0
_PASSING = ("_STATE", "_FATAL", "_FAIL", "COORDINATOR_LOAD_IN_PROGRESS", "COORDINATOR_NOT_AVAILABLE", "NOT_COORDINATOR")
"""What another producer, made when the target is opened again, may well get over."""
_TOO_LARGE = ("MSG_SIZE_TOO_LARGE", "RECORD_LIST_TOO_LARGE")
_HANGING = (
    "check that the broker runs; where it does and this stays, a transaction with offsets of group `{}` hangs: "
    "Kafka's `kafka-transactions.sh find-hanging` names it, and after its `abort` in each partition the stream goes on"
)
_LOG = logging.getLogger("flowc.kafka")
_LOG.addHandler(logging.NullHandler())
Place = tuple[str, int]
"""A topic and the number of one of its partitions."""
Offsets = Mapping[Place, int]
Notes = Mapping[Place, str]
"""What is stored with offsets."""
MARKS = "flowc-streams"
"""A compacted topic that says for ever which groups have had offsets: the broker forgets the offsets themselves."""


@dataclass
class TopicProducer:
    """Without a `transactional_id`, messages may be there twice after a failure."""

    options: Mapping[str, object] = field(repr=False)
    group: str
    transactional_id: str | None
    topics: Sequence[str] = ()
    """Those that are written."""
    limits: dict[str, int] = field(default_factory=dict, init=False)
    """The largest message that each of them takes, in bytes; known once it is open."""
    _producer: Any = field(default=None, init=False)
    _consumer: Any = field(default=None, init=False)
    _refused: list[Any] = field(default_factory=list, init=False)
    _secrets: tuple[str, ...] = field(default=(), init=False, repr=False)

    @property
    def is_open(self) -> bool:
        """Whether it is connected."""
        return self._producer is not None

    def open(self, *, watching: bool = False) -> None:
        """Connects, ends what an earlier producer of the same id has begun, and shuts it out.

        With `watching` it only looks, and leaves the earlier one alone.
        """
        self.close()
        self._refused.clear()
        made = producer_settings(self.options, None if watching else self.transactional_id)
        self._secrets = secrets(made)
        admin = self._admin()
        with self._speaking():
            self.limits = limits(told_limits(admin, self.topics, _SECONDS), self.topics, made)
        with self._speaking("the connection's options: "):
            self._producer = self._kafka.Producer({**made, **sized(self.limits, made)}, logger=_LOG)
            self._consumer = self._kafka.Consumer(
                {**settings(self.options, self.group), "group.id": self.group}, logger=_LOG
            )
        if self.transactional_id is not None and not watching:
            with self._speaking():
                self._producer.init_transactions(_SECONDS)

    def close(self) -> None:
        """Leaves. May be called twice."""
        producer, self._producer = self._producer, None
        consumer, self._consumer = self._consumer, None
        if producer is not None:
            producer.purge()
        if consumer is not None:
            consumer.close()

    def require(self) -> None:
        """Makes its topics where they are missing. Raises EngineError (`missing-topic`) where that is not allowed."""
        admin = self._admin()
        with self._speaking():
            make_topics(admin, self.topics, _SECONDS)

    def _admin(self) -> Any:
        admin = driver("confluent_kafka.admin", "kafka")
        made = producer_settings(self.options, None)
        self._secrets = secrets(made)
        with self._speaking("the connection's options: "):
            return admin.AdminClient({**made, "log_level": 0})

    def partitions(self, topic: str) -> tuple[int, ...]:
        """The numbers of a topic's partitions."""
        with self._speaking(f"topic `{topic}`: "):
            return tuple(self._producer.list_topics(topic, timeout=_SECONDS).topics[topic].partitions)

    def has_messages(self, topic: str) -> bool:
        """Whether a partition of a topic has messages."""
        places = [self._kafka.TopicPartition(topic, partition) for partition in self.partitions(topic)]
        with self._speaking(f"topic `{topic}`: "):
            ends = [self._consumer.get_watermark_offsets(place, timeout=_SECONDS) for place in places]
        return any(first < end for first, end in ends)

    def identity(self, topic: str) -> str:
        """The ID of a topic; '' where the broker gives none."""
        admin = self._admin()
        with self._speaking(f"topic `{topic}`: "):
            return topic_id(admin, topic, _SECONDS)

    def held(self, places: Sequence[Place]) -> dict[Place, tuple[int, str]]:
        """The offsets of the group that are stored, with their notes.

        A broker tells none while a transaction that holds some is open. It can leave one open for ever: killed after
        it has answered a commit and before it has written the markers, it may come back and take them as written.
        """
        asked = [self._kafka.TopicPartition(topic, partition) for topic, partition in places]
        try:
            with self._speaking():
                found = self._consumer.committed(asked, timeout=_SECONDS) if asked else []
        except TransientError as error:
            error.help = _HANGING.format(self.group)
            raise
        return {(at.topic, at.partition): (at.offset, at.metadata or "") for at in found if at.offset >= 0}

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Messages and offsets within it are seen together, or not at all."""
        self._refused.clear()
        with self._speaking():
            if self.transactional_id is not None:
                self._producer.begin_transaction()
            try:
                yield
                self._commit()
            except BaseException:
                self._abort()
                raise

    def produce(self, topic: str, messages: list[Message]) -> None:
        """Hands over messages."""
        sent = self._producer.produce_batch(topic, messages, on_delivery=self._report)
        if sent != len(messages):
            error = next(message["_error"] for message in messages if "_error" in message)
            raise self._failed(error, f"topic `{topic}`: ")

    def letter(self, topic: str, value: bytes | None, key: bytes | None, headers: Headers) -> None:
        """Hands over one message with headers."""
        self._producer.produce(topic, value, key, headers=headers, on_delivery=self._report)

    def offsets(self, offsets: Offsets, notes: Notes) -> None:
        """Stores offsets of the group, and notes with them, with the messages."""
        places = [self._kafka.TopicPartition(*at, offset, notes.get(at, "")) for at, offset in offsets.items()]
        if self.transactional_id is not None:
            self._bounded(lambda: self._producer.send_offsets_to_transaction(places, self._group(), _SECONDS))
        else:
            self.flush()
            self._consumer.commit(offsets=places, asynchronous=False)

    def mark(self, key: str) -> bool:
        """Notes for ever that the group has offsets; whether the cluster lets us. What is stored never fails by it."""
        refused: list[Any] = []
        try:
            with self._speaking():
                if not make_compacted(self._admin(), MARKS, _MARKING):
                    return False
                marker = self._kafka.Producer(producer_settings(self.options, None), logger=_LOG)
                marker.produce(MARKS, b"{}", key.encode(), on_delivery=lambda error, _: refused.append(error))
                marker.flush(_MARKING)
        except FlowcError as error:
            _LOG.warning("cannot note in `%s` that a stream has run: %s", MARKS, error.message)
        return refused == [None]

    def is_marked(self, key: str) -> bool:
        """Whether that was noted once."""
        with self._speaking():
            if MARKS not in self._producer.list_topics(timeout=_SECONDS).topics:
                return False
        made = {**settings(self.options, self.group), "group.id": self.group, "enable.partition.eof": True}
        reader = self._kafka.Consumer(made, logger=_LOG)
        try:
            reader.assign([self._kafka.TopicPartition(MARKS, 0, self._kafka.OFFSET_BEGINNING)])
            return self._is_among(reader, key.encode())
        finally:
            reader.close()

    def _is_among(self, reader: Any, key: bytes) -> bool:
        until = time.monotonic() + _SECONDS
        while time.monotonic() < until:
            for message in reader.consume(1000, 1.0):
                if message.error() is None:
                    if message.key() == key:
                        return True
                elif message.error().name() == "_PARTITION_EOF":
                    return False
                elif not message.error().retriable():
                    _LOG.warning("cannot read `%s`: %s", MARKS, message.error())
                    return False
        raise TransientError(f"topic `{MARKS}` cannot be read", code="connection-lost")

    def _group(self) -> Any:
        return self._consumer.consumer_group_metadata()

    def _bounded(self, call: Callable[[], object]) -> None:
        """Makes a call that the client does not end in time when its broker is gone (librdkafka #5456, #5511).

        The producer is given up then: the next one of the same id ends what it has begun.
        """
        failed: list[BaseException] = []

        def work() -> None:
            try:
                call()
            except BaseException as error:  # of any sort: the caller's thread raises it
                failed.append(error)

        calling = thread("kafka-call", work)
        calling.start()
        calling.join(_SECONDS)
        if calling.is_alive():
            self._producer = None
            raise TransientError("the broker did not answer in time", code="connection-lost")
        if failed:
            raise failed[0]

    def _commit(self) -> None:
        if self.transactional_id is not None:
            self._producer.commit_transaction(_COMMIT_SECONDS)
        self._raise()

    def flush(self) -> None:
        """Waits until the broker has all messages."""
        left = self._producer.flush(_COMMIT_SECONDS)
        self._raise()
        if left:
            raise TransientError(f"{left} messages were not taken in time", code="connection-lost")

    def _raise(self) -> None:
        if self._refused:
            raise self._failed(self._refused[0], "")

    def _report(self, error: Any, _: Any) -> None:
        if error is not None and error.name() not in ("_PURGE_QUEUE", "_PURGE_INFLIGHT"):
            self._refused.append(error)

    def _abort(self) -> None:
        """Best effort: a transaction that stays open is ended by the next producer."""
        if self.transactional_id is not None and self._producer is not None:
            with suppress(self._kafka.KafkaException):
                self._producer.abort_transaction(_SECONDS)

    @property
    def _kafka(self) -> Any:
        return driver("confluent_kafka", "kafka")

    @contextmanager
    def _speaking(self, about: str = "") -> Iterator[None]:
        """Turns errors of the client into ours."""
        try:
            yield
        except BufferError as error:
            raise TransientError("the broker takes messages too slowly", code="connection-lost") from error
        except self._kafka.KafkaException as error:
            raise self._failed(error.args[0], about) from error

    def _failed(self, error: Any, about: str) -> FlowcError:
        if is_overtaken(error):
            return Fenced(f"another worker has taken over `{self.transactional_id}`")
        error = self._refused[0] if self._refused else error
        found = failure(error, self._secrets, about=about)
        if error.name() in _TOO_LARGE and self.limits:
            # All messages were small enough when the topics were asked.
            return TransientError(f"{found.message}; `max.message.bytes` may have changed", code="connection-lost")
        passing = error.txn_requires_abort() or error.name() in _PASSING
        if isinstance(found, EngineError) and found.code == "query-refused" and passing:
            return TransientError(found.message, code="connection-lost", help=found.help)
        return found
