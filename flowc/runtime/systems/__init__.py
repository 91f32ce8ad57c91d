"""One module per system, opened by the kind of a connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from flowc.errors import UsageError
from flowc.runtime import names
from flowc.runtime.contracts.database import Database
from flowc.targets import DATABASE, TARGETS

if TYPE_CHECKING:
    from flowc.runtime.contracts.opening import OpenSource, Reach
    from flowc.runtime.contracts.target import OpenTarget, TargetOpening, Writer
    from flowc.runtime.systems.shared.limits import Limits


@dataclass(frozen=True, slots=True)
class Connector:
    """What is known of a kind of database before its modules are imported."""

    session: str
    """The class of its sessions, in the module `session` of its room."""
    plain_backslash: bool = True
    """A backslash in a text literal is a backslash; else a mode of the session decides."""
    instants: tuple[int, int] | None = None
    """The first and the last instant, in microseconds since 1970 UTC, that every server of the kind keeps in a
    `timestamptz`; None for those of the years 1 to 9999."""


CONNECTORS: Mapping[str, Connector] = {
    "duckdb": Connector("DuckDB"),
    "mysql": Connector("MySQL", plain_backslash=False, instants=(10**6, (2**31 - 1) * 10**6)),
    "delta": Connector("Delta"),
    "postgres": Connector("Postgres"),
    "sqlite": Connector("SQLite"),
}
"""The databases that run, by their kind, which is also the name of their room."""
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
    database = session_class(kind)({**options, "root": str(root)} if root else options)
    database.open()
    return database


def source_opener(kind: str) -> OpenSource:
    """What opens sources of a kind. Raises UsageError where streams cannot read such systems yet."""
    return cast("OpenSource", _source_module(kind).open_source)


def source_reach(kind: str) -> Reach:
    """What looks whether a connection of a kind answers that is no database. Raises as `source_opener` does."""
    return cast("Reach", _source_module(kind).reach)


def _source_module(kind: str) -> Any:
    if kind not in SOURCES:
        known = ", ".join(f"`{name}`" for name in SOURCES)
        message = f"streams cannot read connections of kind `{kind}` yet"
        raise UsageError(message, code="not-runnable-yet", help=f"streams read {known}")
    return import_module(SOURCES[kind])


def session_class(kind: str) -> Callable[[Mapping[str, object]], Database]:
    """The class of sessions of a kind of database, whose module is imported."""
    module = import_module(f"{__name__}.{kind}.session")
    return cast("Callable[[Mapping[str, object]], Database]", getattr(module, CONNECTORS[kind].session))


def literal(text: str, kind: str) -> str:
    """Text as a SQL string for a kind of database."""
    return names.literal(text, plain_backslash=CONNECTORS[kind].plain_backslash)


def limits_of(kind: str) -> Limits:
    """What an engine cannot hold of the values that the types of its columns allow."""
    return cast("Limits", import_module(f"{__name__}.{kind}.limits").limits)


def open_target(opening: TargetOpening) -> Writer:
    """A writer of one target of a stream; it connects when it is opened itself."""
    room = import_module(TARGETS.get(opening.plan.kind, DATABASE).writer)
    return cast("OpenTarget", room.open_target)(opening)
