"""The record of each SQL dialect, by the kind of connection that speaks it."""

from __future__ import annotations

from collections.abc import Mapping

from flowc.compiler.dialect import Dialect
from flowc.compiler.systems import Rooms

DIALECTS: Mapping[str, Dialect] = Rooms("dialect", "DIALECT")

OWN = "postgres"
"""The dialect of SQL that flowc's own engine runs, in pipelines and streams, unless its author names another."""


def as_read(text: str, engine: str) -> str:
    """SQL that its author wrote for an engine, as flowc's sessions of it read it."""
    return DIALECTS[engine].literals.author(text) if engine in DIALECTS else text
