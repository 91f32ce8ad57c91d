"""What DuckDB would say of statements, tried on an empty copy of the database in memory."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing, suppress
from typing import Any

import duckdb

from flowc.runtime.names import quoted

_COPY = "flowc_rehearsal"


def rehearse(connection: Any, statements: Sequence[str]) -> dict[int, str]:
    """By their places, the statements that it refuses, and why; nothing where the database cannot be copied."""
    try:
        with closing(connection.cursor()) as beside:
            return _rehearsed(beside, statements)
    except duckdb.Error:
        return {}
    finally:
        with suppress(duckdb.Error):
            connection.execute(f"DETACH DATABASE IF EXISTS {_COPY}")


def _rehearsed(beside: Any, statements: Sequence[str]) -> dict[int, str]:
    here = beside.execute("SELECT current_database()").fetchone()[0]
    beside.execute(f"ATTACH ':memory:' AS {_COPY}")
    beside.execute(f"COPY FROM DATABASE {quoted(here)} TO {_COPY} (SCHEMA)")
    beside.execute(f"USE {_COPY}")
    refused = {}
    for place, statement in enumerate(statements):
        try:
            beside.execute(statement)
        except duckdb.Error as error:
            refused[place] = str(error).splitlines()[0]
    return refused
