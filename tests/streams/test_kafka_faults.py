"""What a reader does when the broker goes, comes back, or does not let it in."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from flowc.errors import FlowcError, TransientError
from flowc.runtime.contracts.source import Membership
from flowc.runtime.systems.kafka.brokers import brokers
from flowc.runtime.systems.kafka.source import KafkaSource
from tests.commands import Done, Inside
from tests.running import running
from tests.services.kafka import PASSWORD, USER, Broker, own_broker
from tests.topics import fresh, numbered, produce
from tests.waiting import PATIENCE, until


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    """A broker of this module's own, to be killed and started again."""
    yield from running(own_broker())


def read(source: KafkaSource, count: int, seconds: float = PATIENCE) -> list[bytes]:
    found: list[bytes] = []
    end = time.monotonic() + seconds
    while len(found) < count and time.monotonic() < end:
        if (polled := source.poll(100, 0.2)) is not None:
            found += polled.messages.column("_value").to_pylist()
    return found


def test_readers_outlive_the_death_of_the_broker_and_leave_promptly_without_it(broker: Broker) -> None:
    address = broker.address.partition("?")[0]
    topic = fresh(address, 2)
    produce(address, topic, numbered(50))
    alone = KafkaSource("alone", topic, {"bootstrap_servers": address}, group="alone")
    alone.open()
    alone.assign({})
    member = KafkaSource("member", topic, {"bootstrap_servers": address}, group="group")
    member.open()
    stored: dict[int, int] = {}
    member.join(Membership(lambda: stored))
    assert len(read(alone, 50)) == len(read(member, 50)) == 50
    stored.update(member.positions())
    broker.kill()
    until(lambda: alone.poll(10, 0.2) is None and alone.trouble is not None)
    broker.start()
    produce(address, topic, numbered(30, first=50))
    wanted = [b"%d" % number for number in range(50, 80)]
    assert read(alone, 30) == wanted
    assert read(member, 30) == wanted
    assert alone.trouble is None
    broker.kill()
    for source in (alone, member):
        source.poll(10, 0.5)
        source.commit(source.positions(), {})
        began = time.monotonic()
        source.close()
        assert time.monotonic() - began < 30, source.name  # the client goes on for most of a minute


@pytest.fixture(scope="module")
def listeners(kafka_address: str) -> Mapping[str, str]:
    """The listeners of the broker that ask who is there."""
    found = dict(parse_qsl(kafka_address.partition("?")[2]))
    if not {"sasl", "tls", "ca"} <= found.keys():
        pytest.skip("the broker of FLOWC_TEST_KAFKA has no listeners `sasl` and `tls` in its address")
    return found


def options(listeners: Mapping[str, str], name: str, **security: str) -> dict[str, object]:
    protocol = {"sasl": "SASL_PLAINTEXT", "tls": "SASL_SSL"}[name]
    user = {"username": USER, "password": PASSWORD, "mechanism": "SCRAM-SHA-512", "protocol": protocol}
    return {"bootstrap_servers": listeners[name], "security": {**user, **security}}


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
@pytest.mark.parametrize("name", ["sasl", "tls"])
def test_users_are_let_in(kafka: str, listeners: Mapping[str, str], name: str, mechanism: str) -> None:
    topic = fresh(kafka)
    produce(kafka, topic, numbered(3))
    more = {"ca_file": listeners["ca"]} if name == "tls" else {}
    source = KafkaSource("events", topic, options(listeners, name, mechanism=mechanism, **more))
    source.open()
    source.assign({})
    assert read(source, 3) == [b"0", b"1", b"2"]
    source.close()


def test_checks_of_connections_open_them(kafka: str, listeners: Mapping[str, str], tmp_path: Path) -> None:
    fresh(kafka)
    project = Inside(tmp_path)

    def said(given: Mapping[str, object]) -> Done:
        project.write("specs/k.yaml", json.dumps({"connections": {"k": {"kind": "kafka", **given}}}))
        done = project.flowc("connections", "check")
        assert (project.flowc("doctor").code, "secret" in done.err) == (done.code, False)
        return done

    for good in ({"bootstrap_servers": kafka}, options(listeners, "tls", ca_file=listeners["ca"])):
        done = said(good)
        assert done.code == 0, done.err
        assert re.match(r"k  kafka: 1 broker, [\d,]+ topics?, ", done.out)
    done = said(options(listeners, "sasl", password="wrong-secret"))
    assert (done.code, "error[access-denied]: k: " in done.err) == (1, True), done.err


def test_brokers_that_do_not_answer_are_waited_for_no_longer_than_that() -> None:
    began = time.monotonic()
    with pytest.raises(TransientError) as caught:
        brokers({"bootstrap_servers": "127.0.0.1:9"}, 1.0)
    assert (caught.value.code, time.monotonic() - began < PATIENCE) == ("connection-failed", True)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_a_wrong_password_is_named_at_once_and_not_shown(
    listeners: Mapping[str, str], mechanism: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowc.runtime.systems.kafka.source.SECONDS", 600.0)
    source = KafkaSource("events", "t", options(listeners, "sasl", mechanism=mechanism, password="wrong-secret"))
    began = time.monotonic()
    with pytest.raises(FlowcError) as caught:
        source.open()
    assert caught.value.code == "access-denied"
    assert "wrong-secret" not in str(caught.value)
    assert time.monotonic() - began < PATIENCE  # and not when all the time is over


def test_an_unknown_authority_is_named_at_once(listeners: Mapping[str, str]) -> None:
    with pytest.raises(FlowcError) as caught:
        KafkaSource("events", "t", options(listeners, "tls")).open()
    assert caught.value.code == "connection-failed"
    assert "certificate" in caught.value.message


def test_a_file_that_is_not_there_is_named(listeners: Mapping[str, str]) -> None:
    with pytest.raises(FlowcError) as caught:
        KafkaSource("events", "t", {**options(listeners, "tls", ca_file="no/such.pem"), "root": "here"}).open()
    assert caught.value.code == "unusable-option"
    assert "here/no/such.pem" in caught.value.message
    assert PASSWORD not in caught.value.message
