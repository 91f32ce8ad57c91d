"""Registers the sample systems: what an author adds to `schemas/` and to the registry of sources."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowc import resources, systems

_HERE = Path(__file__).parent
KINDS = ("samplequeue", "samplelog")


@pytest.fixture
def samples(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Within it, connections may be of the sample kinds."""
    root = tmp_path_factory.mktemp("resources")
    shutil.copytree(resources.root("schemas"), root / "schemas")
    for kind in KINDS:
        shutil.copy(_HERE / f"{kind}.json", root / "schemas/connectors")
        system = systems.System(runtime=("source",), package=f"tests.streams.samples.{kind}")
        monkeypatch.setitem(systems.SYSTEMS, kind, system)  # type: ignore[arg-type]
    before = resources.root
    monkeypatch.setattr(resources, "root", lambda name: root / name if name == "schemas" else before(name))
    _forget()
    yield
    monkeypatch.undo()
    _forget()


def _forget() -> None:
    """Forgets what was read of schemas."""
    for name, module in list(sys.modules.items()):
        if name.startswith("flowc.compiler"):
            for value in list(vars(module).values()):
                if hasattr(value, "cache_clear"):
                    value.cache_clear()
