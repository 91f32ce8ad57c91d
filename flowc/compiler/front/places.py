"""Which database a connection names: one function for each kind of system.

Addresses are compared without what does not tell databases apart: the user, the password, TLS. Some addresses may or
may not name one database: two users may have different schemas first in their search path, and a tunnel may listen on
another port of `127.0.0.1`. These count as one database. A database that is missed costs rows without an error:
`--full` replaces the rows of another load, and a pipeline runs before the one that writes what it reads. A database
too many costs a wait, a warning, or a refusal that names both sides. `flowc lint` and `compile` compare references as
they are written: `${A}` and `${B}` name two databases in most projects. What opens connections compares the values of
variables and files. References to stores of secrets are compared as they are written until they are resolved.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from flowc.compiler.front.kinds import address
from flowc.errors import UsageError
from flowc.locations import absolute, local_path, url_path
from flowc.masking import REFERENCE

_Options = Mapping[str, object]
_HERE = frozenset({
    "", "localhost", "127.0.0.1", "[::1]", "::1", "/tmp", "/run/postgresql", "/var/run/postgresql", "/tmp/mysql.sock",
    "/run/mysqld/mysqld.sock", "/var/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock",
})  # fmt: skip
"""Names of this machine, and the sockets on which servers listen beside their port."""
_AUTHORITY = re.compile(r"(?:.*@)?(?P<host>\[[^\]]*\]|[^:]*)(?::(?P<port>.*))?", re.DOTALL)
_WORDS = re.compile(r"(\w+)\s*=\s*(?:'((?:\\.|[^'\\])*)'|(\S*))")
_SEARCH_PATH = re.compile(r"search_path=[\s\\]*\"?([^\s,\"\\]+)")


class Place(NamedTuple):
    """A database or a cluster, or the server of several, and the schema of plain names where the address says it."""

    at: tuple[str, ...]
    schema: str | None = None

    @property
    def database(self) -> tuple[str, ...]:
        """What has one set of flowc's own tables: in MySQL, each schema of a server has its own."""
        return (*self.at, self.schema or "") if address(self.at[0]).form == "schema" else self.at


def place_of(connection: str, kind: str, options: _Options, root: str) -> Place:
    """The place of a connection; one that nothing is known of is the connection's own."""
    find = _FINDERS.get(address(kind).form)
    found = find(options, root, address(kind).port) if find is not None else None
    at, schema = found or (("", connection), None)
    return Place((kind, *at), schema)


def _file(options: _Options, root: str, _port: str) -> Place | None:
    path = options.get("path")
    try:
        return _local(url_path(str(options.get("url", "")), "") if path is None else path, root)
    except UsageError:  # opening it says why
        return None


def _folder(options: _Options, root: str, _port: str) -> Place | None:
    uri, more = options.get("uri"), options.get("options")
    if not isinstance(uri, str) or (local := _local(uri, root)) is not None:
        return local if isinstance(uri, str) else None
    given = more.items() if isinstance(more, Mapping) else ()
    return Place((uri.rstrip("/"), *sorted(f"{key}={value}" for key, value in given if "endpoint" in key.lower())))


def _local(path: object, root: str) -> Place | None:
    """A file or folder of this machine; None for a database in memory, and what is elsewhere."""
    if not isinstance(path, str) or path in ("", ":memory:"):
        return None
    try:
        return Place((os.path.realpath(absolute(local_path(path, ""), root)),))
    except (UsageError, ValueError):
        return None


def _server(options: _Options, _root: str, port: str) -> Place | None:
    url = str(options.get("url") or "")
    given = {key: value for key, value in _parameters(url) if value}
    if not given:
        return Place((url,)) if url else None
    host, database = given.get("hostaddr") or given.get("host", ""), given.get("dbname") or given.get("user", "")
    path = _SEARCH_PATH.search(given.get("options", ""))
    schema = path[1] if path and path[1] != "$user" else None
    return Place((given.get("service", ""), _host(host), given.get("port", port), database), schema)


def _parameters(url: str) -> list[tuple[str, str]]:
    """The parameters of an address by their names in libpq, later ones before earlier ones; none where in doubt."""
    if "://" not in url:
        return [(name, quoted or bare) for name, quoted, bare in _WORDS.findall(url)]
    if (parts := _split(url)) is None:
        return []
    user = parts.netloc.rpartition("@")[0].partition(":")[0]
    named = {"user": user, **_authority(parts), "dbname": parts.path.removeprefix("/")}
    return [*((key, unquote(value)) for key, value in named.items()), *parse_qsl(parts.query)]


def _schema(options: _Options, _root: str, port: str) -> Place | None:
    url = str(options.get("url") or "")
    if "://" not in url or (parts := _split(url)) is None:
        return Place((url,)) if url else None
    given, at = {key.lower(): value for key, value in parse_qsl(parts.query)}, _authority(parts)
    host, listens = _host(given.get("socket") or unquote(at["host"])), unquote(at["port"]) or port
    return Place((host, "" if host.startswith("/") else listens), unquote(parts.path.strip("/")))


def _split(url: str) -> SplitResult | None:
    """The parts of an address, references encoded; None where a password that is not encoded leaves them in doubt."""
    try:
        parts = urlsplit(REFERENCE.sub(lambda found: quote(found[0], safe=""), url).replace("#", "%23"))
    except ValueError:
        return None
    return None if "@" in parts.path + parts.query else parts


def _authority(parts: SplitResult) -> dict[str, str]:
    found = _AUTHORITY.fullmatch(parts.netloc)
    return {"host": found["host"] or "", "port": found["port"] or ""} if found else {"host": parts.netloc, "port": ""}


def _host(name: str) -> str:
    if name.rstrip("/") in _HERE or name.lower() in _HERE:
        return "localhost"
    return name if name[:1] in ("/", "$") else name.lower()


def _brokers(options: _Options, _root: str, _port: str) -> Place | None:
    servers = options.get("bootstrap_servers")
    given = servers.split(",") if isinstance(servers, str) else servers if isinstance(servers, list) else ()
    return Place(tuple(sorted(_host(str(each).strip()) for each in given))) if given else None


_FINDERS: Mapping[str, Callable[[_Options, str, str], Place | None]] = {
    "file": _file, "folder": _folder, "server": _server, "schema": _schema, "brokers": _brokers,
}  # fmt: skip
"""By the form of addresses."""
