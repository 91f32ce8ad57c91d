"""Registers the sample format: its line in the table. Its registry is a kind of connection that tests alone have."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from flowc import resources
from flowc.formats import FORMATS, Format
from tests.commands import ROOT
from tests.streams.samples.registered import _forget, samples

__all__ = ["keyvalue", "samples"]
LINE = Format(
    "tests.keyvalue", (".kv",), framed=True, messages=True, encodes=True, discovers=True, compressions=("none", "gzip"),
)  # fmt: skip


@pytest.fixture
def keyvalue(samples: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Within it, files and messages may be pairs, and connections may be registries or of the sample kinds."""
    root = resources.root("schemas")
    text = (ROOT / "tests/keyvalue/registry.json").read_text("utf-8")
    (root / "connectors/registry.json").write_text(text, "utf-8")
    project = json.loads((root / "project.json").read_text("utf-8"))
    project["$defs"]["connection"]["oneOf"].append({"$ref": "connectors/registry.json"})
    project["$defs"]["read"]["properties"]["registry"] = {"type": "string"}
    (root / "project.json").write_text(json.dumps(project), "utf-8")
    monkeypatch.setitem(FORMATS, "keyvalue", LINE)
    _forget()
    yield
    monkeypatch.undo()
    _forget()
