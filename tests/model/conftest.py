"""Engines for the model tests, one connection per module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.model.engines import DATABASES, Engine, open_engine


@pytest.fixture(params=DATABASES, scope="module")
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres_module: str
) -> Iterator[Engine]:
    opened = open_engine(request.param, tmp_path_factory.mktemp("model"), postgres_module)
    yield opened
    opened.close()
