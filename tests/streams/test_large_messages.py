"""Messages larger than what topics take by default: written where their topic takes them, else dead letters."""

from __future__ import annotations

import json
import random
import uuid
from itertools import count
from pathlib import Path

import pyarrow as pa
import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from flowc.catalog import Column
from flowc.errors import TransientError
from flowc.runtime.contracts.target import Measuring
from flowc.runtime.systems.kafka.target import KafkaWriter
from flowc.service.daemon.watch import Watch, WatchedWriter
from flowc.stream import TopicTarget
from flowc.types import BIGINT, TEXT
from tests.extended import with_extended
from tests.streams.epochs import ROWS, epoch
from tests.streams.test_dlq import MENDED, counted, project, run
from tests.topics import Message, committed, cut, fresh, produce
from tests.waiting import PATIENCE, until

LARGE = str(4 << 20)
SOURCE = {"message_max_bytes": 8 << 20, "queue_buffering_max_kbytes": 100_000}
DEFAULT = 1_048_588
"""Kafka's own limit."""


def sent(kafka: str, topic: str, made: dict[int, int], bad: tuple[int, ...] = ()) -> None:
    """Messages of sizes, told by their ids; those of `bad` fail in the SQL."""
    rows = [
        Message(
            json.dumps({"id": n, "name": ("x" if n in bad else "") + str(n).zfill(size)}).encode(),
            key=b"k",
            headers=[("h", b"\x01")],
        )
        for n, size in made.items()
    ]
    produce(kafka, topic, rows, **SOURCE)


def usual(kafka: str) -> str:
    """A topic that takes what Kafka takes by default, whatever the broker of the tests does."""
    return fresh(kafka, max_message_bytes=str(DEFAULT))


def folder_of(tmp_path: Path, kafka: str, topic: str, number: str, to: str, more: str):
    return project(tmp_path, kafka, topic, ("sqlite", {"path": str(tmp_path / "wh.db")}), number, to, more)


def limit(kafka: str, topic: str, size: int) -> None:
    entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": kafka, "log_level": 0})
    admin.incremental_alter_configs([resource])[resource].result(PATIENCE)


def ids(kafka: str, topic: str) -> list[int]:
    return sorted(json.loads(message.value())["id"] for message in committed(kafka, topic))


@pytest.mark.parametrize("delivery", with_extended(["exactly_once"], ["at_least_once"]))
def test_rows_are_as_large_as_their_topic_takes(tmp_path: Path, kafka: str, delivery: str) -> None:
    topic, out = fresh(kafka, max_message_bytes=LARGE), fresh(kafka, max_message_bytes=str(2 << 20))
    sent(kafka, topic, {0: 1, 1: 1_500_000, 2: 3 << 20, 3: 1})
    more = f"delivery: {delivery}\n    dead_letter: {{ connection: side, table: dead }}"
    folder = folder_of(tmp_path, kafka, topic, "name", f"{{ connection: bus, topic: {out} }}", more)
    assert run(folder)["rows"] == 3
    assert ids(kafka, out) == [0, 1, 3]
    (letter,) = folder.flowc("dlq", "show", "clean", "--json").json
    assert (letter["offset"], letter["code"], len(letter["message"])) == (2, "value-refused", (3 << 20) + 21)
    assert "max.message.bytes" in letter["error"]
    assert folder.flowc("dlq", "replay", "clean", "--json").json["failed"] == 1
    limit(kafka, out, 4 << 20)
    assert folder.flowc("dlq", "replay", "clean", "--json").json["replayed"] == 1
    assert ids(kafka, out) == [0, 1, 2, 3]


def test_a_large_row_is_in_none_of_several_targets(tmp_path: Path, kafka: str) -> None:
    topic, out = fresh(kafka, max_message_bytes=LARGE), usual(kafka)
    sent(kafka, topic, {0: 1, 1: 2 << 20, 2: 1})
    to = f"[{{ connection: wh, table: clean }}, {{ connection: bus, topic: {out} }}]"
    folder = folder_of(tmp_path, kafka, topic, "name", to, "")
    assert run(folder)["rows"] == 2
    assert ids(kafka, out) == [0, 2]
    assert counted(folder) == (1, 0)


@pytest.mark.parametrize("near", with_extended([False], [True]), ids=["alone", "beside"])
def test_a_letter_that_its_topic_does_not_take_tells_where_the_message_is(
    tmp_path: Path, kafka: str, near: bool
) -> None:
    topic, out, dead = (
        fresh(kafka, max_message_bytes=LARGE),
        fresh(kafka, max_message_bytes=LARGE),
        usual(kafka),
    )
    sent(kafka, topic, {0: 1, 1: 2 << 20, 2: 1, 3: 1_048_000, 4: 900_000}, (1, 2, 3, 4))
    to = f"{{ connection: bus, topic: {out} }}" if near else "{ connection: wh, table: clean }"
    more = f"dead_letter: {{ topic: {dead} }}"
    folder = folder_of(tmp_path, kafka, topic, "CAST(name AS BIGINT)", to, more)
    run(folder)
    letters = {letter["offset"]: letter for letter in folder.flowc("dlq", "show", "clean", "--json").json}
    assert {n: letter["left_out"] for n, letter in letters.items()} == {1: True, 2: False, 3: True, 4: False}
    assert all(letter["code"] == "row-fails" and len(letter["error"]) < 3000 for letter in letters.values())
    assert "left out" in folder.flowc("dlq", "show", "clean").out
    assert folder.flowc("dlq", "replay", "clean", "--json").json["failed"] == 4
    assert folder.flowc("dlq", "show", "clean", "--json").json[1]["attempt"] == 2
    folder = folder_of(tmp_path, kafka, topic, MENDED, to, more)
    assert folder.flowc("dlq", "replay", "clean", "--json").json["replayed"] == 4
    assert counted(folder) == (0, 0)


