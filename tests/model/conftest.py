"""Engines for the model tests, one connection per module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.model.engines import Engine, open_engine


@pytest.fixture(params=["duckdb", "sqlite", "postgres"], scope="module")
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    dsn = request.getfixturevalue("postgres_module") if request.param == "postgres" else None
    opened = open_engine(request.param, dsn)
    yield opened
    opened.connection.close()
