"""Streams into topics: readers of what is committed see each row once, whatever is cut off when."""

from __future__ import annotations

import datetime
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any
from unittest.mock import MagicMock

import pyarrow as pa
import pytest
from confluent_kafka.admin import AdminClient

from flowc.catalog import Column
from flowc.errors import DataError, TransientError, UsageError
from flowc.runtime.arrow import arrow_schema
from flowc.runtime.contracts.epoch import Epoch
from flowc.runtime.contracts.target import Fenced
from flowc.runtime.systems.kafka.producer import TopicProducer
from flowc.runtime.systems.kafka.target import KafkaWriter
from flowc.stream import DEAD_LETTER, TopicTarget
from flowc.types import BIGINT, TEXT, parse_type
from tests import topics
from tests.extended import amount
from tests.streams.epochs import Cut, CutAt, epoch, numbered, numbers
from tests.waiting import PATIENCE

COLUMNS = (Column("id", BIGINT), Column("name", TEXT))


@pytest.fixture
def out(kafka: str) -> Iterator[str]:
    """A topic of two partitions to write."""
    name = topics.fresh(kafka, 2)
    yield name
    topics.drop(kafka, name)


@pytest.fixture
def events(kafka: str) -> Iterator[str]:
    """A topic that is read."""
    name = topics.fresh(kafka, 1)
    yield name
    topics.drop(kafka, name)


@pytest.fixture
def stream() -> str:
    """A stream of this test's own: its groups and transactions live on in the broker."""
    return f"s{uuid.uuid4().hex[:8]}"


def _writer(kafka: str, stream: str, topic: str, **more: Any) -> KafkaWriter:
    pause = more.pop("pause", lambda _: None)
    plan = replace(TopicTarget("bus", topic, "json", COLUMNS), **more)
    return KafkaWriter(plan, stream, {"bootstrap_servers": kafka}, pause)


def _ids(kafka: str, topic: str) -> list[int]:
    return sorted(json.loads(message.value() or b"")["id"] for message in topics.committed(kafka, topic))


def test_rows_are_json_objects_with_keys(kafka: str, out: str, stream: str) -> None:
    writer = _writer(kafka, stream, out, key=("id",))
    assert writer.open().epoch == 0
    assert writer.write(epoch(1, numbered(1))) == 1
    writer.close()
    found = {message.key(): message.value() for message in topics.committed(kafka, out)}
    assert found == {b"%d" % n: b'{"id":%d,"name":"n%d"}' % (n, n) for n in range(10)}


def test_several_key_columns_are_an_object(kafka: str, out: str, stream: str) -> None:
    writer = _writer(kafka, stream, out, key=("name", "id"))
    writer.open()
    writer.write(epoch(1, numbered(1, 1)))
    writer.close()
    assert [message.key() for message in topics.committed(kafka, out)] == [b'{"name":"n0","id":0}']


def _carry_on(writer: KafkaWriter, count: int) -> None:
    """What a run does: it goes on behind what is held."""
    held = writer.open()
    first = int(held.positions.get(("source", "0"), 0)) // 10 if writer.plan.positions else held.epoch
    for each in numbers(count)[first:]:
        writer.write(each)


@pytest.mark.covering
@pytest.mark.parametrize("near", [True, False], ids=["positions", "epochs"])
@pytest.mark.parametrize("point", ["produced", "offsets", "committed"])
def test_a_worker_that_is_cut_off_anywhere_loses_and_repeats_nothing(
    kafka: str, out: str, events: str, stream: str, point: str, near: bool
) -> None:
    positions = (("source", events),) if near else ()
    with pytest.raises(Cut):
        _carry_on(_writer(kafka, stream, out, positions=positions, pause=CutAt(point, 1)), 5)
    again = _writer(kafka, stream, out, positions=positions)
    _carry_on(again, 5)
    assert again.open().epoch == 5
    assert again.open().positions == ({("source", "0"): "50"} if near else {})
    again.close()
    assert _ids(kafka, out) == list(range(50))


_WORKER = """
import sys, itertools
from tests.streams.test_targets_kafka import _writer
from tests.streams.epochs import epoch, numbered
writer = _writer(*sys.argv[1:4])
for number in itertools.count(writer.open().epoch + 1):
    print(writer.write(epoch(number, numbered(number))), flush=True)
"""


