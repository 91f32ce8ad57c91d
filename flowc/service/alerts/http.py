"""A POST that ends: no redirect is followed, no answer is read to an end that may not come."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException, InvalidURL
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from flowc import __version__
from flowc.controls import printable
from flowc.service.access.deadline import Deadline, Encrypted, Plain
from flowc.service.alerts.undelivered import Undelivered

TIMEOUT = 10.0
"""Seconds that a delivery may take in all."""
_SHOWN = 200
"""Characters of a refusal that are told."""
_MOST_WAIT = 60.0
"""Seconds of `Retry-After` that are waited at most."""
_NO_ADDRESS = "its `url` is no web address, or a header holds a line break"
_LATER = (408, 425, 429)
"""Statuses below 500 by which a server asks for another try."""


def post(url: str, body: bytes, headers: Mapping[str, str], *, timeout: float = TIMEOUT) -> None:
    """Posts a body. Raises Undelivered for any answer but one of success."""
    if not url.lower().startswith(("http://", "https://")):  # a file would open, and be taken for a delivery
        raise Undelivered(_NO_ADDRESS)
    try:
        request = Request(url, body, {"User-Agent": f"flowc/{__version__}", **headers}, method="POST")
        deadline = Deadline()
        opener = build_opener(Plain(deadline), Encrypted(deadline), _Nowhere())
        with deadline.within(timeout, reads=False):
            try:
                opener.open(request, timeout=timeout).close()
            except HTTPError as error:
                with error:
                    raise _refused(error) from None
    except (InvalidURL, ValueError):  # an address or a header that can be none; its words would tell what it is
        raise Undelivered(_NO_ADDRESS) from None
    except URLError as error:
        raise _unreachable(error.reason, timeout) from None
    except (OSError, HTTPException):  # all was sent, and who sends it again may tell it twice
        raise Undelivered(f"it may have taken this, but gave no answer within {timeout:g} s, or hung up") from None


def _refused(error: HTTPError) -> Undelivered:
    if 300 <= error.code < 400:
        return Undelivered(f"it answered {error.code}, and redirects are not followed: write the address that is meant")
    said = ""
    with suppress(OSError, HTTPException, ValueError):
        said = " ".join(printable(error.read1(4 * _SHOWN).decode(errors="replace")).split())[:_SHOWN]
    words = f"it answered {error.code}{f': {said}' if said else ''}"
    return Undelivered(words, again=error.code >= 500 or error.code in _LATER, after=_wait(error.headers))


def _wait(headers: Any) -> float | None:
    """The seconds that `Retry-After` says, as a number or a date."""
    given = str(headers.get("Retry-After") or "").strip()
    if given.isdecimal():
        return min(float(given[:9]), _MOST_WAIT)
    with suppress(ValueError, TypeError, OverflowError):
        now = datetime.now(UTC)
        return min(max(0.0, (parsedate_to_datetime(given) - now).total_seconds()), _MOST_WAIT)
    return None


def _unreachable(reason: object, timeout: float) -> Undelivered:
    if isinstance(reason, ssl.SSLCertVerificationError):
        return Undelivered(f"its certificate is not trusted: {reason.verify_message}")
    if isinstance(reason, ssl.SSLError):
        return Undelivered("no encrypted connection can be made with it", again=True)
    if isinstance(reason, socket.gaierror):
        return Undelivered("its host is not known", again=True)
    if isinstance(reason, ConnectionRefusedError):
        return Undelivered("nothing listens there", again=True)
    return Undelivered(f"it gave no answer within {timeout:g} s, or hung up", again=True)


class _Nowhere(HTTPRedirectHandler):
    """Follows nobody: what is sent holds secrets."""

    def redirect_request(self, *_: Any, **__: Any) -> Request | None:
        """None, which makes the redirect an error."""
        return None
