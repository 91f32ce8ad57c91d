"""Reading topics of a real broker: every message once, as it was written, at exact positions."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pyarrow as pa
import pytest

from flowc.errors import FlowcError, TransientError
from flowc.runtime.contracts.epoch import Range
from flowc.runtime.contracts.source import RAW, Polled
from flowc.runtime.systems.kafka.arrow import TYPES
from flowc.runtime.systems.kafka.offsets import TopicLog
from flowc.runtime.systems.kafka.source import KafkaSource
from tests import topics, waiting
from tests.topics import FIRST_MS, Message, fresh, numbered, produce
from tests.waiting import PATIENCE

Open = Callable[..., KafkaSource]


@pytest.fixture
def opened(kafka: str) -> Iterator[Open]:
    """Opens readers, and closes them in the end."""
    sources: list[KafkaSource] = []

    def open_(topic: str, **more: object) -> KafkaSource:
        options = {"bootstrap_servers": kafka, **more.pop("options", {})}  # type: ignore[dict-item]
        source = KafkaSource("events", topic, options, **{"group": f"g-{topic}", **more})  # type: ignore[arg-type]
        source.open()
        sources.append(source)
        return source

    yield open_
    for source in sources:
        source.close()


@dataclass
class Read:
    """What a reader gave: values and ranges. The ranges of a partition must follow each other without a gap."""

    values: list[bytes | None] = field(default_factory=list)
    ends: dict[int, int] = field(default_factory=dict)
    starts: dict[int, int] = field(default_factory=dict)

    def take(self, polled: Polled | None) -> None:
        if polled is None:
            return
        self.values += polled.messages.column("_value").to_pylist()
        for range_ in polled.ranges:
            partition, start = int(range_.partition), int(range_.start)
            assert start == self.ends.get(partition, start)
            self.starts.setdefault(partition, start)
            self.ends[partition] = int(range_.end)


def read(source: KafkaSource, count: int, seconds: float = PATIENCE, max_rows: int = 1000) -> Read:
    """Reads until there are `count` messages, and a little more to see that no more come."""
    found, end = Read(), time.monotonic() + seconds
    while len(found.values) < count and time.monotonic() < end:
        found.take(source.poll(max_rows, 0.2))
    found.take(source.poll(max_rows, 0.1))
    return found


def until(source: KafkaSource, ends: Mapping[int, int], seconds: float = PATIENCE) -> Read:
    """Reads until the positions are there."""
    found, end = Read(), time.monotonic() + seconds
    while dict(source.positions()) != dict(ends) and time.monotonic() < end:
        found.take(source.poll(1000, 0.2))
    assert dict(source.positions()) == dict(ends)
    return found


def texts(count: int, first: int = 0) -> list[bytes]:
    return [b"%d" % number for number in range(first, first + count)]


def failing(action: Callable[[], object]) -> FlowcError:
    with pytest.raises(FlowcError) as caught:
        action()
    return caught.value


def test_every_message_is_read_once_with_its_range(kafka: str, opened: Open) -> None:
    topic = fresh(kafka, 3)
    produce(kafka, topic, [*numbered(500), *numbered(70, 1, 500)])
    source = opened(topic)
    source.assign({})
    found = read(source, 570, max_rows=64)
    assert sorted(found.values) == sorted(texts(570))
    assert found.starts == {0: 0, 1: 0, 2: 0}
    assert found.ends == {0: 500, 1: 70, 2: 0}
    assert source.positions() == {0: 500, 1: 70, 2: 0} == source.end_offsets()


def test_reading_goes_on_at_the_stored_positions(kafka: str, opened: Open) -> None:
    topic = fresh(kafka, 2)
    produce(kafka, topic, [*numbered(10), *numbered(10, 1, 10)])
    source = opened(topic)
    source.assign({0: 7, 1: 10})
    assert read(source, 3).values == texts(3, 7)
    source.assign({0: 9, 1: 8})
    assert sorted(read(source, 3).values) == [b"18", b"19", b"9"]


def test_a_poll_gives_no_more_rows_than_asked_for(kafka: str, opened: Open) -> None:
    topic = fresh(kafka)
    produce(kafka, topic, numbered(100))
    source = opened(topic)
    source.assign({})
    sizes = []
    while sum(sizes) < 100:
        polled = source.poll(30, PATIENCE)
        assert polled is not None
        sizes.append(polled.messages.num_rows)
    assert max(sizes) <= 30


def test_columns_hold_what_the_broker_has(kafka: str, opened: Open) -> None:
    topic = fresh(kafka, 2)
    headers = [("trace", b"\x00\xff"), ("trace", b"again"), ("empty", b""), ("none", None), ("größe", b"1")]
    sent = [
        Message(b"one", b"k1", 0, headers, FIRST_MS),
        Message(None, b"k2", 0, (), FIRST_MS + 1),
        Message(b"", None, 0, (), FIRST_MS - 5),
        Message(b"two", b"", 1, (("h", b"x"),), FIRST_MS + 2),
    ]
    produce(kafka, topic, sent)
    source = opened(topic, columns=RAW)
    source.assign({})
    rows = _rows(source, 4)
    assert [row["_value"] for row in rows] == [b"one", None, b"", b"two"]
    assert [row["_key"] for row in rows] == [b"k1", b"k2", None, b""]
    assert [(row["_partition"], row["_offset"]) for row in rows] == [(0, 0), (0, 1), (0, 2), (1, 0)]
    assert [[(h["key"], h["value"]) for h in row["_headers"]] for row in rows] == [headers, [], [], [("h", b"x")]]
    assert [_milliseconds(row["_event_ts"]) - FIRST_MS for row in rows] == [0, 1, -5, 2]


def _rows(source: KafkaSource, count: int) -> list[dict[str, object]]:
    tables: list[pa.RecordBatch] = []
    while sum(table.num_rows for table in tables) < count:
        polled = source.poll(100, PATIENCE)
        assert polled is not None
        tables.append(polled.messages)
    assert tables[0].schema == pa.schema([(name, TYPES[name]) for name in tables[0].schema.names])
    rows = [row for table in tables for row in table.to_pylist()]
    return sorted(rows, key=lambda row: (row["_partition"], row["_offset"]))


def _milliseconds(instant: object) -> int:
    assert isinstance(instant, datetime.datetime)
    assert instant.tzinfo is not None
    return round(instant.timestamp() * 1000)


def test_a_topic_that_keeps_the_time_of_arrival_gives_that(kafka: str, opened: Open) -> None:
    topic = fresh(kafka, message_timestamp_type="LogAppendTime")
    produce(kafka, topic, [Message(b"x", at=1000)])
    source = opened(topic, columns=("_event_ts", "_partition", "_offset"))
    source.assign({})
    (row,) = _rows(source, 1)
    assert abs(_milliseconds(row["_event_ts"]) / 1000 - time.time()) < 3600


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_compressed_messages(kafka: str, opened: Open, codec: str) -> None:
    topic = fresh(kafka)
    produce(kafka, topic, numbered(200), compression_type=codec)
    source = opened(topic)
    source.assign({})
    assert read(source, 200).values == texts(200)


def test_messages_larger_than_a_fetch(kafka: str, opened: Open) -> None:
    topic = fresh(kafka, max_message_bytes="20000000")
    large = [bytes([number]) * 6_000_000 for number in range(3)]
    produce(kafka, topic, [Message(value) for value in large], message_max_bytes=10_000_000)
    source = opened(topic)
    source.assign({})
    assert read(source, 3).values == large


def test_a_single_message_does_not_wait_for_others(kafka: str, opened: Open) -> None:
    topic = fresh(kafka)
    source = opened(topic)
    source.assign({})
    read(source, 0)  # where it begins is told
    producer = topics.producing(kafka, linger_ms=0)
    delays = []
    for number in range(5):
        sent = time.monotonic()
        topics.send(producer, topic, numbered(1, first=number))
        producer.poll(0)
        while (polled := source.poll(1000, PATIENCE)) is None:  # a call waits for a second at most
            assert time.monotonic() < sent + PATIENCE
        delays.append(time.monotonic() - sent)
        assert polled.messages.num_rows == 1
    assert max(delays) < PATIENCE / 2  # who waits for others waits all the time; a quiet machine needs milliseconds


def _polled(source: KafkaSource, most: int, found: list[list[object]]) -> int:
    """Adds what one call gives; tells how many messages there are by then."""
    polled = source.poll(most, PATIENCE)
    if polled is not None:
        found.append(polled.messages.column("_value").to_pylist())
    return sum(map(len, found))


def test_an_epoch_is_filled_where_it_is_asked_for(kafka: str, opened: Open) -> None:
    """Through pauses, until as many rows are there as it takes; what there is comes when the time is over.

    A call waits no longer than a second, and nobody says that all are sent in one.
    """
    topic = fresh(kafka)
    source = opened(topic, fills=True)
    source.assign({})
    read(source, 0)
    producer = topics.producing(kafka, linger_ms=0)

    def produced() -> None:
        for number in range(6):
            topics.send(producer, topic, numbered(1, first=number))
            producer.poll(0)
            time.sleep(0.05)

    found: list[list[object]] = []
    with ThreadPoolExecutor(1) as pool:
        pool.submit(produced)
        waiting.until(lambda: _polled(source, 6 - sum(map(len, found)), found) == 6)
    assert [text for each in found for text in each] == texts(6)
    assert len(found) < 6
    produce(kafka, topic, numbered(2, first=6))
    polled = source.poll(100, 1.0)
    assert polled is not None
    assert polled.messages.column("_value").to_pylist() == texts(2, 6)


def test_what_is_gathered_for_long_is_bounded_by_bytes(kafka: str, opened: Open) -> None:
    topic, count = fresh(kafka), 400
    produce(kafka, topic, [Message(b"%6d" % number + bytes(100_000)) for number in range(count)])
    source, found, held = opened(topic, fills=True, max_bytes=1 << 20), 0, 0
    source.assign({})
    while found < count:
        polled = source.poll(20_000, 1.0, 1 << 20)
        assert polled is not None
        found, held = found + polled.messages.num_rows, max(held, len(source._kept))
    assert held < 100, "10 of them are 1 MiB, and the client holds as much"


def test_a_run_that_ends_does_not_gather(kafka: str, opened: Open) -> None:
    topic = fresh(kafka)
    produce(kafka, topic, numbered(3))
    source = opened(topic, fills=True, once=True)
    source.assign({})
    assert read(source, 3).values == texts(3)
    began = time.monotonic()
    assert source.poll(10, PATIENCE) is None
    assert time.monotonic() - began < PATIENCE / 2


def test_a_poll_of_nothing_ends_when_its_time_is_over(kafka: str, opened: Open) -> None:
    source = opened(fresh(kafka))
    source.assign({})
    first = source.poll(10, 0.3)
    assert first is not None
    assert (first.messages.num_rows, first.ranges) == (0, (Range.numbered("events", 0, 0, 0),))
    began = time.monotonic()
    assert source.poll(10, 0.3) is None
    assert 0.2 < time.monotonic() - began < PATIENCE


def test_where_a_stream_starts(kafka: str, opened: Open) -> None:
    topic = fresh(kafka, 2)
    produce(kafka, topic, [Message(b"%d" % n, at=FIRST_MS + n) for n in range(10)])
    third = datetime.datetime.fromtimestamp((FIRST_MS + 3) / 1000, datetime.UTC).isoformat()
    future = "2099-01-01T00:00:00+01:00"
    for start, ends in {
        "earliest": {0: 0, 1: 0},
        third: {0: 3, 1: 0},
        "latest": {0: 10, 1: 0},
        future: {0: 10, 1: 0},
    }.items():
        source = opened(topic, start=start)
        source.assign({})
        polled = source.poll(1, 2.0)
        assert polled is not None
        assert {int(range_.partition): int(range_.start) for range_ in polled.ranges} == ends, start


def test_a_start_at_the_end_is_recorded_so_that_nothing_is_lost_after_it(kafka: str, opened: Open) -> None:
    topic = fresh(kafka, 2)
    produce(kafka, topic, numbered(5))
    source = opened(topic, start="latest")
    source.assign({})
    recorded = read(source, 0).ends
    assert recorded == {0: 5, 1: 0}
    source.close()
    produce(kafka, topic, [*numbered(2, 0, 5), *numbered(1, 1, 7)])
    again = opened(topic, start="latest")
    again.assign(recorded)
    assert sorted(read(again, 3).values) == texts(3, 5)


def test_new_partitions_are_found_and_read_from_their_beginning(
    kafka: str, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowc.runtime.systems.kafka.source._DISCOVERY", 0.2)
    topic = fresh(kafka)
    source = opened(topic, start="latest")
    source.assign({})
    until(source, {0: 0})
    topics.grow(kafka, topic, 2)
    produce(kafka, topic, numbered(4, 1))
    found = read(source, 4)
    assert found.values == texts(4)
    assert found.starts[1] == 0


def test_a_gap_in_a_new_partition_is_named(kafka: str, opened: Open) -> None:
    topic = fresh(kafka, 2)
    produce(kafka, topic, [*numbered(3), *numbered(10, 1)])
    topics.cut(kafka, topic, 1, 4)
    error = failing(lambda: opened(topic, start="latest").assign({0: 3}))
    assert error.code == "retention-gap"
    assert f"partition 1 of topic `{topic}`" in error.message
    assert "4 offsets (0 to 3) are gone" in error.message
    first = opened(topic)
    first.assign({})  # a stream that starts reads what is there
    assert len(read(first, 9).values) == 9


def test_paused_partitions_stay_where_they_are(kafka: str, opened: Open) -> None:
    topic = fresh(kafka, 2)
    produce(kafka, topic, [*numbered(50), *numbered(50, 1, 50)])
    source = opened(topic)
    source.assign({})
    source.pause([0])
    assert read(source, 50).values == texts(50, 50)
    assert source.positions() == {0: 0, 1: 50}
    source.resume([0])
    assert read(source, 50).values == texts(50)


def test_what_is_stored_can_be_seen_as_lag(kafka: str, opened: Open) -> None:
    topic = fresh(kafka)
    produce(kafka, topic, numbered(5))
    source = opened(topic)
    source.assign({})
    read(source, 5)
    source.commit({0: 3}, {})
    source.commit({0: 5}, {})
    source.close()
    waiting.until(lambda: _committed(kafka, f"g-{topic}", topic) == 5)
    assert opened(topic).end_offsets() == {0: 5}


def _committed(kafka: str, group: str, topic: str) -> int:
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": kafka, "group.id": group})
    try:
        (place,) = consumer.committed([TopicPartition(topic, 0)], timeout=PATIENCE)
        return int(place.offset)
    finally:
        consumer.close()


def test_a_gap_of_retention_is_named_and_never_skipped(kafka: str, opened: Open) -> None:
    topic = fresh(kafka, 2)
    produce(kafka, topic, [*numbered(10), *numbered(10, 1)])
    topics.cut(kafka, topic, 1, 6)
    error = failing(lambda: opened(topic).assign({0: 2, 1: 2}))
    assert error.code == "retention-gap"
    assert f"partition 1 of topic `{topic}`" in error.message
    assert "was read up to offset 2, and its log begins at 6 now: 4 offsets (2 to 5) are gone" in error.message
    source = opened(topic)
    source.assign({0: 10, 1: 6})
    assert len(read(source, 4).values) == 4


def test_a_gap_that_opens_while_a_partition_is_held_is_named(kafka: str, opened: Open) -> None:
    topic = fresh(kafka)
    produce(kafka, topic, numbered(10))
    source = opened(topic)
    source.assign({0: 1})
    source.pause([0])
    source.poll(10, 0.2)
    topics.cut(kafka, topic, 0, 5)
    source.resume([0])

    def drain() -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            source.poll(10, 0.3)

    error = failing(drain)
    assert error.code == "retention-gap"
    assert "4 offsets (1 to 4)" in error.message


def test_a_position_that_the_broker_did_not_find_for_a_moment_is_read_again(
    kafka: str, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client does not fetch the partition any more: without an error, nothing would ever come again."""
    topic = fresh(kafka)
    produce(kafka, topic, numbered(3))
    with monkeypatch.context() as patched:
        patched.setattr(TopicLog, "check", lambda *_: None)  # when it is asked, the log is as long as it was
        source = opened(topic)
        source.assign({0: 5})

        def drain() -> None:
            end = time.monotonic() + PATIENCE
            while time.monotonic() < end:
                source.poll(10, 0.3)

        error = failing(drain)
    assert isinstance(error, TransientError)
    assert "did not find offset 5 of partition 0" in error.message
    produce(kafka, topic, numbered(4, first=3))
    again = opened(topic)
    again.assign({0: 5})
    assert read(again, 2).values == texts(2, 5)


