"""Registers the journal: its schema among those of `schemas/`, and its line in `flowc.systems.SYSTEMS`."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowc import resources, systems

_SCHEMA = Path(__file__).with_name("journal.json")
JOURNAL = systems.System(("target",), ("source", "target"), package="tests.streams.journal")


@pytest.fixture
def journal(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Within it, connections may be journals."""
    root = tmp_path_factory.mktemp("resources")
    shutil.copytree(resources.root("schemas"), root / "schemas")
    shutil.copy(_SCHEMA, root / "schemas/connectors")
    before = resources.root
    with monkeypatch.context() as patch:
        patch.setattr(resources, "root", lambda name: root / name if name == "schemas" else before(name))
        patch.setitem(systems.SYSTEMS, _SCHEMA.stem, JOURNAL)  # type: ignore[arg-type]
        _forget()
        yield
    _forget()


def _forget() -> None:
    """Forgets what was read of schemas."""
    for name, module in list(sys.modules.items()):
        for value in list(vars(module).values()) if name.startswith("flowc.compiler") else ():
            if hasattr(value, "cache_clear"):
                value.cache_clear()
