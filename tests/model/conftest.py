"""Engines for the model tests, one connection per module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import is_hypothesis_test, seed

from tests.model import histories as h
from tests.model.engines import TARGETS, Engine, open_engine


@pytest.fixture(params=TARGETS, scope="module")
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres_module: str, mysql_module: str
) -> Iterator[Engine]:
    dsns = {"postgres": postgres_module, "mysql": mysql_module}
    opened = open_engine(request.param, tmp_path_factory.mktemp("model"), dsns)
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def histories_of_its_own(request: pytest.FixtureRequest) -> None:
    """Each engine has other histories of a test, always the same."""
    if is_hypothesis_test(request.function) and not h.CAMPAIGN:
        seed(request.node.name)(request.function)
