"""Fixtures of the tests of streams."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest


@pytest.fixture(params=["sqlite", "duckdb", "postgres", "mysql"])
def wh(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Mapping[str, object]]:
    """A kind of database, and the options of an empty one."""
    kind = request.param
    if kind in ("postgres", "mysql"):
        return kind, {"url": request.getfixturevalue(kind)}
    return kind, {"path": str(tmp_path / "wh.db")}
