"""The parts of the reader of Kafka that need no broker: options, errors, and messages as Arrow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flowc.errors import EngineError, FlowcError, TransientError, UsageError
from flowc.runtime.contracts.source import start_time
from flowc.runtime.systems.kafka import arrow
from flowc.runtime.systems.kafka.errors import failure
from flowc.runtime.systems.kafka.options import is_incremental, producer_settings, secrets, settings
from flowc.runtime.systems.kafka.source import KafkaSource

BASE = {"bootstrap_servers": "a:1,b:2"}


@dataclass(frozen=True)
class Seen:
    """A message as librdkafka's client has it."""

    part: int
    at: int
    text: bytes | None = b""
    heads: list[tuple[str, bytes | None]] | None = None
    time: tuple[int, int] = (1, 5)

    def partition(self) -> int:
        return self.part

    def offset(self) -> int:
        return self.at

    def value(self) -> bytes | None:
        return self.text

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        return self.heads

    def timestamp(self) -> tuple[int, int]:
        return self.time


@dataclass(frozen=True)
class Said:
    """An error as librdkafka's client has it."""

    code: str
    words: str = "words"
    again: bool = False

    def name(self) -> str:
        return self.code

    def str(self) -> str:
        return self.words

    def retriable(self) -> bool:
        return self.again


def test_runs_are_pieces_of_one_partition():
    messages = [Seen(0, 3), Seen(0, 4), Seen(2, 9), Seen(0, 7), Seen(0, 9)]
    found = arrow.runs(messages, arrow.partitions(messages))
    assert found == [arrow.Run(0, 3, 4, 2), arrow.Run(2, 9, 9, 1), arrow.Run(0, 7, 9, 2)]
    assert arrow.runs([], arrow.partitions([])) == []


@pytest.mark.parametrize("messages", [[], [Seen(1, 2, None, None, (0, -1)), Seen(1, 3, b"v", [("k", None)], (1, 0))]])
def test_columns_have_their_types_whether_or_not_there_are_rows(messages: list[Seen]):
    wanted = ("_offset", "_headers", "_value", "_event_ts", "_partition")
    batch = arrow.batch(messages, wanted, arrow.partitions(messages))
    assert {field.name: field.type for field in batch.schema} == {name: arrow.TYPES[name] for name in wanted}
    batch.validate(full=True)
    assert batch.num_rows == len(messages)


def test_a_message_without_a_time_has_none():
    messages = [Seen(0, 0, time=(0, -1)), Seen(0, 1, time=(1, 0))]
    column = arrow.batch(messages, ("_event_ts",), arrow.partitions(messages)).column(0)
    assert column.is_null().to_pylist() == [True, False]


def test_settings_are_the_connections_and_the_users_and_our_own(tmp_path: Path):
    (tmp_path / "ca.pem").touch()
    security = {"protocol": "SASL_SSL", "mechanism": "PLAIN", "username": "u", "password": "p", "ca_file": "ca.pem"}
    options = {**BASE, "security": security, "properties": {"fetch.min.bytes": 7, "check.crcs": True}}
    made = settings({**options, "root": str(tmp_path)}, "g")
    assert made["bootstrap.servers"] == "a:1,b:2"
    assert made["group.id"] == "g"
    assert made["security.protocol"] == "SASL_SSL"
    assert made["ssl.ca.location"] == str(tmp_path / "ca.pem")
    assert made["check.crcs"] == "true"
    assert made["fetch.min.bytes"] == 7
    assert made["enable.auto.commit"] == "false"
    assert settings({**BASE, "group_id": "own"}, "g")["group.id"] == "own-g"
    assert secrets(made) == ("p",)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "needs `bootstrap_servers`"),
        ({**BASE, "properties": {"enable.auto.commit": True}}, "`enable.auto.commit` cannot be set"),
        ({**BASE, "properties": {"group.id": "x"}}, "`group.id` stands in `properties`"),
        ({**BASE, "properties": ["x"]}, "`properties` is no mapping"),
        ({**BASE, "security": {"ca_file": "none.pem"}, "root": "there"}, "there is no file `there/none.pem`"),
    ],
)
def test_options_that_cannot_be(options: Mapping[str, object], words: str):
    with pytest.raises(UsageError, match=words) as caught:
        settings(options, "g")
    assert caught.value.code == "unusable-option"


def test_an_unknown_property_is_named():
    with pytest.raises(UsageError, match=r"fetch\.minimum") as caught:
        KafkaSource("s", "t", {**BASE, "properties": {"fetch.minimum": 1}}).open()
    assert caught.value.code == "unusable-option"


def test_amazons_mechanism_does_not_run_yet():
    with pytest.raises(UsageError) as caught:
        settings({**BASE, "security": {"mechanism": "AWS_MSK_IAM"}}, "g")
    assert caught.value.code == "not-runnable-yet"


def test_how_a_group_moves_partitions():
    def moves(**properties: str) -> bool:
        named = {name.replace("_", "."): value for name, value in properties.items()}
        return is_incremental(settings({**BASE, "properties": named}, "g"))

    assert moves()
    assert moves(group_protocol="consumer")
    assert not moves(partition_assignment_strategy="range")
    assert "partition.assignment.strategy" not in settings({**BASE, "properties": {"group.protocol": "consumer"}}, "g")


def test_instants_at_which_streams_start():
    assert start_time("earliest") is start_time("latest") is None
    assert start_time("1970-01-01T01:00:01+01:00") == 1000
    assert start_time("1970-01-01T00:00:00.0015Z") == 2
    assert start_time("2025-10-09T08:53:20.123Z") == 1_760_000_000_123
    for wrong in ("yesterday", "2026-01-01", "2026-01-01T00:00:00"):
        with pytest.raises(UsageError, match="cannot start"):
            start_time(wrong)


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (Said("_TRANSPORT"), TransientError, "connection-failed"),
        (Said("_MAX_POLL_EXCEEDED"), TransientError, "connection-lost"),
        (Said("TOPIC_AUTHORIZATION_FAILED"), EngineError, "access-denied"),
        (Said("UNKNOWN_TOPIC_OR_PART"), EngineError, "missing-topic"),
        (Said("_INVALID_ARG"), UsageError, "unusable-option"),
        (Said("COORDINATOR_LOAD_IN_PROGRESS", again=True), TransientError, "connection-lost"),
        (Said("INVALID_GROUP_ID"), EngineError, "query-refused"),
    ],
)
def test_errors_by_what_can_be_done_about_them(error: Any, kind: type[FlowcError], code: str):
    found = failure(error, about="`s`: ")
    assert (type(found), found.code, found.message) == (kind, code, "`s`: words")


def test_secrets_are_blotted_out():
    assert failure(Said("_SSL", "key p4ss of\nu"), ("p4ss",)).message == "key *** of u"


def test_a_producer_without_transactions_waits_for_each_answer():
    """A broker takes any batch as its first: one before it that comes again would be refused, and lost."""
    requests = "max.in.flight.requests.per.connection"
    options = {**BASE, "properties": {requests: 5, "max.in.flight": 5}}
    assert producer_settings(BASE, None)[requests] == 1
    assert requests not in producer_settings(BASE, "id")
    with pytest.raises(UsageError, match="cannot be set"):
        producer_settings(options, None)
    assert producer_settings(options, "id")[requests] == 5
