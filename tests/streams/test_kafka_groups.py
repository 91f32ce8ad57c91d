"""Readers that share a topic: partitions change hands, and each is read on from where it was stored."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from confluent_kafka import TopicPartition

from flowc.errors import FlowcError
from flowc.runtime.contracts.source import Membership, Polled
from flowc.runtime.systems.kafka.source import KafkaSource
from tests import topics
from tests.topics import Message, fresh, produce
from tests.waiting import PATIENCE, until

PROTOCOLS: Mapping[str, Mapping[str, object]] = {
    "cooperative": {"heartbeat.interval.ms": 300},
    "eager": {"partition.assignment.strategy": "range", "heartbeat.interval.ms": 300},
    "kip-848": {"group.protocol": "consumer"},
}
PARTITIONS = 4


@dataclass
class Store:
    """A target: rows and positions, moved together by compare-and-set as a database's transaction does it."""

    positions: dict[int, int] = field(default_factory=dict)
    rows: list[bytes] = field(default_factory=list)
    refused: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def stored(self) -> dict[int, int]:
        with self.lock:
            return dict(self.positions)

    def write(self, polled: Polled) -> bool:
        with self.lock:
            if any(self.positions.get(int(r.partition), int(r.start)) != int(r.start) for r in polled.ranges):
                self.refused += 1
                return False
            self.positions.update({int(r.partition): int(r.end) for r in polled.ranges})
            self.rows += polled.messages.column("_value").to_pylist()
            return True


@dataclass
class Member:
    """One reader in a thread of its own; begins anew when its write is refused, as a fenced worker does."""

    make: Callable[[], KafkaSource]
    store: Store
    owned: set[int] = field(default_factory=set)
    revoked: list[frozenset[int]] = field(default_factory=list)
    error: BaseException | None = None
    _stop: threading.Event = field(default_factory=threading.Event)

    def start(self) -> Member:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._live()
        except BaseException as error:
            self.error = error

    def _live(self) -> None:
        source = self.make()
        source.open()
        try:
            source.join(Membership(self.store.stored, self.revoked.append))
            while not self._stop.is_set():
                polled = source.poll(20, 0.05)
                self.owned = set(source.positions())
                if polled is not None and not self.store.write(polled):
                    return
        finally:
            source.close()
            self.owned = set()


@pytest.fixture(params=PROTOCOLS)
def group(request: pytest.FixtureRequest, kafka: str) -> Iterator[tuple[str, Callable[..., Member]]]:
    """A topic of four partitions, and what starts members of a group that reads it."""
    topic = fresh(kafka, PARTITIONS)
    members: list[Member] = []

    def member(store: Store, **more: object) -> Member:
        options = {"bootstrap_servers": kafka, "properties": PROTOCOLS[request.param]}
        made = Member(lambda: KafkaSource("events", topic, options, group=f"g-{topic}", **more), store)  # type: ignore[arg-type]
        members.append(made)
        return made.start()

    yield topic, member
    for each in members:
        each._stop.set()


def test_members_share_hand_over_and_lose_nothing(kafka: str, group: tuple[str, Callable[..., Member]]) -> None:
    topic, member = group
    store, sent, done = Store(), [0], threading.Event()

    def flow() -> None:
        while not done.is_set():
            batch = [Message(b"%d" % n, partition=n % PARTITIONS) for n in range(sent[0], sent[0] + 40)]
            produce(kafka, topic, batch)
            sent[0] += 40
            time.sleep(0.05)

    feeder = threading.Thread(target=flow, daemon=True)
    feeder.start()
    first = member(store)
    until(lambda: len(first.owned) == PARTITIONS and len(store.rows) > 0)
    second = member(store)
    until(lambda: len(first.owned) == len(second.owned) == PARTITIONS / 2)
    assert first.owned.isdisjoint(second.owned)
    handed = {partition for gone in first.revoked for partition in gone}
    assert handed >= second.owned
    first.stop()
    until(lambda: len(second.owned) == PARTITIONS)
    done.set()
    feeder.join()
    until(lambda: len(store.rows) >= sent[0])
    second.stop()
    assert sorted(map(int, store.rows)) == list(range(sent[0]))


