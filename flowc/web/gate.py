"""What every request passes before a page is made: host, size, time, who asks, and whether a form is our own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from markupsafe import Markup
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flowc.service.access.hosts import knows_host
from flowc.web.guard import Guard, Role, same_origin

_MOST_BYTES = 64 << 10
_SENDING = 10.0
"""Seconds that a client may take to send its form."""
SIGN_IN = "/sign-in"
BUG = "flowc failed, and the fault is its own; what it says is in the server's log\n"
_SIGN_IN_FIRST = "sign in, or send a token: `Authorization: Bearer TOKEN`"
LIVES, _STATIC = "/healthz", "/static/"
"""What everybody gets: that the server lives, style and script."""
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


@dataclass(frozen=True, slots=True)
class Visit:
    """Who asks, what it may do, and the form that it sent."""

    role: Role
    session: str = field(default="", repr=False)
    csrf: Markup = field(default=Markup(""), repr=False)
    """As it stands in forms: nothing in it is ever masked."""
    form: Mapping[str, str] = field(default_factory=dict, repr=False)
    signed_in: bool = False
    secure: bool = False
    """Whether the browser speaks HTTPS, with a proxy before us."""


class _Refused(Exception):
    """A request that gets no further."""

    def __init__(self, status: int, words: str, *, closes: bool = False) -> None:
        super().__init__(words)
        self.status, self.words = status, words
        self.headers = {"Connection": "close"} if closes else None
        """With `closes`, nobody can know where the next request begins, and none is read."""


@dataclass
class Gate:
    """Lets requests through to the pages, each with its `Visit` in the scope."""

    app: ASGIApp
    guard: Guard
    tell: Callable[[BaseException], None]
    """Hears of faults of flowc's own, which are not shown."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            return
        answer: ASGIApp
        cookie = None
        try:
            visit, cookie = await self._visit(scope, receive)
            scope["flowc.visit"] = visit
            answer = self._answer(scope, visit)
        except _Refused as refused:
            answer = PlainTextResponse(refused.words + "\n", refused.status, refused.headers)
        except Exception as error:  # whatever is sent, the answer has its headers
            self.tell(error)
            answer = PlainTextResponse(BUG, 500)
        await answer(scope, receive, _with_headers(send, cookie))

    def _answer(self, scope: Scope, visit: Visit) -> ASGIApp:
        path = scope["path"]
        if visit.role is not Role.NOBODY or path == SIGN_IN or _is_free(path):
            return self.app
        if scope["method"] in ("GET", "HEAD") and "authorization" not in Headers(scope=scope):
            return RedirectResponse(SIGN_IN, 303)
        raise _Refused(401, _SIGN_IN_FIRST)

    async def _visit(self, scope: Scope, receive: Receive) -> tuple[Visit, str | None]:
        """Who asks, and the cookie that it gets. Raises _Refused for what no honest browser sends."""
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not knows_host(hosts[0], self.guard.hosts):
            raise _Refused(421, "this server has no such name: `--host NAME` gives it one")
        if "transfer-encoding" in headers and "content-length" in headers:
            raise _Refused(400, "a request has `Content-Length` or `Transfer-Encoding`, and not both", closes=True)
        bearer, session = _bearer(headers), _session(headers, cookie_name(scope))
        role = self._role(scope, headers, bearer, session)
        form: Mapping[str, str] = {}
        if scope["method"] not in ("GET", "HEAD"):
            if bearer is not None and role is Role.NOBODY:
                raise _Refused(401, _SIGN_IN_FIRST)
            form = await self._form(receive, headers, session)
        origin = headers.get("origin", "")
        new = session is None and bearer is None and not self.guard.open and not _is_free(scope["path"])
        session = self.guard.new_session() if new else session or ""
        signed_in = self.guard.role_of_session(session) is not Role.NOBODY
        visit = Visit(
            role,
            session,
            Markup(self.guard.csrf(session)),
            form=form,
            signed_in=signed_in,
            secure=origin.startswith("https:"),
        )
        return visit, set_cookie(scope, session) if new else None

    def _role(self, scope: Scope, headers: Headers, bearer: str | None, session: str | None) -> Role:
        if self.guard.open:
            return Role.VIEWER
        if bearer is not None:
            return self.guard.role_of_token(bearer)
        proxy, client = self.guard.proxy, scope.get("client")
        values = headers.getlist(proxy.header) if proxy is not None else ()
        return max(
            self.guard.role_of_proxy(client[0] if client else None, values), self.guard.role_of_session(session)
        )  # fmt: skip

    async def _form(self, receive: Receive, headers: Headers, session: str | None) -> Mapping[str, str]:
        """What was sent, once it is known to come of a page of ours, or with a token that no browser adds by itself."""
        if not same_origin(headers.get("origin"), headers.get("sec-fetch-site"), headers.get("host")):
            raise _Refused(403, "this form is of another site")
        if headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
            raise _Refused(415, "a form is sent as application/x-www-form-urlencoded")
        body = await _body(receive, headers)
        form = _fields(body)
        known = _bearer(headers) is not None and not self.guard.open
        if not known and not self.guard.is_csrf(session, form.get("csrf", "")):
            raise _Refused(403, "this form is too old, or of another site: go back, reload the page and try again")
        return form


def _is_free(path: str) -> bool:
    return path == LIVES or path.startswith(_STATIC)


def _fields(body: bytes) -> dict[str, str]:
    try:
        return {name: values[0] for name, values in parse_qs(body.decode("latin-1"), max_num_fields=20).items()}
    except ValueError:
        raise _Refused(400, "this is no form") from None


async def _body(receive: Receive, headers: Headers) -> bytes:
    """The body. Raises _Refused for one that is too large, or takes too long."""
    length = headers.get("content-length", "0")
    if not length.isdecimal() or len(length) > 9 or int(length) > _MOST_BYTES:
        raise _Refused(413, f"a form has at most {_MOST_BYTES} bytes")
    body = bytearray()
    try:
        async with asyncio.timeout(_SENDING):
            while True:
                message = await receive()
                body += message.get("body", b"")
                if len(body) > _MOST_BYTES:
                    raise _Refused(413, f"a form has at most {_MOST_BYTES} bytes")
                if message["type"] == "http.disconnect" or not message.get("more_body"):
                    return bytes(body)
    except TimeoutError:
        raise _Refused(408, "the form took too long") from None


def _bearer(headers: Headers) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def cookie_name(scope: Scope) -> str:
    """The name of the cookie: browsers do not tell the ports of a machine apart."""
    return f"flowc_web_{(scope.get('server') or ('', 0))[1]}"


def _session(headers: Headers, name: str) -> str | None:
    cookie = cookie_parser(headers.get("cookie", "")).get(name, "")  # beside which others' may have any shape
    return cookie if 0 < len(cookie) <= 100 else None


def set_cookie(scope: Scope, session: str, *, secure: bool = False) -> str:
    """The header that gives a browser its session, until it is closed."""
    return f"{cookie_name(scope)}={session}; Path=/; HttpOnly; SameSite=Strict{'; Secure' if secure else ''}"


def _with_headers(send: Send, cookie: str | None) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store")
            if cookie is not None and "set-cookie" not in headers:
                headers.append("Set-Cookie", cookie)
        await send(message)

    return sent
