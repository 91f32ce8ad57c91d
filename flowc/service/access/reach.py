"""Opens one connection to see whether it works."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from glob import glob
from pathlib import Path

from flowc.compiler.front.spec import ConnectionSpec
from flowc.errors import EngineError, UsageError
from flowc.runtime.systems import CONNECTORS, open_database
from flowc.runtime.systems.kafka.brokers import brokers
from flowc.service.access.options import open_options
from flowc.service.access.secrets import Resolver


def reach(connection: ConnectionSpec, resolver: Resolver) -> str:
    """What was found there, in words. Raises FlowcError when it cannot be reached."""
    options = open_options(connection, resolver)
    if options.kind in _LOOKS:
        return _LOOKS[options.kind](options.values)
    if options.kind not in CONNECTORS:
        message = f"connections of kind `{options.kind}` cannot be opened in this version"
        raise UsageError(
            message, code="not-runnable-yet", help=f"it opens {', '.join(sorted(CONNECTORS))}, kafka and files"
        )
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


def _files(options: Mapping[str, object]) -> str:
    uri = str(options.get("uri", ""))
    if not Path(uri).is_dir() and not glob(uri):
        raise EngineError(f"there is no folder `{uri}`", code="connection-failed", help=f"create it: `mkdir -p {uri}`")
    return f"files: {sum(1 for entry in Path(uri).rglob('*') if entry.is_file())} below {uri}"


_LOOKS: Mapping[str, Callable[[Mapping[str, object]], str]] = {"files": _files, "kafka": brokers}
"""How that is seen which is no database, by the kind of connection."""
