"""Opens one connection to see whether it works."""

from __future__ import annotations

from pathlib import Path

from flowc.compiler.front.spec import ConnectionSpec
from flowc.errors import EngineError, UsageError
from flowc.runtime.systems import open_database, runs, source_reach
from flowc.service.access.options import open_options
from flowc.service.access.secrets import Resolver
from flowc.systems import module_of, systems_with


def reach(connection: ConnectionSpec, resolver: Resolver) -> str:
    """What was found there, in words. Raises FlowcError when it cannot be reached."""
    options = open_options(connection, resolver)
    if module_of(options.kind, "runtime", "source"):
        return source_reach(options.kind)(options.values)
    if not runs(options.kind):
        message = f"connections of kind `{options.kind}` cannot be opened in this version"
        sources = sorted(systems_with("runtime", "source"), reverse=True)
        *others, last = *sorted(systems_with("runtime", "session")), *sources
        raise UsageError(message, code="not-runnable-yet", help=f"it opens {', '.join(others)} and {last}")
    path = options.values.get("path")
    if path is not None and path != ":memory:" and not Path(str(path)).exists():
        return _creatable(Path(str(path)))
    folder = str(options.values.get("uri", "."))
    if not Path(folder).exists():
        return "no folder yet, the first run creates it"
    database = open_database(options.kind, options.values)
    try:
        database.query("SELECT 1 AS reached")
    finally:
        database.close()
    return f"{options.kind}: connected"


def _creatable(path: Path) -> str:
    """A check creates nothing: a file that is missing needs a folder to be created in.

    The path is told as a whole, for a part of what comes from a store of secrets is masked nowhere.
    """
    if not path.parent.is_dir():
        message = f"the folder of `{path}` does not exist"
        raise EngineError(message, code="connection-failed", help="create that folder")
    return "no file yet, the first run creates it"
