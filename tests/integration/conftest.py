"""Fixtures of the tests that run whole projects."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import Inside
from tests.stores import SERVERS, address


@pytest.fixture
def project(tmp_path: Path) -> Inside:
    """An empty project folder."""
    return Inside(tmp_path)


class _Targets:
    """A connection to an empty place of each kind, as specs write it; a server's is made when it is asked for."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._request = request

    def __getitem__(self, kind: str) -> str:
        if kind in SERVERS:
            return f"{{ kind: {kind}, url: '{address(self._request, kind)}' }}"
        return _EMBEDDED[kind]


_EMBEDDED = {
    "sqlite": "{ kind: sqlite, path: target.db }",
    "duckdb": "{ kind: duckdb, path: target.duckdb }",
    "delta": "{ kind: delta, uri: lake }",
}


@pytest.fixture
def targets(request: pytest.FixtureRequest) -> _Targets:
    """A connection to an empty place of each kind, by that."""
    return _Targets(request)
