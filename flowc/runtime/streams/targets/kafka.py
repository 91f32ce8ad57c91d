"""Writes epochs into topics of Kafka, each in one transaction with the number of the epoch, or with the positions.

A worker that was overtaken is shut out by the broker: the newer producer has the same transactional id.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from flowc.runtime.streams.epoch import Epoch, Partition, after
from flowc.runtime.streams.targets.contract import Fenced, Held
from flowc.runtime.streams.targets.kafka_messages import letters, messages
from flowc.runtime.streams.targets.kafka_producer import TopicProducer
from flowc.stream import TopicTarget


def _nothing(_: object) -> None:
    return


@dataclass
class KafkaWriter:
    """One topic of one stream; see `flowc.runtime.streams.targets.contract.Writer`. `options` are the connection's."""

    plan: TopicTarget
    stream: str
    options: Mapping[str, object] = field(repr=False)
    pause: Callable[[str], None] = _nothing
    """Called with the name of each point between two steps; campaigns of crashes hook in here."""
    _producer: TopicProducer = field(init=False)
    _positions: dict[Partition, int] = field(default_factory=dict, init=False)
    _number: int = field(default=0, init=False)
    """That of the last epoch, as it was stored when this one looked or wrote."""

    def __post_init__(self) -> None:
        name = f"flowc-{self.stream}-{self.plan.topic}"
        group = f"flowc-epochs-{self.stream}"
        self._producer = TopicProducer(self.options, group, name if self.plan.transactions else None)

    def open(self) -> Held:
        """Connects and shuts out the worker before; makes the topics where they are missing."""
        self._producer.open()
        for topic in filter(None, (self.plan.topic, self.plan.dead_topic)):
            self._producer.require(topic)
        return self._stored()

    def look(self) -> Held:
        """What is held, for those who only watch."""
        if not self._producer.is_open:
            self._producer.open(watching=True)
        return self._stored()

    def _stored(self) -> Held:
        number = self._producer.held([self._mark])
        asked = {(topic, p): (name, p) for name, topic in self.plan.positions for p in self._producer.partitions(topic)}
        found = self._producer.held(list(asked))
        self._positions = {asked[place]: offset for place, offset in found.items()}
        self._number = number.get(self._mark, 0)
        return Held(self._number, dict(self._positions))

    def write(self, epoch: Epoch) -> int:
        """Commits an epoch. Without positions to keep, one that says nothing needs no transaction."""
        if not self.plan.positions and not self._says(epoch):
            return epoch.number
        with self._producer.transaction():
            self._produce(epoch)
            self.pause("produced")
            positions = after(epoch.ranges, self._positions)
            self._prove()
            self._producer.offsets(self._offsets(epoch.number, positions))
            self.pause("offsets")
        self._positions, self._number = positions, epoch.number
        self.pause("committed")
        return epoch.number

    def _prove(self) -> None:
        """Without transactions the broker shuts nobody out: who was overtaken finds another number than its own."""
        if self.plan.transactions or not self.plan.positions:
            return
        self._producer.flush()
        if self._producer.held([self._mark]).get(self._mark, 0) != self._number:
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

    def _says(self, epoch: Epoch) -> bool:
        dead = epoch.dead is not None and epoch.dead.num_rows > 0
        return dead if self.plan.letters else bool(epoch.rows.num_rows) or (dead and self.plan.dead_topic is not None)

    def _produce(self, epoch: Epoch) -> None:
        dead_topic = self.plan.topic if self.plan.letters else self.plan.dead_topic
        if not self.plan.letters and epoch.rows.num_rows:
            self._producer.produce(self.plan.topic, messages(epoch.rows, self.plan.columns, self.plan.key))
        if dead_topic is not None and epoch.dead is not None:
            for value, key, headers in letters(epoch.dead):
                self._producer.letter(dead_topic, value, key, headers)

    def _offsets(self, number: int, positions: Mapping[Partition, int]) -> dict[tuple[str, int], int]:
        topics = dict(self.plan.positions)
        kept = {(topics[source], partition): at for (source, partition), at in positions.items() if source in topics}
        return {**kept, self._mark: number}