def test_a_worker_that_is_killed_loses_and_repeats_nothing(kafka: str, out: str, stream: str) -> None:
    for wait in (0.2, 0.35)[: amount(1, 2)]:
        worker = subprocess.Popen(
            [sys.executable, "-c", _WORKER, kafka, stream, out], stdout=subprocess.PIPE, text=True
        )
        assert worker.stdout is not None
        worker.stdout.readline()
        time.sleep(wait)
        os.kill(worker.pid, signal.SIGKILL)
        worker.stdout.close()
        worker.wait()
    writer = _writer(kafka, stream, out)
    held = writer.open().epoch
    writer.close()
    assert held > 1
    assert _ids(kafka, out) == list(range(10 * held))


def test_a_zombie_is_fenced(kafka: str, out: str, stream: str) -> None:
    zombie, worker = _writer(kafka, stream, out), _writer(kafka, stream, out)
    zombie.open()
    zombie.write(epoch(1, numbered(1)))
    assert worker.open().epoch == 1
    with pytest.raises(Fenced):
        zombie.write(epoch(2, numbered(2)))
    assert worker.write(epoch(2, numbered(2))) == 2
    zombie.close()
    worker.close()
    assert _ids(kafka, out) == list(range(20))


def test_positions_move_without_rows(kafka: str, out: str, events: str, stream: str) -> None:
    writer = _writer(kafka, stream, out, positions=(("source", events),))
    writer.open()
    writer.write(epoch(1, numbered(1).slice(0, 0)))
    held = writer.open()
    assert (held.epoch, held.positions) == (1, {("source", "0"): "10"})
    writer.close()
    assert topics.committed(kafka, out) == []


def test_another_topic_has_its_own_positions(kafka: str, out: str, events: str, stream: str) -> None:
    """A stream of one project may write another topic in each environment that uses the cluster."""
    writer = _writer(kafka, stream, out, positions=(("source", events),))
    writer.open()
    writer.write(epoch(1, numbered(1)))
    writer.close()
    topic = topics.fresh(kafka)
    other = _writer(kafka, stream, topic, positions=(("source", events),))
    held = other.open()
    assert (held.epoch, held.positions, held.absent) == (0, {}, False)
    other.close()
    topics.drop(kafka, topic)


def test_at_least_once_needs_no_transactions(kafka: str, out: str, stream: str) -> None:
    writer = _writer(kafka, stream, out, transactions=False)
    writer.open()
    for each in numbers(3):
        assert writer.write(each) == each.number
    assert writer.open().epoch == 3
    writer.close()
    assert _ids(kafka, out) == list(range(30))


def test_a_missing_topic_is_made(kafka: str, stream: str) -> None:
    name = f"made-{uuid.uuid4().hex[:8]}"
    writer = _writer(kafka, stream, name)
    writer.open()
    writer.write(epoch(1, numbered(1)))
    writer.close()
    assert _ids(kafka, name) == list(range(10))
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.delete_topics([name])[name].result(PATIENCE)


def test_a_broker_that_is_not_there_may_come_back(stream: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowc.runtime.systems.kafka.producer._SECONDS", 1.0)
    writer = _writer("127.0.0.1:1", stream, "nothing")
    with pytest.raises(TransientError):
        writer.open()
    writer.close()


def test_a_client_that_waits_for_a_broker_that_is_gone_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """librdkafka may pass on offsets for ever after its broker was killed, whatever time it is given."""
    monkeypatch.setattr("flowc.runtime.systems.kafka.producer._SECONDS", 0.1)
    gone = threading.Event()
    producer = TopicProducer({}, "group", "stream-topic")
    producer._producer, producer._consumer = MagicMock(), MagicMock()
    producer._producer.send_offsets_to_transaction.side_effect = lambda *_: gone.wait(PATIENCE)
    began = time.monotonic()
    with pytest.raises(TransientError, match="did not answer"), producer.transaction():
        producer.offsets({("topic", 0): 1}, {})
    assert time.monotonic() - began < PATIENCE / 2
    gone.set()
    producer.close()


def test_options_that_promises_rest_on_cannot_be_set(kafka: str, stream: str) -> None:
    options = {"bootstrap_servers": kafka, "properties": {"enable.idempotence": False}}
    writer = KafkaWriter(TopicTarget("bus", "t", "json", COLUMNS), stream, options)
    with pytest.raises(UsageError, match=r"enable\.idempotence"):
        writer.open()


def test_a_message_that_is_too_large_is_refused_and_nothing_is_seen(kafka: str, stream: str) -> None:
    out = topics.fresh(kafka, max_message_bytes="1048588")
    writer = _writer(kafka, stream, out)
    writer.open()
    rows = [{"id": 1, "name": "x"}, {"id": 2, "name": "y" * 2_000_000}]
    with pytest.raises(DataError):
        writer.write(epoch(1, pa.RecordBatch.from_pylist(rows, schema=arrow_schema(COLUMNS))))
    assert writer.write(epoch(1, numbered(1))) == 1
    writer.close()
    assert _ids(kafka, out) == list(range(10))


def _dead() -> pa.RecordBatch:
    row = {
        "stream": "s", "source": "source", "topic": "events", "partition_name": "3", "message_position": "17",
        "event_time": datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC), "message_key": b"\x00k",
        "headers": '[{"key": "a", "value": "ff00"}, {"key": "b", "value": null}]', "message": b"not \xff json",
        "error_code": "undecodable-message", "error": "no", "attempt": 1,
        "failed_at": datetime.datetime(2026, 1, 3, tzinfo=datetime.UTC),
    }  # fmt: skip
    return pa.RecordBatch.from_pylist([row], schema=arrow_schema(DEAD_LETTER))


