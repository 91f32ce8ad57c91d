"""Fixtures for everybody: real databases, each test its own."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import warmflowc
from tests.extended import mark_what_is_extended
from tests.running import running
from tests.services import service
from tests.services.databases import Databases
from tests.services.mysql import fresh_database
from tests.stores import KINDS, Store, address


def pytest_collection_finish() -> None:
    """Tests stay, and so do the modules: a seventh of the time went into looking through them for garbage."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@pytest.hookimpl(tryfirst=True)  # before `-m` is judged
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what only the long run has."""
    mark_what_is_extended(items)


@pytest.fixture(scope="session")
def postgres_address() -> Iterator[str]:
    """A running PostgreSQL server's DSN."""
    yield from running(service("postgres"))


@pytest.fixture(scope="session")
def postgres_databases(postgres_address: str) -> Iterator[Databases]:
    """Empty databases of that server."""
    databases = Databases(postgres_address)
    yield databases
    databases.drop()


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


@pytest.fixture
def postgres(postgres_databases: Databases) -> Iterator[str]:
    """The DSN of an empty database for this test."""
    with postgres_databases.fresh() as dsn:
        yield dsn


@pytest.fixture(scope="module")
def postgres_module(postgres_databases: Databases) -> Iterator[str]:
    """The DSN of an empty database for this module, for hypothesis and other tests that tidy up themselves."""
    with postgres_databases.fresh() as dsn:
        yield dsn


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


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty database of each kind in turn."""
    return Store(request.param, tmp_path, address(request, request.param))


@pytest.fixture
def warm_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs and workers that a scheduler or daemon of this process begins are split off from a warm process."""
    monkeypatch.setattr("flowc.service.runs.executors.subprocess", warmflowc.runs())
    monkeypatch.setattr("flowc.service.daemon.process._started", warmflowc.waiting)
