"""Who may see and do what: roles by tokens, sessions of browsers, and what no request gets past."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from urllib.parse import urlsplit

from flowc.errors import UsageError
from flowc.service.access.hosts import address_of

_LEAST = 16
"""Characters that a token has at least."""
_LASTS = 12 * 3600.0
"""Seconds that a browser stays signed in."""
_MOST_SESSIONS = 1000
"""Browsers that are signed in with one token; who comes then signs the first of them out."""
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_PAIR = re.compile(r"\s*(?P<role>[^\s:=]+)\s*[:=\s]\s*(?P<token>\S+)\s*")


class Role(IntEnum):
    """What one may do: each role may do what those before it may."""

    NOBODY = 0
    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3

    def __str__(self) -> str:
        return self.name.lower()


ROLES = {str(role): role for role in (Role.VIEWER, Role.OPERATOR, Role.ADMIN)}


@dataclass(frozen=True, slots=True)
class Token:
    """A role and the digest of the token that gives it: the token itself is not kept."""

    role: Role
    digest: bytes = field(repr=False)


def tokens_of(text: str, resolve: Callable[[str], str]) -> tuple[Token, ...]:
    """Tokens as a file or a variable has them: `ROLE: TOKEN` on a line, or between commas; `#` begins a comment.

    A token may be a reference such as `${vault:…}`, which `resolve` turns into its value. Raises UsageError for what
    is no role or no token, and never says what was written in place of one.
    """
    lines = (line.partition("#")[0].strip() if line.lstrip().startswith("#") else line for line in text.splitlines())
    parts = [part.strip() for line in lines for part in line.split(",") if part.strip()]
    return tuple(_token(part, i, resolve) for i, part in enumerate(parts, 1))


def _token(part: str, number: int, resolve: Callable[[str], str]) -> Token:
    match = _PAIR.fullmatch(part)
    help = "write `ROLE: TOKEN` on a line, of the roles `viewer`, `operator` and `admin`"
    if match is None or match["role"] not in ROLES:
        raise UsageError(f"entry {number} of the tokens of `flowc web` is none", code="unusable-option", help=help)
    token = resolve(match["token"])
    if not (token.isascii() and token.isprintable()):
        message = f"entry {number} of the tokens of `flowc web` has characters that no request can send"
        raise UsageError(message, code="unusable-option", help="a token has letters, digits and signs of ASCII")
    if len(token) < _LEAST:
        message = f"entry {number} of the tokens of `flowc web` has less than {_LEAST} characters"
        help = "make one with `python -c 'import secrets; print(secrets.token_urlsafe(32))'`"
        raise UsageError(message, code="unusable-option", help=help)
    return Token(ROLES[match["role"]], _digest(token))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that tells in a header which role the one has who asks, and the address that it asks from."""

    header: str
    address: str


@dataclass
class Guard:
    """Judges requests. `hosts` are the names, besides addresses and `localhost`, by which the server is asked for."""

    tokens: Sequence[Token] = ()
    proxy: Proxy | None = None
    hosts: frozenset[str] = frozenset()
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    _sessions: dict[str, tuple[Role, float, bytes]] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def open(self) -> bool:
        """Whether everybody who gets here may look: nothing was said of who may."""
        return not self.tokens and self.proxy is None

    def role_of_token(self, token: str) -> Role:
        """What a token gives. Takes as long for any: all are compared, and each in constant time."""
        digest, role = _digest(token), Role.NOBODY
        for known in self.tokens:
            if hmac.compare_digest(known.digest, digest):
                role = max(role, known.role)
        return role

    def role_of_session(self, session: str | None) -> Role:
        """What the browser of a session may do that signed in."""
        role, until, _ = self._sessions.get(session or "", (Role.NOBODY, 0.0, b""))
        return role if time.monotonic() < until else Role.NOBODY

    def role_of_proxy(self, peer: str | None, headers: Iterable[str]) -> Role:
        """What the trusted proxy says, where the request comes from it, and it says one thing."""
        values = [value.strip().lower() for value in headers]
        if self.proxy is None or peer is None or address_of(peer) != address_of(self.proxy.address) or len(values) != 1:
            return Role.NOBODY
        return ROLES.get(values[0], Role.NOBODY)

    def new_session(self, role: Role = Role.NOBODY, token: str = "") -> str:
        """The id of a new session, which nobody can guess; one without a role is nowhere kept.

        Who has a token signs out nobody who has another one, however often it signs in.
        """
        session = secrets.token_urlsafe(32)
        if role is not Role.NOBODY:
            with self._lock:
                self._tidy(_digest(token))
                self._sessions[session] = role, time.monotonic() + _LASTS, _digest(token)
        return session

    def end_session(self, session: str | None) -> None:
        """Signs out."""
        with self._lock:
            self._sessions.pop(session or "", None)

    def _tidy(self, token: bytes) -> None:
        now = time.monotonic()
        live = {session: entry for session, entry in self._sessions.items() if entry[1] > now}
        same = [session for session, entry in live.items() if entry[2] == token]
        for session in same[: -_MOST_SESSIONS + 1]:
            del live[session]
        self._sessions = live

    def csrf(self, session: str) -> str:
        """What the forms of a session carry: no other site can know it."""
        return hmac.new(self._key, session.encode(), hashlib.sha256).hexdigest()

    def is_csrf(self, session: str | None, token: str) -> bool:
        """Whether a form is of that session."""
        return bool(session) and hmac.compare_digest(self.csrf(session or "").encode(), token.encode())


def is_address(name: str) -> bool:
    """Whether this is an IP address."""
    return address_of(name) is not None


def is_header(name: str) -> bool:
    """Whether a header can have that name."""
    return _HEADER.fullmatch(name) is not None


def is_loopback(host: str) -> bool:
    """Whether only this machine can get there."""
    address = address_of(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def same_origin(origin: str | None, site: str | None, host: str | None) -> bool:
    """Whether a form was sent from a page of this server, as far as the browser says (`Origin`, `Sec-Fetch-Site`)."""
    if origin is not None:
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        return parts.scheme in ("http", "https") and parts.netloc.lower() == (host or "").lower()
    return site in (None, "same-origin")


def check_binding(host: str, guard: Guard) -> None:
    """Raises UsageError where others could get at a server that lets everybody in."""
    if guard.open and not is_loopback(host):
        message = f"`flowc web` does not listen at {host or 'all addresses'} without tokens: everybody could look"
        help = "give it tokens with `--token-file FILE`, or listen at 127.0.0.1"
        raise UsageError(message, code="unusable-option", help=help)