def test_a_message_that_was_left_out_and_is_gone_is_said_to_be(tmp_path: Path, kafka: str) -> None:
    topic, dead = fresh(kafka, max_message_bytes=LARGE), usual(kafka)
    sent(kafka, topic, {0: 2 << 20, 1: 1}, (0,))
    to, more = "{ connection: wh, table: clean }", f"dead_letter: {{ topic: {dead} }}"
    run(folder_of(tmp_path, kafka, topic, "CAST(name AS BIGINT)", to, more))
    cut(kafka, topic, 0, 1)
    folder = folder_of(tmp_path, kafka, topic, MENDED, to, more)
    for _ in range(2):
        assert folder.flowc("dlq", "replay", "clean", "--json").json["failed"] == 1
        (letter,) = folder.flowc("dlq", "show", "clean", "--json").json
        assert (letter["code"], letter["left_out"]) == ("retention-gap", True)
        assert "gone" in letter["error"]


@pytest.mark.parametrize("most", with_extended([5_000], [DEFAULT]))
def test_sizes_around_the_limit(tmp_path: Path, kafka: str, most: int) -> None:
    """Whatever its size is, a message is in the topic or among the letters, key and headers counted."""
    chance = random.Random(most)
    topic = fresh(kafka, max_message_bytes=LARGE)
    out, dead = (fresh(kafka, max_message_bytes=str(most)) for _ in range(2))
    made = []
    for n in range(30):
        size = chance.choice((1, most // 2, most + chance.randrange(-500, 500), most * 2 if most < 10_000 else 1))
        own = dict.fromkeys(("value", "key", "header"), 1) | {chance.choice(("value", "key", "header")): size}
        name = ("x" if chance.random() < 0.5 else "") + str(n).zfill(max(1, own["value"]))
        headers = [("h", b"h" * own["header"])] * chance.randrange(1, 3)
        made.append(Message(json.dumps({"id": n, "name": name}).encode(), key=b"k" * own["key"], headers=headers))
    produce(kafka, topic, made, **SOURCE)
    number = "CASE WHEN name LIKE 'x%' THEN CAST(CAST(name AS BIGINT) AS text) ELSE name END"
    to, more = f"{{ connection: bus, topic: {out} }}", f"dead_letter: {{ topic: {dead} }}"
    folder = folder_of(tmp_path, kafka, topic, number, to, more)
    run(folder)
    letters = folder.flowc("dlq", "show", "clean", "--json", "--limit", "99").json
    dead_ones = {letter["offset"] for letter in letters}
    assert sorted([*ids(kafka, out), *dead_ones]) == list(range(30))
    assert dead_ones >= {n for n, message in enumerate(made) if b'"x' in (message.value or b"")}
    assert folder.flowc("dlq", "replay", "clean", "--json").json["failed"] == len(dead_ones)


def test_a_limit_that_was_lowered_is_learned_of(kafka: str) -> None:
    """The broker refuses what fitted when the topic was asked; the epoch is tried again, and its row is a bad one."""
    out = fresh(kafka, max_message_bytes=LARGE)
    plan = TopicTarget("bus", out, "json", (Column("id", BIGINT), Column("name", TEXT)))
    writer = KafkaWriter(plan, f"s{uuid.uuid4().hex[:8]}", {"bootstrap_servers": kafka})
    writer.open()
    limit(kafka, out, 50_000)
    noise = random.Random(1).randbytes(500_000).hex()

    numbers, said = count(1), list[str]()

    def refused() -> bool:
        number = next(numbers)
        rows = pa.RecordBatch.from_pylist([{"id": number, "name": noise}], schema=ROWS)
        try:
            writer.write(epoch(number, rows))
        except TransientError as error:
            said.append(error.message)
        return bool(said)

    until(refused, lambda: "the broker does not learn of the limit")
    assert "max.message.bytes" in said[0]
    number = writer.open().epoch + 1
    rows = pa.RecordBatch.from_pylist([{"id": 1, "name": "a"}, {"id": 2, "name": noise}], schema=ROWS)
    assert [bad.index for bad in writer.oversized(epoch(number, rows))] == [1]
    watched = WatchedWriter(writer, Watch())  # as a daemon has it
    assert isinstance(watched, Measuring)
    assert [bad.index for bad in watched.oversized(epoch(number, rows))] == [1]
    assert writer.write(epoch(number, rows.slice(0, 1))) == number
    writer.close()
