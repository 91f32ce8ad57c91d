"""`flowc preview STREAM` on a real broker and on files: what comes of messages is shown, and nothing is kept."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.commands import Folder, Inside
from tests.streams.filefolder import put
from tests.topics import Message, fresh, produce
from tests.waiting import PATIENCE

PROJECT = """
connections:
  bus: {{ kind: kafka, bootstrap_servers: "{kafka}" }}
  inbox: {{ kind: files, uri: inbox }}
  wh: {{ kind: postgres, url: "${{NOBODY_SET_THIS}}" }}
streams:
  clean:
    source: {{ connection: bus, topic: {topic}, columns: {{ id: bigint, amount: "numeric(12,2)" }} }}
    sql: SELECT id, amount * 2 AS twice, _offset AS pos FROM source WHERE id > 0
    to: {{ connection: wh, table: clean, mode: append }}
    start: latest
  found:
    source: {{ connection: bus, topic: {topic}, format: json }}
    to: {{ connection: wh, table: found, mode: append }}
  lines:
    source: {{ connection: inbox, path: "*.jsonl", format: jsonl, columns: {{ id: bigint }} }}
    sql: SELECT id + 1 AS next FROM source
    to: {{ connection: wh, table: lines, mode: append }}
"""


@pytest.fixture
def topic(kafka: str) -> str:
    """A topic of one partition."""
    return fresh(kafka)


def _produce(kafka: str, topic: str, *messages: bytes) -> None:
    produce(kafka, topic, [Message(message) for message in messages])


@pytest.fixture
def folder(tmp_path: Path, kafka: str, topic: str) -> Folder:
    made = Inside(tmp_path)
    made.write("specs/s.yaml", PROJECT.format(kafka=kafka, topic=topic))
    return made


def test_json_is_shown_as_json(tmp_path: Path):
    folder = Inside(tmp_path)
    put(tmp_path / "inbox", "a.jsonl", b'{"id": 1, "doc": {"a": [1]}}\n')
    folder.write(
        "specs/s.yaml",
        PROJECT.format(kafka="nowhere.invalid:9092", topic="t")
        .replace("columns: { id: bigint } }", "columns: { id: bigint, doc: json } }")
        .replace("SELECT id + 1 AS next", "SELECT doc, doc -> 'a' AS a, doc ->> 'a' AS text"),
    )
    done = folder.flowc("preview", "lines", "--json")
    assert done.code == 0, done.err
    assert done.json["columns"] == {"doc": "json", "a": "json", "text": "text"}


def _groups(kafka: str, topic: str) -> list[str]:
    """The groups that have a position in the topic; those of other tests come and go."""
    admin, place = AdminClient({"bootstrap.servers": kafka}), TopicPartition(topic, 0)
    found = []
    for group in admin.list_consumer_groups().result(PATIENCE).valid:
        asked = ConsumerGroupTopicPartitions(group.group_id, [place])
        with suppress(KafkaException):  # it is gone
            (told,) = admin.list_consumer_group_offsets([asked])[group.group_id].result(PATIENCE).topic_partitions
            found += [group.group_id] if told.offset >= 0 else []
    return found


def test_rows_bad_messages_and_columns_are_shown(folder: Folder, kafka: str, topic: str):
    _produce(kafka, topic, b'{"id": 1, "amount": 1.25}', b'{"id": "x"}', b'{"id": -1}', b'{"id": 2, "amount": 3}')
    done = folder.flowc("preview", "clean", "--json")
    assert done.code == 1, done.out + done.err
    found = done.json
    assert [(row["id"], str(row["twice"]), row["pos"]) for row in found["rows"]] == [(1, "2.50", 0), (2, "6.00", 3)]
    assert found["messages"] == 4
    assert len(found["bad"]) == 1
    assert f"{topic}[0] at 1" in found["bad"][0]
    assert found["sources"] == {"source": {"id": "bigint", "amount": "numeric(12,2)"}}
    assert found["columns"]["id"] == "bigint"
    assert _groups(kafka, topic) == []
    assert not (folder.path / ".flowc").exists()


def test_again_shows_the_same_and_text_says_it_all(folder: Folder, kafka: str, topic: str):
    _produce(kafka, topic, b'{"id": 1, "amount": 1.25}', b'{"id": "x"}')
    first, second = folder.flowc("preview", "clean"), folder.flowc("preview", "clean")
    assert first.out == second.out
    assert "bad message: " in first.out
    assert "source `source`: id bigint, amount numeric(12,2)" in first.out
    assert "2 messages, 1 row, 1 bad message" in first.out
    assert "nothing was changed" in first.err


def test_columns_are_found_and_not_remembered(folder: Folder, kafka: str, topic: str):
    _produce(kafka, topic, b'{"id": 1, "name": "a"}')
    found = folder.flowc("preview", "found", "--json").json
    assert found["sources"]["source"] == {"id": "bigint", "name": "text"}
    assert not (folder.path / ".flowc").exists()


def test_the_limit_is_one(folder: Folder, kafka: str, topic: str):
    _produce(kafka, topic, *(json.dumps({"id": n, "amount": 1}).encode() for n in range(1, 50)))
    found = folder.flowc("preview", "clean", "--limit", "7", "--rows", "3", "--json").json
    assert (found["messages"], [row["id"] for row in found["rows"]]) == (7, [1, 2, 3])


def test_an_empty_topic_shows_no_rows(folder: Folder):
    done = folder.flowc("preview", "clean")
    assert (done.code, "0 messages, 0 rows, 0 bad messages" in done.out) == (0, True)


def test_files_are_looked_at_and_stay_unread(folder: Folder):
    put(folder.path, "inbox/a.jsonl", '{"id": 1}\n{"id": 2}\n')
    for _ in range(2):
        found = folder.flowc("preview", "lines", "--json").json
        assert [row["next"] for row in found["rows"]] == [2, 3]
    assert not (folder.path / ".flowc").exists()
