"""Where the log of a topic begins and ends, and whether positions lie in it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flowc.errors import EngineError, FlowcError
from flowc.runtime.extras import driver
from flowc.runtime.systems.kafka.errors import failure

SECONDS = 10.0
_LATEST, _EARLIEST = -1, -2
_PATIENCE = (0.3, 1.0)
"""A broker that has just become the leader may say for a moment that the log ends earlier than it does."""


@dataclass(frozen=True)
class TopicLog:
    """A topic as a consumer sees it; `source` is how messages to the user call it."""

    consumer: Any
    topic: str
    source: str
    secrets: tuple[str, ...] = ()

    def partitions(self, seconds: float = SECONDS) -> tuple[int, ...]:
        """The numbers of its partitions. Raises EngineError (`missing-topic`, `access-denied`), TransientError."""
        kafka = driver("confluent_kafka", "kafka")
        try:
            found = self.consumer.list_topics(self.topic, timeout=seconds).topics[self.topic]
        except kafka.KafkaException as error:
            raise self.failed(error.args[0]) from error
        if found.error is not None:
            raise self.failed(found.error)
        return tuple(sorted(found.partitions))

    def ends(self, partitions: Iterable[int]) -> dict[int, int]:
        """The offset after the last message that can be read; those of open transactions cannot."""
        return self._asked(partitions, _LATEST)

    def beginnings(self, partitions: Iterable[int]) -> dict[int, int]:
        """The offset of the first message that is still there."""
        return self._asked(partitions, _EARLIEST)

    def starts(self, partitions: Iterable[int], start: str, milliseconds: int | None) -> dict[int, int]:
        """Where a stream begins: `earliest`, `latest`, or the first message at or after an instant, else the end.

        To a broker, times before 1970 are no times but words, such as for the end.
        """
        wanted = tuple(partitions)
        if start == "latest":
            return self.ends(wanted)
        if milliseconds is None or milliseconds <= 0:
            return self.beginnings(wanted)
        found = self._asked(wanted, milliseconds)
        ends = self.ends(partition for partition, offset in found.items() if offset < 0)
        return {**found, **ends}

    def check(self, positions: Mapping[int, int]) -> None:
        """Raises EngineError when a position is not in the log: `retention-gap` or `position-beyond-end`."""
        beginnings = self.beginnings(positions)
        for partition, stored in sorted(positions.items()):
            if stored < beginnings[partition]:
                raise self._gap(partition, stored, beginnings[partition])
        for wait in (*_PATIENCE, None):
            ends = self.ends(positions)
            beyond = [(p, stored, ends[p]) for p, stored in sorted(positions.items()) if stored > ends[p]]
            if not beyond:
                return
            if wait is None:
                raise self._beyond(*beyond[0])
            time.sleep(wait)

    def failed(self, error: Any) -> FlowcError:
        """An error of librdkafka about this topic."""
        return failure(error, self.secrets, about=f"`{self.source}`, topic `{self.topic}`: ")

    def _asked(self, partitions: Iterable[int], when: int) -> dict[int, int]:
        """One question to each broker, whatever the number of partitions."""
        kafka = driver("confluent_kafka", "kafka")
        asked = [kafka.TopicPartition(self.topic, partition, when) for partition in partitions]
        if not asked:
            return {}
        try:
            answers = self.consumer.offsets_for_times(asked, timeout=SECONDS)
        except kafka.KafkaException as error:
            raise self.failed(error.args[0]) from error
        for answer in answers:
            if answer.error is not None:
                raise self.failed(answer.error)
        return {answer.partition: answer.offset for answer in answers}

    def _gap(self, partition: int, stored: int, low: int) -> EngineError:
        return EngineError(
            f"{self._read_up_to(partition, stored)} begins at {low} now: "
            f"{low - stored} offsets ({stored} to {low - 1}) are gone",
            code="retention-gap",
            help="the topic's retention removed them before they were read; restore them, or go on without them: "
            f"`flowc rewind STREAM --to {partition}:{low}`",
        )

    def _beyond(self, partition: int, stored: int, end: int) -> EngineError:
        return EngineError(
            f"{self._read_up_to(partition, stored)} ends at {end}",
            code="position-beyond-end",
            help="the topic was made anew, or its log was cut; if its messages are to be read from the beginning: "
            "`flowc rewind STREAM --to earliest`",
        )

    def _read_up_to(self, partition: int, stored: int) -> str:
        where = f"partition {partition} of topic `{self.topic}`"
        return f"`{self.source}`: {where} was read up to offset {stored}, and its log"