def test_streams_whose_connection_names_a_group_read_all_partitions_each(kafka: str) -> None:
    """One group of two streams would give each of them a part of the messages."""
    topic, stores = fresh(kafka, PARTITIONS), [Store(), Store()]
    options = {"bootstrap_servers": kafka, "group_id": f"team-{topic}"}
    produce(kafka, topic, [Message(b"%d" % n, partition=n % PARTITIONS) for n in range(40)])

    def source(name: str) -> KafkaSource:
        return KafkaSource("events", topic, options, group=f"flowc-{name}")

    members = [Member(partial(source, name), store).start() for name, store in zip("ab", stores, strict=True)]
    until(lambda: all(len(store.rows) == 40 for store in stores), lambda: f"{[len(s.rows) for s in stores]}")
    for member in members:
        member.stop()
    topics.drop(kafka, topic)


def test_a_group_that_starts_at_the_end_takes_no_partition_for_a_new_one(
    kafka: str, group: tuple[str, Callable[..., Member]]
) -> None:
    topic, member = group
    produce(kafka, topic, [Message(b"old", partition=p) for p in range(PARTITIONS)])
    store = Store()
    members = [member(store, start="latest"), member(store, start="latest")]
    until(lambda: [len(each.owned) for each in members] == [2, 2])
    until(lambda: store.stored() == dict.fromkeys(range(PARTITIONS), 1))
    produce(kafka, topic, [Message(b"%d" % p, partition=p) for p in range(PARTITIONS)])
    until(lambda: len(store.rows) >= PARTITIONS)
    for each in members:
        each.stop()
    assert sorted(store.rows) == [b"0", b"1", b"2", b"3"]


def test_a_gap_met_when_partitions_are_handed_over_is_an_error(
    kafka: str, group: tuple[str, Callable[..., Member]]
) -> None:
    topic, member = group
    produce(kafka, topic, [Message(b"x", partition=1) for _ in range(5)])
    topics.cut(kafka, topic, 1, 3)
    broken = member(Store(positions={0: 0, 1: 2, 2: 0, 3: 0}))
    until(lambda: broken.error is not None)
    with pytest.raises(FlowcError) as caught:
        broken.stop()
    assert caught.value.code == "retention-gap"


def test_who_is_first_to_record_beginnings_records_those_of_all_partitions(kafka: str) -> None:
    topic = fresh(kafka, PARTITIONS)
    options = {"bootstrap_servers": kafka, "properties": PROTOCOLS["cooperative"]}
    early, late = (KafkaSource("events", topic, options, start="latest", group=f"g-{topic}") for _ in range(2))
    early.open()
    early.join(Membership(dict))
    until(lambda: early.poll(10, 0.1) is None and len(early.positions()) == PARTITIONS)
    late.open()
    late.join(Membership(dict))  # what the other holds is not stored yet
    begun: list[Polled] = []
    until(lambda: begun.extend(p for p in (late.poll(10, 0.1), early.poll(10, 0.1)) if p is not None) or bool(begun))
    assert len(late.positions()) < PARTITIONS
    assert {int(range_.partition) for range_ in begun[0].ranges} == set(range(PARTITIONS))
    late.close()
    early.close()


class Handed:
    """A client whose group hands over what a test says, when it says it."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def subscribe(self, _: object, *, on_assign: Any, on_revoke: Any, on_lost: Any) -> None:
        self.assign, self.revoke = on_assign, on_revoke

    def incremental_assign(self, _: object) -> None:
        return

    def consume(self, _count: int, _seconds: float) -> list[Any]:
        return []


@pytest.mark.parametrize("returns", [False, True])
def test_a_partition_that_goes_before_its_beginning_is_recorded_is_no_new_one(kafka: str, returns: bool) -> None:
    topic, stored = fresh(kafka, 2), dict[int, int]()
    produce(kafka, topic, [Message(b"old", partition=p) for p in range(2)])
    source = KafkaSource("events", topic, {"bootstrap_servers": kafka}, start="latest", group=f"g-{topic}")
    source.open()
    source._consumer = client = Handed(source._consumer)
    source.join(Membership(lambda: stored))
    client.assign(client, [TopicPartition(topic, 0), TopicPartition(topic, 1)])
    client.revoke(client, [TopicPartition(topic, 1)])
    if returns:  # behind what another member has written
        stored[1] = 2
        produce(kafka, topic, [Message(b"new", partition=1)])
        client.assign(client, [TopicPartition(topic, 1)])
    polled = source.poll(10, 0.0)
    source.close()
    assert polled is not None
    found = {int(r.partition): (int(r.start), int(r.end)) for r in polled.ranges}
    assert found == {0: (1, 1)} | ({} if returns else {1: (1, 1)})
