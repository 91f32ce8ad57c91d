"""Fixtures of the tests that run whole projects."""

from __future__ import annotations

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
