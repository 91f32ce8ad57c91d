"""The options of connections, read the same way by every connector."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from flowc.errors import EngineError, UsageError


def text(options: Mapping[str, object], name: str) -> str | None:
    """An option that is text, or None when it was left out.

    Raises:
        UsageError: it is something else.
    """
    value = options.get(name)
    if value is None or isinstance(value, str):
        return value
    raise UsageError(f"the option `{name}` is not text", code="unusable-option")


def database_path(options: Mapping[str, object], kind: str) -> str:
    """The file of an embedded database: `path`, or `url` such as `sqlite:///app.db`; relative to the option `root`.

    Raises:
        UsageError: neither is there.
    """
    path = text(options, "path") or _from_url(text(options, "url") or "")
    if not path:
        raise UsageError(f"a {kind} connection needs a `path`", code="unusable-option", help=f"path: app.{kind}")
    root = text(options, "root")
    return path if path == ":memory:" or root is None else str(Path(root) / path)


def demand_file(path: str) -> None:
    """Raises EngineError where the file of a database is a pipe or a device: opening it might never end."""
    place = Path(path)
    if place.exists() and not place.is_file() and not place.is_dir():
        message = f"cannot open `{path}`: it is not a file"
        raise EngineError(message, code="connection-failed", help="check the path")


def mend_of(path: str) -> str:
    """What helps where the file of a database cannot be opened, or not be written."""
    place = Path(path)
    if not os.path.isdir(place.parent):
        return "check the path: its folder does not exist"
    if not os.access(place.parent, os.X_OK) or (os.path.exists(place) and not os.access(place, os.R_OK | os.W_OK)):
        return "permissions forbid it: let the user that runs flowc read and write the file"
    if not os.access(place.parent, os.W_OK):
        return "permissions forbid it: let the user that runs flowc write in the folder of the file"
    return "check the path"


def _from_url(url: str) -> str:
    """The path in a URL: after three slashes it is relative, after four absolute, and none is a database in memory."""
    parts = urlsplit(url)
    if not parts.scheme:
        return url
    return unquote(parts.netloc + parts.path).removeprefix("/") or ":memory:"
