"""Servers that alerts are sent to, and that fail as a test says."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from tests.services.machine import free_port

CERTIFICATE = Path(__file__).with_name("localhost.pem")
"""Of localhost, with its key; nobody trusts it but who is told to."""


@dataclass
class Hook:
    """A server of HTTP that keeps what it gets. `answers` are the next ones, each a status and headers; then 200.

    The words `hang` and `endless` in the place of a status say nothing, and say something for ever.
    """

    answers: list[tuple[Any, dict[str, str]]] = field(default_factory=list)
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(body) for _, _, body in self.got]


def _handler(hook: Hook) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers = hook.answers.pop(0) if hook.answers else (200, {})
            hook.got.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            if status == "hang":
                hook.over.wait(30)
                return
            endless = status == "endless"
            self.send_response(500 if endless else status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(b"said no")
                while endless and not hook.over.is_set():
                    self.wfile.write(b"." * 10)
                    time.sleep(0.02)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@contextmanager
def hook(*answers: Any, tls: bool = False) -> Iterator[Hook]:
    """A server that answers so: statuses, or pairs of a status and headers."""
    made = Hook([each if isinstance(each, tuple) else (each, {}) for each in answers])
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(made))
    server.daemon_threads, server.block_on_close = True, False
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    made.url = f"http{'s' * tls}://127.0.0.1:{server.server_port}/services/T0001/B0002/s3cr3tpath"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield made
    finally:
        made.over.set()
        server.shutdown()
        server.server_close()


@dataclass
class Mailbox:
    """What a mail server took, and how it refuses: a line that it answers a recipient with."""

    mails: list[Any] = field(default_factory=list)
    refuses: str | None = None
    port: int = 0
    encrypted: list[bool] = field(default_factory=list)

    async def handle_RCPT(self, _server, _session, envelope, address, _options):
        if self.refuses is not None:
            return self.refuses
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server, session, envelope):
        self.mails.append(envelope)
        self.encrypted.append(session.ssl is not None)
        return "250 OK"


@contextmanager
def mail_server(*, starttls: bool = True, password: str = "") -> Iterator[Mailbox]:
    """A mail server; with a password, which one has to log in with, as `flowc`."""
    box, context = Mailbox(), None
    if starttls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)

    def authenticate(_server, _session, _envelope, _mechanism, data):
        right = getattr(data, "login", b"") == b"flowc" and getattr(data, "password", b"") == password.encode()
        return AuthResult(success=right, handled=right)

    controller = Controller(
        box, hostname="127.0.0.1", port=free_port(), tls_context=context, authenticator=authenticate,
        auth_required=bool(password), auth_require_tls=starttls,
    )  # fmt: skip
    controller.start()
    box.port = controller.port
    try:
        yield box
    finally:
        controller.stop()