HEADERS = [
    ("a", b"\xff\x00"), ("b", None), ("flowc_stream", b"s"), ("flowc_source", b"source"), ("flowc_topic", b"events"),
    ("flowc_partition", b"3"), ("flowc_offset", b"17"), ("flowc_event_time", b"2026-01-02T00:00:00+00:00"),
    ("flowc_error_code", b"undecodable-message"), ("flowc_error", b"no"), ("flowc_attempt", b"1"),
    ("flowc_failed_at", b"2026-01-03T00:00:00+00:00"),
]  # fmt: skip


def test_dead_letters_keep_their_bytes(kafka: str, out: str, stream: str) -> None:
    writer = _writer(kafka, stream, out, letters=True)
    writer.open()
    assert writer.write(epoch(1, numbered(1), _dead())) == 1
    assert writer.write(epoch(2, numbered(2))) == 2
    assert writer.open().epoch == 1
    writer.close()
    (letter,) = topics.committed(kafka, out)
    assert (letter.value(), letter.key(), letter.headers()) == (b"not \xff json", b"\x00k", HEADERS)


def test_dead_letters_are_in_the_transaction_of_the_rows(kafka: str, out: str, events: str, stream: str) -> None:
    writer = _writer(kafka, stream, out, dead_topic=events, pause=CutAt("offsets"))
    writer.open()
    with pytest.raises(Cut):
        writer.write(epoch(1, numbered(1), _dead()))
    again = _writer(kafka, stream, out, dead_topic=events)
    again.open()
    again.write(epoch(1, numbered(1), _dead()))
    again.close()
    assert (len(topics.committed(kafka, events)), _ids(kafka, out)) == (1, list(range(10)))


def test_numbers_keep_all_of_their_digits(kafka: str, out: str, stream: str) -> None:
    columns = (
        Column("u", parse_type("ubigint")),
        Column("h", parse_type("hugeint")),
        Column("d", parse_type("numeric")),
    )
    row = {"u": 2**64 - 1, "h": 10**38, "d": "1.000000000000000000000000000000000000000001"}
    rows = pa.RecordBatch.from_pylist([row], schema=arrow_schema(columns))
    writer = _writer(kafka, stream, out, columns=columns)
    writer.open()
    writer.write(epoch(1, rows))
    writer.close()
    (message,) = topics.committed(kafka, out)
    assert json.loads(message.value() or b"", parse_float=Decimal) == {**row, "d": Decimal(row["d"])}


def test_not_a_number_is_refused(kafka: str, out: str, stream: str) -> None:
    columns = (Column("x", parse_type("double")),)
    writer = _writer(kafka, stream, out, columns=columns)
    writer.open()
    rows = pa.RecordBatch.from_pylist([{"x": 1.0}, {"x": float("nan")}], schema=arrow_schema(columns))
    with pytest.raises(DataError, match="row 2"):
        writer.write(Epoch(epoch(1, rows).intent, rows, 2))
    writer.close()
    assert topics.committed(kafka, out) == []
