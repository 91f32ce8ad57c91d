"""Opens the run log that a command or the project names, or the one under `.flowc/`."""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from flowc.compiler.front.build import LONGEST_PROJECT
from flowc.compiler.front.connections import find_connection, schemes
from flowc.compiler.front.kinds import STATE, able, can
from flowc.compiler.front.project import ProjectSpec
from flowc.compiler.front.spec import ConnectionSpec
from flowc.errors import UsageError, unusable_file
from flowc.runtime.contracts.database import Database
from flowc.runtime.stores.private import make_private
from flowc.runtime.systems import open_database
from flowc.service.access.locks import owner_name
from flowc.service.access.options import open_options
from flowc.service.access.origin import Origin, origin_of
from flowc.service.access.secrets import Resolver
from flowc.service.runs.log import RunLog
from flowc.source import Located, SourceFile, Span

FILE = ".flowc/runs.sqlite"
"""The run log of a project that names no other, under its root."""
MEMORY = "memory"
_EMBEDDED = "sqlite"


def run_log(project: ProjectSpec, resolver: Resolver, given: str | None = None, *, looks: bool = False) -> RunLog:
    """The run log, which is opened when it is first used; with `looks`, it is only read, and not made.

    `given` is what a command was told: the URL of a database, a connection of the project, or `memory`.

    Raises UsageError for what names no database that can hold one.
    """
    own = Path(project.root) / FILE
    named = given or (project.run_log.connection.value if project.run_log.connection is not None else None)
    if named == MEMORY:
        kind, opener = _EMBEDDED, _empty
    elif named is None:
        kind, opener = _EMBEDDED, lambda: _empty() if looks and not own.exists() else _own_file(own)
    else:
        kind, opener = _named(named, project, resolver, looks=looks)
    create = project.run_log.create_tables or given is not None
    return RunLog(
        opener,
        kind,
        _key(project),
        owner=owner_name(),
        create_tables=create,
        origin=_origin(project, looks),
        looks=looks,
    )


def _origin(project: ProjectSpec, looks: bool) -> Origin:
    return Origin() if looks else origin_of(project.root)


def _key(project: ProjectSpec) -> str:
    """What tells runs of one project, in one environment, from all others of a run log."""
    key = project.name if project.environment is None else f"{project.name}@{project.environment}"
    if len(key) <= LONGEST_PROJECT:
        return key
    return f"{key[: LONGEST_PROJECT - 9]}-{sha256(key.encode()).hexdigest()[:8]}"


def _named(named: str, project: ProjectSpec, resolver: Resolver, *, looks: bool) -> tuple[str, Callable[[], Database]]:
    connection = _of_url(named) if ":" in named else find_connection(project.connections, named)
    if connection is None or not can(connection.kind.value, STATE):
        kinds = ", ".join(f"`{kind}`" for kind in able(STATE))
        shown = "it" if re.search(r"[:=@\s]", named) else f"`{named}`"
        message = f"the run log: {shown} names no database that can hold one"
        help = f"name a connection of kind {kinds}, or a URL such as sqlite:///runs.sqlite"
        raise UsageError(message, code="unusable-option", help=help)

    def opened() -> Database:
        options = open_options(connection, resolver)
        path = options.values.get("path")
        missing = looks and isinstance(path, str) and not Path(path).exists()
        return open_database(options.kind, {"path": ":memory:"} if missing else options.values)

    return connection.kind.value, opened


def _empty() -> Database:
    return open_database(_EMBEDDED, {"path": ":memory:"})


def _own_file(path: Path) -> Database:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        make_private(str(path))
    except OSError as error:
        raise unusable_file(error) from None
    return open_database(_EMBEDDED, {"path": str(path)})


def _of_url(url: str) -> ConnectionSpec | None:
    scheme = re.match(r"([A-Za-z][A-Za-z0-9]*)(?:\+[a-z0-9]+)?:", url)
    kind = schemes().get(scheme[1].lower()) if scheme else None
    if kind is None:
        return None
    span = Span(SourceFile("--run-log", url), 0, len(url))
    return ConnectionSpec(Located("run log", span), Located(kind, span), {"url": url}, {"url": span}, "--run-log")
