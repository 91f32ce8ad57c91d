"""Fixtures for everybody: real databases, each test its own."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.services import MissingService, postgres_server


@pytest.fixture(scope="session")
def postgres_address() -> Iterator[str]:
    """A running PostgreSQL server's DSN; skips, saying what is missing, where none can be had."""
    context = postgres_server()
    try:
        dsn = context.__enter__()
    except MissingService as missing:
        pytest.skip(str(missing))
    yield dsn
    context.__exit__(None, None, None)


def _fresh_database(address: str) -> Iterator[str]:
    import psycopg

    name = f"flowc_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(address, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        yield urlunsplit(urlsplit(address)._replace(path=f"/{name}"))
        admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
def postgres(postgres_address: str) -> Iterator[str]:
    """The DSN of an empty database for this test."""
    yield from _fresh_database(postgres_address)


@pytest.fixture(scope="module")
def postgres_module(postgres_address: str) -> Iterator[str]:
    """The DSN of an empty database for this module, for hypothesis and other tests that tidy up themselves."""
    yield from _fresh_database(postgres_address)
