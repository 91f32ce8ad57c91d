"""Writes epochs into topics of Kafka, each in one transaction with the number of the epoch, or with the positions.

A worker that was overtaken is shut out by the broker: the newer producer has the same transactional id.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from math import inf

import pyarrow as pa
import pyarrow.compute as pc

from flowc.errors import DataError
from flowc.nodes import Changelog
from flowc.runtime.badrows import BadRow
from flowc.runtime.contracts.epoch import Epoch, Partition, after, logs_after
from flowc.runtime.contracts.marks import Mark
from flowc.runtime.contracts.target import MOVED, Fenced, Held, TargetOpening, Writer
from flowc.runtime.systems.kafka.messages import Messages, changed, letters, messages
from flowc.runtime.systems.kafka.producer import Place, TopicProducer
from flowc.stream import TopicTarget

_RENEWAL = 3600.0
"""Seconds after which a target without rows records its epoch again: a broker forgets offsets that nobody renews."""
Stored = Mapping[Place, tuple[int, str]]
"""Offsets of the group by their places, with their notes."""


def _nothing(_: object) -> None:
    return


@dataclass
class KafkaWriter:
    """One topic of one stream; see `flowc.runtime.contracts.target.Writer`. `options` are the connection's."""

    plan: TopicTarget
    stream: str
    options: Mapping[str, object] = field(repr=False)
    pause: Callable[[str], None] = _nothing
    """Called with the name of each point between two steps; campaigns of crashes hook in here."""
    was: str = ""
    """The name under which the stream was stored before its project was renamed."""
    _producer: TopicProducer = field(init=False)
    _positions: dict[Partition, str] = field(default_factory=dict, init=False)
    _logs: dict[Partition, str] = field(default_factory=dict, init=False)
    _read: dict[str, int] = field(default_factory=dict, init=False)
    """How many partitions of each source were ever read."""
    _marked: bool = field(default=False, init=False)
    """Whether the cluster has noted for ever that the stream has run."""
    _asked: bool = field(default=False, init=False)
    _made: tuple[pa.RecordBatch, Messages] | None = field(default=None, init=False)
    _number: int = field(default=0, init=False)
    """That of the last epoch, as it was stored when this one looked or wrote."""
    _renewed: float = field(default=-inf, init=False)
    """When this writer last recorded an epoch, by `time.monotonic`."""
    _place: str = field(default="", init=False)
    """The ID of the topic that this worker has opened, where the broker tells it."""

    def __post_init__(self) -> None:
        self._producer = self._kept_as(self.stream)

    def _kept_as(self, stream: str) -> TopicProducer:
        name = f"flowc-{stream}-{self.plan.topic}"
        group = f"flowc-epochs-{stream}-{self.plan.topic}"  # of an environment that writes another topic, another one
        topics = [topic for topic in (self.plan.topic, self.plan.dead_topic) if topic is not None]
        return TopicProducer(self.options, group, name if self.plan.transactions else None, topics)

    @property
    def mark(self) -> Mark:
        """The last epoch that said something, and the topic's ID."""
        return Mark(self._number, self._place)

    def open(self) -> Held:
        """Connects and shuts out the worker before; makes the topics where they are missing."""
        self._producer.require()
        self._producer.open()
        self._made, held = None, self._stored()
        self._place = held.place
        return self._claimed(held) if self.was and not held.epoch and not held.positions else held

    def fence(self) -> None:
        """Ends the transaction of the producer before and shuts it out; without transactions, the broker cannot."""
        if self.plan.transactions:
            self._producer.open()

    def look(self) -> Held:
        """What is held, for those who only watch."""
        if not self._producer.is_open:
            self._producer.open(watching=True)
        held = self._stored()
        if not self.was or held.epoch or held.positions:
            return held
        before = self._kept_as(self.was)
        with closing(before):
            before.open(watching=True)
            return self._held(self._left(before))

    def has_rows(self) -> bool:
        """Whether the topic has messages."""
        return self._producer.has_messages(self.plan.topic)

    def _places(self) -> dict[tuple[str, int], Partition]:
        """The sources' partitions by their places among the group's offsets."""
        return {
            (topic, p): (name, str(p)) for name, topic in self.plan.positions for p in self._producer.partitions(topic)
        }

    def _stored(self) -> Held:
        return self._held(self._producer.held([self._mark, *self._places()]))

    def _held(self, found: Stored) -> Held:
        """What the group's offsets mean, and their notes: the log of each, and with the mark, how much was read."""
        places = self._places()
        self._positions = {places[at]: str(offset) for at, (offset, _) in found.items() if at in places}
        self._logs = {places[at]: note for at, (_, note) in found.items() if at in places and note}
        self._number, note = found.get(self._mark, (0, ""))
        told = json.loads(note) if note else {}
        self._read, self._marked = dict(told.get("read", {})), told.get("marked") == self._key
        if not found and places and self._producer.is_marked(self._key):
            self._read = {
                source: len([at for at in places.values() if at[0] == source]) for source, _ in places.values()
            }
        known = {(source, str(number)) for source, count in self._read.items() for number in range(count)}
        lost = frozenset(known & set(places.values()) - self._positions.keys())
        place = self._producer.identity(self.plan.topic)
        # A broker forgets the offsets of a topic with it; a worker may have written into the next one of that name.
        absent = bool(self._positions) and (self._mark not in found or _differ(told.get("topic"), place))
        return Held(self._number, dict(self._positions), dict(self._logs), lost=lost, absent=absent, place=place)

    @property
    def _key(self) -> str:
        """Under which it is noted that the stream has run."""
        return f"{self._producer.group}/{self.plan.topic}"

    def _left(self, before: TopicProducer) -> Stored:
        """The offsets under the name that the stream had before; nothing where somebody went on with them."""
        found = before.held([self._mark, *self._places()])
        return {} if any(offset == MOVED for offset, _ in found.values()) else found

    def _claimed(self, none: Held) -> Held:
        """Goes on from what is held under the name that the stream had before; who goes on with that is stopped.

        The offsets are this name's before they are taken from the other one: a crash in between changes nothing.
        """
        before = self._kept_as(self.was)
        with closing(before):
            before.open(watching=True)
            if not self._left(before):
                return none
            before.open()
            left = self._left(before)  # nobody else writes there any more
            with self._producer.transaction():
                self._producer.offsets(
                    {at: offset for at, (offset, _) in left.items()}, {at: note for at, (_, note) in left.items()}
                )
            with before.transaction():
                before.offsets(dict.fromkeys(left, MOVED), {})
        return self._stored()

    def oversized(self, epoch: Epoch) -> Sequence[BadRow]:
        """The rows that the topic does not take, for they are too large."""
        if self.plan.letters or not epoch.rows.num_rows:
            return ()
        messages, most = self._messages(epoch), self._producer.limits[self.plan.topic]
        if pc.max(messages.sizes).as_py() <= most:
            return ()
        about = f"and topic `{self.plan.topic}` takes {most} (`max.message.bytes`)"
        marks = pc.greater(messages.sizes, most)
        found = zip(messages.rows.filter(marks).to_pylist(), messages.sizes.filter(marks).to_pylist(), strict=True)
        return [BadRow(at, "value-refused", f"the message has {n} bytes with its frame, {about}") for at, n in found]

    def _messages(self, epoch: Epoch) -> Messages:
        """The messages of an epoch's rows, made once; of changes, those of the last one of each key."""
        if self._made is None or self._made[0] is not epoch.rows:
            make = messages if self.plan.changes is Changelog.INSERT_ONLY else changed
            self._made = epoch.rows, make(epoch.rows, self.plan)
        return self._made[1]

    def write(self, epoch: Epoch) -> int:
        """Commits an epoch. Without positions to keep, one that says nothing seldom needs a transaction."""
        if not (self.plan.positions or self._says(epoch) or self._expires):
            return epoch.number
        with self._producer.transaction():
            self._produce(epoch)
            self.pause("produced")
            positions, logs = after(epoch.ranges, self._positions), logs_after(epoch.ranges, self._logs)
            for source, number in positions:
                self._read[source] = max(int(number) + 1, self._read.get(source, 0))
            self._prove()
            self._producer.offsets(self._offsets(epoch.number, positions), self._notes(logs))
            self.pause("offsets")
        self._positions, self._logs, self._number, self._made = positions, logs, epoch.number, None
        self._renewed = time.monotonic()
        self.pause("committed")
        if self.plan.positions and not (self._marked or self._asked):
            # Behind the offsets, so that what is noted was there; where it is not allowed, once in a run is enough.
            self._asked, self._marked = True, self._producer.mark(self._key)
        return epoch.number

    def _prove(self) -> None:
        """Without transactions the broker shuts nobody out: who was overtaken finds another number than its own."""
        if self.plan.transactions or not self.plan.positions:
            return
        self._producer.flush()
        if self._producer.held([self._mark]).get(self._mark, (0, ""))[0] != self._number:
            raise Fenced(f"another worker goes on with stream `{self.stream}`, or it was moved")

    def flush(self) -> int:
        """Nothing is held back."""
        return 0

    def close(self) -> None:
        """Leaves."""
        self._producer.close()

    @property
    def _mark(self) -> tuple[str, int]:
        """The place among the group's offsets where the number of the epoch stands."""
        return self.plan.topic, 0

    @property
    def _expires(self) -> bool:
        """Whether the number of an epoch is to be renewed, or none is recorded: its loss would not be noticed."""
        return not self._number or time.monotonic() - self._renewed >= _RENEWAL

    def _says(self, epoch: Epoch) -> bool:
        dead = epoch.dead is not None and epoch.dead.num_rows > 0
        return dead if self.plan.letters else bool(epoch.rows.num_rows) or (dead and self.plan.dead_topic is not None)

    def _produce(self, epoch: Epoch) -> None:
        dead_topic = self.plan.topic if self.plan.letters else self.plan.dead_topic
        if not self.plan.letters and epoch.rows.num_rows:
            for bad in self.oversized(epoch):
                raise DataError(f"row {bad.index + 1}: {bad.message}", code=bad.code)
            self._producer.produce(self.plan.topic, self._messages(epoch).made)
        if dead_topic is not None and epoch.dead is not None:
            for value, key, headers in letters(epoch.dead, self._producer.limits[dead_topic]):
                self._producer.letter(dead_topic, value, key, headers)

    def _offsets(self, number: int, positions: Mapping[Partition, str]) -> dict[tuple[str, int], int]:
        topics = dict(self.plan.positions)
        kept = {(topics[source], int(p)): int(at) for (source, p), at in positions.items() if source in topics}
        return {**kept, self._mark: number}

    def _notes(self, logs: Mapping[Partition, str]) -> dict[Place, str]:
        """What is stored with them: the log of each, and with the mark how much was read, and the ID of the topic."""
        topics = dict(self.plan.positions)
        kept = {(topics[source], int(partition)): log for (source, partition), log in logs.items() if source in topics}
        # A stream that gets another name is not noted under that one yet.
        told = {"read": self._read, "marked": self._key if self._marked else None, "topic": self._place}
        return {**kept, self._mark: json.dumps(told) if self._read else ""}


def _differ(noted: str | None, place: str) -> bool:
    """Whether the IDs of two topics are known, and are different ones."""
    return bool(noted) and bool(place) and noted != place


def open_target(opening: TargetOpening) -> Writer:
    """A topic."""
    assert isinstance(opening.plan, TopicTarget)
    return KafkaWriter(opening.plan, opening.stream, opening.options, opening.pause, opening.former)
