"""The `url` of a MySQL connection as what the driver takes."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from flowc.errors import UsageError

_SCHEMES = ("mysql", "mariadb")
_PORT = 3306
_CONNECT_SECONDS = 15
_HELP = "url: mysql://user:${PASSWORD}@host:3306/database?ssl-mode=REQUIRED"
_MODES = ("DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY")
_OPTIONS = ("ssl-mode", "ssl-ca", "ssl-cert", "ssl-key", "socket", "connect-timeout")


def connect_arguments(url: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What the driver's `connect` takes, and what of it must not be shown.

    Raises:
        UsageError: the text is no address, or an option of it is unknown.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or _PORT
    except ValueError:
        raise _unusable("is not a MySQL address") from None
    if parts.scheme not in _SCHEMES:
        raise _unusable("is not a MySQL address")
    database = unquote(parts.path.strip("/"))
    if not database:
        raise _unusable("names no database")
    options = _options(parts.query)
    password = unquote(parts.password or "")
    arguments: dict[str, Any] = {
        "host": parts.hostname or "localhost",
        "port": port,
        "user": unquote(parts.username or ""),
        "password": password,
        "database": database,
        "connect_timeout": _seconds(options.get("connect-timeout")),
        "unix_socket": options.get("socket"),
        **_encryption(options),
    }
    return arguments, tuple(secret for secret in (url, password, parts.password) if secret)


def _unusable(what: str) -> UsageError:
    return UsageError(f"the connection's `url` {what}", code="unusable-option", help=_HELP)


def _options(query: str) -> dict[str, str]:
    found = {name.lower().replace("_", "-"): value for name, value in parse_qsl(query, keep_blank_values=True)}
    if "sslmode" in found:
        found["ssl-mode"] = found.pop("sslmode")
    unknown = next((name for name in found if name not in _OPTIONS), None)
    if unknown is not None:
        raise _unusable(f"has an unknown option `{unknown}`; known are {', '.join(f'`{o}`' for o in _OPTIONS)}")
    return found


def _seconds(given: str | None) -> int:
    if given is None:
        return _CONNECT_SECONDS
    if not re.fullmatch("[0-9]{1,6}", given) or int(given) == 0:
        raise _unusable("has a `connect-timeout` that is no number of seconds up to 999999")
    return int(given)


def _encryption(options: Mapping[str, str]) -> dict[str, Any]:
    """TLS as the server's own clients have it: with a certificate authority, it is checked."""
    mode = options.get("ssl-mode", "VERIFY_CA" if "ssl-ca" in options else "PREFERRED").upper().replace("-", "_")
    if mode not in _MODES:
        raise _unusable(f"has an unknown `ssl-mode`; known are {', '.join(f'`{m}`' for m in _MODES)}")
    if mode == "DISABLED":
        return {"ssl_disabled": True}
    return {} if mode == "PREFERRED" else {"ssl": _context(mode, options)}


def _context(mode: str, options: Mapping[str, str]) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=options.get("ssl-ca"))
        if "ssl-cert" in options:
            context.load_cert_chain(options["ssl-cert"], options.get("ssl-key"))
    except (OSError, ssl.SSLError):
        raise _unusable("names a certificate file that cannot be read") from None
    context.check_hostname = mode == "VERIFY_IDENTITY"
    if mode == "REQUIRED":
        context.verify_mode = ssl.CERT_NONE
    return context


def connected(pymysql: Any, arguments: Mapping[str, Any]) -> Any:
    """A session by what `connect_arguments` gave, and more that the driver takes.

    Raises UsageError for a host that has no such name: it is no failure of the driver's.
    """
    try:
        return _connected(pymysql, arguments)
    except UnicodeError as error:
        if "idna" not in str(error):
            raise
        raise _unusable("names a host that no machine can be called") from None


def _connected(pymysql: Any, arguments: Mapping[str, Any]) -> Any:
    if arguments.keys() & {"ssl", "ssl_disabled"}:
        return pymysql.connect(**arguments)
    # Where TLS is preferred and nobody checks who answers, the driver would read all authorities for each session.
    connection = pymysql.connect(**arguments, ssl_disabled=True, defer_connect=True)
    connection.ssl, connection.ctx = True, _unchecked()
    connection.connect()
    return connection


@cache
def _unchecked() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
