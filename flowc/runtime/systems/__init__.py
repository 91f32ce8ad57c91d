"""One module per system, opened by the kind of a connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from flowc.errors import UsageError
from flowc.runtime import names
from flowc.runtime.contracts.database import Database
from flowc.systems import SYSTEMS, module_of, systems_with

if TYPE_CHECKING:
    from flowc.runtime.contracts.opening import OpenSource, Reach
    from flowc.runtime.contracts.target import OpenTarget, TargetOpening, Writer
    from flowc.runtime.systems.shared.limits import Limits


_DATABASES = "shared"
"""The room whose target writes to all databases that have none of their own."""


def runs(kind: str) -> bool:
    """Whether connections of a kind are databases that this version opens."""
    return module_of(kind, "runtime", "session") is not None


def open_database(kind: str, options: Mapping[str, object], *, root: Path | None = None) -> Database:
    """An open session of a database. Relative paths start at `root`.

    Raises:
        UsageError: no connector of that kind can run yet.
        FlowcError: it cannot be reached, or its driver is not installed.
    """
    if not runs(kind):
        known = ", ".join(f"`{name}`" for name in systems_with("runtime", "session"))
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
    module = module_of(kind, "runtime", "source")
    if module is None:
        known = ", ".join(f"`{name}`" for name in systems_with("runtime", "source"))
        message = f"streams cannot read connections of kind `{kind}` yet"
        raise UsageError(message, code="not-runnable-yet", help=f"streams read {known}")
    return import_module(module)


def session_class(kind: str) -> Callable[[Mapping[str, object]], Database]:
    """The class of sessions of a kind of database, whose module is imported."""
    return cast("Callable[[Mapping[str, object]], Database]", _module(kind, "session").SESSION)


def literal(text: str, kind: str) -> str:
    """Text as a SQL string for a kind of database."""
    return names.literal(text, plain_backslash=SYSTEMS[kind].plain_backslash)


def limits_of(kind: str) -> Limits:
    """What an engine cannot hold of the values that the types of its columns allow."""
    return cast("Limits", _module(kind, "limits").limits)


def open_target(opening: TargetOpening) -> Writer:
    """A writer of one target of a stream; it connects when it is opened itself."""
    module = module_of(opening.plan.kind, "runtime", "target") or f"{__name__}.{_DATABASES}.target"
    return cast("OpenTarget", import_module(module).open_target)(opening)


def _module(kind: str, file: str) -> Any:
    return import_module(module_of(kind, "runtime", file) or f"{__name__}.{kind}.{file}")
