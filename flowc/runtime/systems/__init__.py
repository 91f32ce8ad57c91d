"""One module per system, opened by the kind of a connection."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from flowc.errors import UsageError
from flowc.runtime.contracts.database import Database

CONNECTORS: Mapping[str, tuple[str, str]] = {
    "duckdb": ("flowc.runtime.systems.duckdb.session", "DuckDB"),
    "mysql": ("flowc.runtime.systems.mysql.session", "MySQL"),
    "delta": ("flowc.runtime.systems.delta.session", "Delta"),
    "postgres": ("flowc.runtime.systems.postgres.session", "Postgres"),
    "sqlite": ("flowc.runtime.systems.sqlite.session", "SQLite"),
}
"""Module and class of each kind of database; a module is imported when a connection of its kind is opened."""


def open_database(kind: str, options: Mapping[str, object], *, root: Path | None = None) -> Database:
    """An open session of a database. Relative paths start at `root`.

    Raises:
        UsageError: no connector of that kind can run yet.
        FlowcError: it cannot be reached, or its driver is not installed.
    """
    if kind not in CONNECTORS:
        known = ", ".join(f"`{name}`" for name in CONNECTORS)
        message = f"connections of kind `{kind}` cannot run yet"
        raise UsageError(message, code="not-runnable-yet", help=f"databases that run: {known}")
    module, name = CONNECTORS[kind]
    make = getattr(importlib.import_module(module), name)
    database = cast(Database, make({**options, "root": str(root)} if root else options))
    database.open()
    return database
