"""Registers the journal: its schema, its line in `schemas/project.json`, and its line in `flowc.systems.SYSTEMS`."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowc import resources, systems

_SCHEMA = Path(__file__).with_name("journal.json")
JOURNAL = systems.System(("target",), ("target",), package="tests.streams.journal")


@pytest.fixture
def journal(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Within it, connections may be journals."""
    root = tmp_path_factory.mktemp("resources")
    shutil.copytree(resources.root("schemas"), root / "schemas")
    shutil.copy(_SCHEMA, root / "schemas/connectors")
    project = root / "schemas/project.json"
    spec = json.loads(project.read_text("utf-8"))
    spec["$defs"]["connection"]["oneOf"].append({"$ref": f"connectors/{_SCHEMA.name}"})
    project.write_text(json.dumps(spec), "utf-8")
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
