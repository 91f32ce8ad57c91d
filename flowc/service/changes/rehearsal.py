"""Changes of tables as the engine itself judges them, where it can try them on empty copies of the tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flowc.migration import Change, TableChanges
from flowc.runtime.connector import Database, Rehearsing


def rehearsed(tables: Sequence[TableChanges], database: Database) -> tuple[TableChanges, ...]:
    """The same changes; those are blocked that the engine refuses, whatever its tables hold."""
    statements = [(change, (t.name, s.sql)) for t in tables for change in t.changes for s in change.statements]
    if not isinstance(database, Rehearsing) or not statements:
        return tuple(tables)
    refused: dict[str, str] = {}
    for place, words in database.rehearse([spoken for _, spoken in statements]).items():
        refused.setdefault(_name(statements[place][0]), words)
    return tuple(replace(t, changes=tuple(_judged(c, refused.get(_name(c))) for c in t.changes)) for t in tables)


def _name(change: Change) -> str:
    return f"{change.kind} {change.object} {change.summary}"


def _judged(change: Change, words: str | None) -> Change:
    if words is None or not change.statements:
        return change
    mend = "make that in the database first" if change.kind == "create_table" else "change it by hand"
    blocked = f"the engine refuses it ({words}): declare what it takes, or {mend}"
    return replace(change, statements=(), blocked=blocked)
