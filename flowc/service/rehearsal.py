"""Changes of tables as the engine itself judges them, where it can try them on empty copies of the tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flowc.migration import Change, TableChanges
from flowc.runtime.connector import Database, Rehearsing


def rehearsed(tables: Sequence[TableChanges], database: Database) -> tuple[TableChanges, ...]:
    """The same changes; those are blocked that the engine refuses, whatever its tables hold."""
    changes = [(table.name, change) for table in tables for change in table.changes]
    if not isinstance(database, Rehearsing) or all(change.kind == "create_table" for _, change in changes):
        return tuple(tables)
    statements = [(change, (name, s.sql)) for name, change in changes for s in change.statements]
    refused: dict[str, str] = {}
    for place, words in database.rehearse([spoken for _, spoken in statements]).items():
        refused.setdefault(_name(statements[place][0]), words)
    return tuple(replace(t, changes=tuple(_judged(c, refused.get(_name(c))) for c in t.changes)) for t in tables)


def _name(change: Change) -> str:
    return f"{change.kind} {change.object} {change.summary}"


def _judged(change: Change, words: str | None) -> Change:
    if words is None or not change.statements:
        return change
    blocked = f"the engine refuses it ({words}): declare what it takes, or change it by hand"
    return replace(change, statements=(), blocked=blocked)
