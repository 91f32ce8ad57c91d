"""One module per system, opened by the kind of a connection."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from flowc.errors import UsageError
from flowc.runtime.contracts.database import Database
from flowc.runtime.contracts.opening import OpenSource, Reach

if TYPE_CHECKING:
    from flowc.runtime.systems.shared.limits import Limits

CONNECTORS: Mapping[str, tuple[str, str]] = {
    "duckdb": ("flowc.runtime.systems.duckdb.session", "DuckDB"),
    "mysql": ("flowc.runtime.systems.mysql.session", "MySQL"),
    "delta": ("flowc.runtime.systems.delta.session", "Delta"),
    "postgres": ("flowc.runtime.systems.postgres.session", "Postgres"),
    "sqlite": ("flowc.runtime.systems.sqlite.session", "SQLite"),
}
"""Module and class of each kind of database; a module is imported when a connection of its kind is opened."""
SOURCES: Mapping[str, str] = {
    "files": "flowc.runtime.systems.files.source",
    "kafka": "flowc.runtime.systems.kafka.source",
}
"""The module of each kind of source that streams read; it has what `flowc.runtime.contracts.opening` demands."""


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
    make = getattr(import_module(module), name)
    database = cast(Database, make({**options, "root": str(root)} if root else options))
    database.open()
    return database


def source_opener(kind: str) -> OpenSource:
    """What opens sources of a kind. Raises UsageError where streams cannot read such systems yet."""
    return cast(OpenSource, _source_module(kind).open_source)


def source_reach(kind: str) -> Reach:
    """What looks whether a connection of a kind answers that is no database. Raises as `source_opener` does."""
    return cast(Reach, _source_module(kind).reach)


def _source_module(kind: str) -> Any:
    if kind not in SOURCES:
        known = ", ".join(f"`{name}`" for name in SOURCES)
        message = f"streams cannot read connections of kind `{kind}` yet"
        raise UsageError(message, code="not-runnable-yet", help=f"streams read {known}")
    return import_module(SOURCES[kind])


def limits_of(kind: str) -> Limits:
    """What an engine cannot hold of the values that the types of its columns allow."""
    return cast("Limits", import_module(f"{__name__}.{kind}.limits").limits)
