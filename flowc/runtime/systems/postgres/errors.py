"""PostgreSQL's errors as ours: by their SQLSTATE, in the server's own words, without secrets."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from flowc.errors import DataError, EngineError, FlowcError, TransientError
from flowc.masker import redact

_EXCERPT = re.compile(r"^LINE \d+: .*\n *\^", re.MULTILINE)
_SERVER = re.compile(r"\bERROR:  ([^\n]+)")
_PLACE = re.compile(r"COPY [^,]+, line (\d+)(?:, column ([^:\n]+))?")

# Whole classes of SQLSTATE by their first two letters, single states before them.
_STATES: dict[str, tuple[type[FlowcError], str]] = {
    "40001": (TransientError, "write-conflict"),
    "40P01": (TransientError, "write-conflict"),
    "55P03": (TransientError, "write-conflict"),
    "57014": (TransientError, "connection-lost"),
    "53300": (TransientError, "connection-failed"),
    "28000": (EngineError, "access-denied"),
    "28P01": (EngineError, "access-denied"),
    "42501": (EngineError, "access-denied"),
    "3D000": (EngineError, "connection-failed"),
}
_CLASSES: dict[str, tuple[type[FlowcError], str]] = {
    "08": (TransientError, "connection-lost"),
    "57": (TransientError, "connection-lost"),
    "22": (DataError, "value-refused"),
    "23": (DataError, "constraint-violated"),
}
_NUL_HELP = "PostgreSQL's text holds no NUL character; take it out in the SQL, for instance with replace()"
_NUMBERED = "428C9"
_NUMBERED_HELP = "leave the column out: the database gives it its value"
"""Loads write no OVERRIDING SYSTEM VALUE, which the server would have."""


class _Said(NamedTuple):
    """What the server said: its message with the detail, the hint, where in a bulk load, and where in the statement."""

    words: str
    hint: str | None = None
    place: str = ""
    excerpt: str = ""


def failure(error: Exception) -> FlowcError:
    """A driver's error as ours."""
    state: str | None = getattr(error, "sqlstate", None)
    words, hint, place, excerpt = _said(error)
    if state is None:
        lost = "connection" in words.lower() or "ssl" in words.lower() or "socket" in words.lower()
        return TransientError(words, code="connection-lost") if lost else EngineError(words, code="query-refused")
    kind, code = _STATES.get(state) or _CLASSES.get(state[:2]) or (EngineError, "query-refused")
    help = _NUL_HELP if state == "22021" and "0x00" in words else _NUMBERED_HELP if state == _NUMBERED else hint
    return kind(f"{words}{place}", code=code, help=help, details=tuple(excerpt.splitlines()))


def _said(error: Exception) -> _Said:
    """The parts of an error, from psycopg, from ADBC, or from the words of what hides both."""
    text = str(error).strip()
    found = _EXCERPT.search(text)
    excerpt = found[0] if found else ""
    diagnostic: Any = getattr(error, "diag", None)
    if getattr(diagnostic, "message_primary", None):
        primary, detail, hint = diagnostic.message_primary, diagnostic.message_detail, diagnostic.message_hint
        return _Said(_with(primary, detail), hint, _row(diagnostic.context or ""), excerpt)
    told = {key: value.decode(errors="replace") for key, value in _pairs(error)}
    if primary := told.get(b"PG_DIAG_MESSAGE_PRIMARY"):
        detail, hint = told.get(b"PG_DIAG_MESSAGE_DETAIL"), told.get(b"PG_DIAG_MESSAGE_HINT")
        return _Said(_with(primary, detail), hint, "", excerpt)
    server = _SERVER.search(text)
    return _Said(server[1].strip() if server else text)


def _pairs(error: Exception) -> list[tuple[bytes, bytes]]:
    """ADBC's details of an error: pairs of bytes."""
    return [pair for pair in getattr(error, "details", None) or () if all(isinstance(part, bytes) for part in pair)]


def _with(primary: str, detail: str | None) -> str:
    return primary + (f": {detail}" if detail else "")


def _row(context: str) -> str:
    match = _PLACE.search(context)
    return f", in row {match[1]}" + (f" of column `{match[2].strip()}`" if match[2] else "") if match else ""


def unreachable(error: Exception, secrets: tuple[str, ...]) -> FlowcError:
    """Why no session could be had; `secrets` are blotted out."""
    words = redact(" ".join(str(error).split()), secrets)
    state = getattr(error, "sqlstate", None)
    # libpq tells of a refused login in words only.
    if state in ("28P01", "28000") or "authentication failed" in words or "no password supplied" in words:
        return EngineError(
            words, code="access-denied", help="check the user and the password of the connection's `url`"
        )
    if "does not exist" in words:
        return EngineError(words, code="connection-failed", help="check the database and the user of the `url`")
    return TransientError(
        words, code="connection-failed", help="check that the server runs and that the `url` is right"
    )
