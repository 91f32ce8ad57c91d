"""Dead letters as they are kept in a topic: the very messages, with where they stood and why they are dead in headers.

They are read without a group, from the first that is still there to the end that there is now.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from flowc.errors import EngineError, TransientError
from flowc.runtime.arrow import empty
from flowc.runtime.contracts.epoch import Partition, Range
from flowc.runtime.contracts.letternotes import NOTES, note, written
from flowc.runtime.contracts.oversize import one_batch
from flowc.runtime.contracts.positions import numbers
from flowc.runtime.contracts.source import RAW, Polled
from flowc.runtime.streams.letterbox import Batch, single
from flowc.runtime.streams.letters import SCHEMA
from flowc.runtime.systems.kafka.source import KafkaSource
from flowc.stream import DEAD_LETTER

_PREFIX = "flowc_"
_NAME = "dead letters"
_PATIENCE = 30.0
_ROWS = 10_000


@dataclass
class TopicLetters:
    """The dead letters of one stream, by its kept name, in a topic that may hold those of others.

    `options` are the connection's.

    They stay where they are when they are replayed. `attempts` is how many a letter may have that is not parked.
    """

    stream: str
    topic: str
    options: Mapping[str, object] = field(repr=False)
    attempts: int
    _source: KafkaSource = field(init=False)
    _ends: dict[int, int] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        columns, group = RAW, "flowc-dead-letters"
        self._source = KafkaSource(_NAME, self.topic, self.options, columns=columns, group=group, once=True)

    def all(self, replayed: Mapping[Partition, str]) -> list[dict[str, Any]]:
        """Those that were not `replayed` yet, and those that are parked; none where the topic was not made yet."""
        try:
            self.begin({})
            found = [each for polled in self._polled() for each in polled.messages.to_pylist()]
        except EngineError as error:
            if error.code == "missing-topic":
                return []
            raise
        finally:
            self.close()
        letters = [(message, _letter(message)) for message in found]
        return [
            letter
            for message, letter in letters
            if letter is not None
            and letter["stream"] == self.stream
            and (message["_offset"] >= int(replayed.get((_NAME, str(message["_partition"])), 0))
                 or letter["attempt"] > self.attempts)
        ]  # fmt: skip

    def close(self) -> None:
        """Leaves the topic."""
        self._source.close()

    def begin(self, positions: Mapping[Partition, str]) -> None:
        """Goes to where the last replay ended, in partitions that have such a place."""
        self._source.open()
        first = self._source.starting("earliest")
        stood = numbers({partition: offset for (_, partition), offset in positions.items()})
        own = {partition: max(offset, first.get(partition, offset)) for partition, offset in stood.items()}
        self._source.assign({**first, **own})
        self._ends = dict(self._source.end_offsets())

    def next(self) -> Batch | None:
        """The next letters that are not parked; None at the end that there was in the beginning."""
        for polled in self._polled():
            letters = self._letters(polled.messages)
            if letters.num_rows:
                return Batch(letters, polled.ranges)
        return None

    def at(self, ranges: Sequence[Range]) -> pa.RecordBatch:
        """The letters of a batch that was given before."""
        self._source.open()
        starts = numbers({range_.partition: range_.start for range_ in ranges})
        self._source.assign({**self._source.starting("earliest"), **starts})
        self._ends = numbers({range_.partition: range_.end for range_ in ranges})
        letters = [self._letters(polled.messages) for polled in self._polled()]
        return single(one_batch(letters)) if letters else empty(DEAD_LETTER)

    def _polled(self) -> Iterator[Polled]:
        last = time.monotonic()
        while any(self._source.positions().get(partition, end) < end for partition, end in self._ends.items()):
            polled = self._source.poll(_ROWS, 0.1)
            if polled is not None:
                last = time.monotonic()
                yield self._clipped(polled)
            elif time.monotonic() - last > _PATIENCE:
                raise TransientError("the topic of dead letters gives no messages", code="connection-lost")

    def _clipped(self, polled: Polled) -> Polled:
        """Without what lies behind the ends: letters that failed again since."""
        ranges = tuple(
            replace(range_, end=str(min(int(range_.end), self._ends[int(range_.partition)])))
            for range_ in polled.ranges
            if int(range_.start) < self._ends.get(int(range_.partition), 0)
        )
        return replace(
            polled, messages=polled.messages.filter(polled.order.within(polled.messages, ranges)), ranges=ranges
        )

    def _letters(self, messages: pa.RecordBatch) -> pa.RecordBatch:
        found = (letter for letter in map(_letter, messages.to_pylist()) if letter is not None)
        own = [letter for letter in found if letter["stream"] == self.stream and letter["attempt"] <= self.attempts]
        return single(pa.RecordBatch.from_pylist(own, schema=SCHEMA))


def _letter(message: Mapping[str, Any]) -> dict[str, Any] | None:
    """The letter of a message, None for one that is none."""
    try:
        return _read(message)
    except ValueError:
        return None


def _read(message: Mapping[str, Any]) -> dict[str, Any] | None:
    headers = [(header["key"], header["value"]) for header in message["_headers"] or ()]
    told = {key.removeprefix(_PREFIX): _text(value) for key, value in headers if key.startswith(_PREFIX)}
    if not {"stream", "source", "topic", "partition", "offset", "error_code", "attempt", "failed_at"} <= told.keys():
        return None
    kept = [{"key": key, "value": value.hex() if value is not None else None}
            for key, value in headers if not key.startswith(_PREFIX)]  # fmt: skip
    kept += [note(key, int(value)) for key, value in headers if key in NOTES]
    return {
        "stream": told["stream"], "source": told["source"], "topic": told["topic"],
        "partition_name": told["partition"], "message_position": told["offset"],
        "event_time": _time(told["event_time"]) if "event_time" in told else None,
        "message_key": message["_key"], "headers": written(kept), "message": message["_value"],
        "error_code": told["error_code"], "error": told.get("error", ""), "attempt": int(told["attempt"]),
        "failed_at": _time(told["failed_at"]),
    }  # fmt: skip


def _text(value: bytes | None) -> str:
    return (value or b"").decode(errors="replace")


def _time(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
