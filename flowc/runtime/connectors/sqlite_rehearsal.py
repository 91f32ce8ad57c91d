"""What SQLite would say of statements, tried on an empty copy of the database in memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

from flowc.runtime.connectors.sqlite_functions import register

_MADE = """
SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
ORDER BY CASE type WHEN 'table' THEN 0 WHEN 'index' THEN 1 WHEN 'view' THEN 2 ELSE 3 END, rowid
"""


def rehearse(ask: Callable[[str], Sequence[Any]], statements: Sequence[str]) -> dict[int, str]:
    """By their places, the statements that it refuses, and why; nothing where the database cannot be copied."""
    made = [row[0] for row in ask(_MADE)]
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as copy:
        register(copy)
        try:
            for statement in made:
                copy.execute(statement)
        except sqlite3.Error:
            return {}
        return _refused(copy, statements)


def _refused(copy: sqlite3.Connection, statements: Sequence[str]) -> dict[int, str]:
    refused = {}
    for place, statement in enumerate(statements):
        try:
            copy.execute(statement)
        except sqlite3.Error as error:
            refused[place] = str(error)
    return refused
