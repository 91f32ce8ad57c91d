"""Fixtures of the tests that run whole projects."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.commands import Inside
from tests.stores import KINDS, Store, address


@pytest.fixture
def project(tmp_path: Path) -> Inside:
    """An empty project folder."""
    return Inside(tmp_path)


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty database of each kind in turn."""
    return Store(request.param, tmp_path, address(request, request.param))


@pytest.fixture
def targets(postgres: str, mysql: str) -> Mapping[str, str]:
    """A connection to an empty place of each kind, as specs write it."""
    return {
        "sqlite": "{ kind: sqlite, path: target.db }",
        "duckdb": "{ kind: duckdb, path: target.duckdb }",
        "postgres": f"{{ kind: postgres, url: '{postgres}' }}",
        "mysql": f"{{ kind: mysql, url: '{mysql}' }}",
        "delta": "{ kind: delta, uri: lake }",
    }
