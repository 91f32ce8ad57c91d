"""Fixtures of the tests of streams."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from flowc.runtime.systems.duckdb.session import DuckDB
from tests import keptfiles


@pytest.fixture(params=["sqlite", "duckdb", "postgres", "mysql"])
def wh(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Mapping[str, object]]:
    """A kind of database, and the options of an empty one."""
    kind = request.param
    if kind in ("postgres", "mysql"):
        return kind, {"url": request.getfixturevalue(kind)}
    return kind, {"path": str(tmp_path / "wh.db")}


@pytest.fixture
def kept_files(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A DuckDB file that flowc opens in this process stays open behind it: its sessions end as they do otherwise."""
    opened = DuckDB.open

    def kept(database: DuckDB) -> None:
        keptfiles.refresh()
        opened(database)
        if Path(database._path).exists():
            keptfiles.keep(Path(database._path).resolve())

    monkeypatch.setattr(DuckDB, "open", kept)
    yield
    keptfiles.release()
