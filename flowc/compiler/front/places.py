"""Which connections name one database, as far as their text tells."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from flowc.compiler.front.spec import ConnectionSpec

_MEMORY = ":memory:"
_TELLING = ("host", "hostaddr", "port", "dbname", "service", "options", "unix_socket")
"""Options of a URL that name a server, a database, or the schema of plain names."""


def places_of(connections: Mapping[str, ConnectionSpec]) -> Mapping[str, str]:
    """For each connection the name of the first one that has its file, or its server and database.

    Users do not count: one that reads and one that writes find the same tables.
    """
    first: dict[tuple[str, ...], str] = {}
    return {name: first.setdefault(_place(name, each), name) for name, each in connections.items()}


def _place(name: str, connection: ConnectionSpec) -> tuple[str, ...]:
    kind, options = connection.kind.value, connection.options
    path, url = options.get("path", options.get("uri")), options.get("url")
    if isinstance(path, str) and path != _MEMORY:
        return kind, posixpath.normpath(path) if "path" in options else path
    if not isinstance(url, str):
        return kind, "", name
    try:
        parts = urlsplit(url)
    except ValueError:  # of no address; what opens it says so
        return kind, "", name
    told = (f"{option}={value}" for option, value in parse_qsl(parts.query) if option in _TELLING)
    return kind, parts.netloc.rpartition("@")[2].lower(), parts.path, *told