def test_a_position_beyond_the_end_is_named(kafka: str, opened: Open) -> None:
    topic = fresh(kafka)
    produce(kafka, topic, numbered(3))
    error = failing(lambda: opened(topic).assign({0: 4}))
    assert error.code == "position-beyond-end"
    assert "was read up to offset 4, and its log ends at 3" in error.message


def test_a_topic_that_is_not_there_is_named(kafka: str, opened: Open) -> None:
    error = failing(lambda: opened("nowhere"))
    assert error.code == "missing-topic"
    assert "`nowhere`" in error.message


def test_nobody_at_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowc.runtime.systems.kafka.source.SECONDS", 1.0)
    source = KafkaSource("events", "t", {"bootstrap_servers": "127.0.0.1:1"})
    assert failing(source.open).code == "connection-failed"


def test_aborted_transactions_are_not_seen_and_positions_pass_them(kafka: str, opened: Open) -> None:
    topic = fresh(kafka)
    producer = topics.producing(kafka, transactional_id=f"t-{topic}")
    producer.init_transactions(PATIENCE)
    for number, commits in enumerate((True, False, True, False)):
        producer.begin_transaction()
        topics.send(producer, topic, numbered(3, first=number * 3))
        topics.flush(producer)
        (producer.commit_transaction if commits else producer.abort_transaction)(PATIENCE)
    source = opened(topic)
    source.assign({})
    found = until(source, {0: 16})  # 12 messages and 4 markers
    assert found.values == texts(3) + texts(3, 6)
    again = opened(topic)
    again.assign({0: 16})
    produce(kafka, topic, numbered(1, first=100))
    assert read(again, 1).values == [b"100"]


def test_an_open_transaction_holds_back_what_is_behind_it(kafka: str, opened: Open) -> None:
    topic = fresh(kafka)
    producer = topics.producing(kafka, transactional_id=f"t-{topic}")
    producer.init_transactions(PATIENCE)
    producer.begin_transaction()
    topics.send(producer, topic, numbered(2))
    topics.flush(producer)
    produce(kafka, topic, numbered(2, first=2))
    source = opened(topic)
    source.assign({})
    assert read(source, 1, seconds=1).values == []
    assert source.end_offsets() == source.positions() == {0: 0}
    producer.commit_transaction(PATIENCE)
    assert read(source, 4).values == texts(4)
    assert until(source, source.end_offsets()).values == []


def test_ranges_hold_at_any_size_of_batch(kafka: str, opened: Open) -> None:
    topic = fresh(kafka, 3)
    produce(kafka, topic, [m for p in range(3) for m in numbered(40, p, p * 40)])

    def cut(size: int) -> Sequence[object]:
        source = opened(topic)
        source.assign({})
        found = read(source, 120, max_rows=size)
        return sorted(found.values), found.ends

    assert cut(1) == cut(7) == cut(1000)
