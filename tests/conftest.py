"""Fixtures for everybody: real databases, each test its own."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.running import running
from tests.services import service
from tests.services.mysql import fresh_database


@pytest.fixture(scope="session")
def postgres_address() -> Iterator[str]:
    """A running PostgreSQL server's DSN."""
    yield from running(service("postgres"))


@pytest.fixture(scope="session")
def mysql_address() -> Iterator[str]:
    """A running MySQL or MariaDB server's DSN, without a database."""
    yield from running(service("mysql"))


@pytest.fixture(scope="session")
def kafka_address() -> Iterator[str]:
    """A running Kafka broker's address, with what `tests.services.kafka` puts behind `?`."""
    yield from running(service("kafka"))


@pytest.fixture
def kafka(kafka_address: str) -> str:
    """The bootstrap address of a broker; topics are the test's own by their names (`tests.topics.fresh`)."""
    return kafka_address.partition("?")[0]


def _fresh_name() -> str:
    return f"flowc_{uuid.uuid4().hex[:12]}"


def _of_database(address: str, name: str) -> str:
    return urlunsplit(urlsplit(address)._replace(path=f"/{name}"))


def _fresh_postgres(address: str) -> Iterator[str]:
    import psycopg

    name = _fresh_name()
    with psycopg.connect(address, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        yield _of_database(address, name)
        admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
def postgres(postgres_address: str) -> Iterator[str]:
    """The DSN of an empty database for this test."""
    yield from _fresh_postgres(postgres_address)


@pytest.fixture(scope="module")
def postgres_module(postgres_address: str) -> Iterator[str]:
    """The DSN of an empty database for this module, for hypothesis and other tests that tidy up themselves."""
    yield from _fresh_postgres(postgres_address)


@pytest.fixture
def mysql(mysql_address: str) -> Iterator[str]:
    """The DSN of an empty database for this test."""
    with fresh_database(mysql_address) as dsn:
        yield dsn


@pytest.fixture(scope="module")
def mysql_module(mysql_address: str) -> Iterator[str]:
    """The DSN of an empty database for this module."""
    with fresh_database(mysql_address) as dsn:
        yield dsn
