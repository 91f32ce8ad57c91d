"""Engines for the model tests, one connection per module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.model.engines import TARGETS, Engine, open_engine


@pytest.fixture(params=TARGETS, scope="module")
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres_module: str, mysql_module: str
) -> Iterator[Engine]:
    dsns = {"postgres": postgres_module, "mysql": mysql_module}
    opened = open_engine(request.param, tmp_path_factory.mktemp("model"), dsns)
    yield opened
    opened.close()
