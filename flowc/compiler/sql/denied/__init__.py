"""The functions of each engine that SQL of a spec may not call, with what they do: a table for each in a file.

A load only reads its sources, so it needs none that writes, locks, acts on the server, or reaches beyond the database.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

DOES: Mapping[str, str] = {
    "writes": "writes, and SQL of a spec only reads",
    "locks": "takes or frees locks of the server",
    "files": "reaches files of the server",
    "network": "reaches other systems from within the database",
    "server": "acts on the server, and not on the rows of a query",
    "settings": "changes settings of the session",
    "code": "loads or runs code",
    "pointers": "takes or gives an address in memory",
    "blind": "runs SQL that it is given as a text",
}
"""What the functions of each group do, in words."""
RUNS, READS = "runs", "reads"
"""The groups whose calls are judged by their arguments."""


@dataclass(frozen=True, slots=True)
class Denied:
    """One function: what it does, and whether it is denied in any schema."""

    group: str
    anywhere: bool


@cache
def denied(engine: str) -> Mapping[str, Denied]:
    """The functions that are denied on an engine, by their names in lower case."""
    path = files(__name__) / f"{engine}.txt"
    lines = path.read_text("utf-8").splitlines() if path.is_file() else []
    rows = (line.split("\t") for line in lines if not line.startswith("#"))
    return {name: Denied(group, where == "any") for group, where, names in rows for name in names.split()}
