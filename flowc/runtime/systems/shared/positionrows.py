"""What the rows mean in which a database keeps positions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def last(rows: Sequence[Mapping[str, Any]]) -> int:
    """The last epoch of positions; those of a table that was dropped have it below zero."""
    return max((abs(int(row["epoch"])) for row in rows), default=0)


def is_another(row: Mapping[str, Any]) -> bool:
    """Whether the table of a position is not the one that is there, in the same database: no copy of all of it."""
    held, there = (str(row.get(name) or "") for name in ("table_id", "this_id"))
    return held != there and bool(held) and _database(held) == _database(there)


def _database(table_id: str) -> str:
    return table_id.rpartition("/")[2]
