"""A small HTTP server beside the workers: health, metrics, status. It reads, and changes nothing."""

from __future__ import annotations

import re
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from flowc.errors import UsageError
from flowc.service.access.hosts import knows_host

_ADDRESS = re.compile(r"(?:\[(?P<six>[^\[\]]+)\]|(?P<host>[^\[\]:]*)):(?P<port>[0-9]{1,5})")
_MOST = 32
"""How many clients are answered at a time."""
_ASKING = 2.0
"""Seconds that a client may take for its request: none can keep a place by saying nothing, or a byte now and then."""
_READING = 10.0
"""Seconds that it may take to read its answer, while nobody else waits for its place."""


@dataclass(frozen=True, slots=True)
class Page:
    """What is answered."""

    text: str
    status: int = 200
    kind: str = "text/plain; charset=utf-8"


Pages = Mapping[str, Callable[[], Page]]
"""By path, what makes the page."""


def serve(address: str, pages: Pages, tell: Callable[[str], None], hosts: Collection[str] = ()) -> ThreadingHTTPServer:
    """Serves pages at `HOST:PORT` or `[ADDRESS]:PORT` in threads of its own until `shutdown`.

    `tell` hears of pages that could not be made. `hosts` are the names, besides addresses and `localhost`, by which
    clients ask for the server; a request by another name is refused. Raises UsageError when the address is none, or
    is taken.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None or int(found["port"]) > 65535:
        message = f"`{address}` is no address to listen at"
        raise UsageError(message, code="unusable-option", help="--http 127.0.0.1:9464, or --http '[::1]:9464'")
    try:
        server = _Server(found["six"] or found["host"], int(found["port"]), _handler(pages, hosts), tell)
    except (OSError, ValueError) as error:  # a name that can be no host's is a ValueError
        reason = (error.strerror or str(error)).lower() if isinstance(error, OSError) else "no host has such a name"
        message = f"cannot listen at {address}: {reason}"
        raise UsageError(message, code="unusable-option", help="give `--http` another HOST:PORT") from None
    threading.Thread(target=server.serve_forever, name="flowc-http", daemon=True).start()
    return server


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, host: str, port: int, handler: type[BaseHTTPRequestHandler], tell: Callable[[str], None]
    ) -> None:
        if host:
            self.address_family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        self._room, self._tell = threading.BoundedSemaphore(_MOST), tell
        self._awaited: dict[socket.socket, float] = {}
        super().__init__((host, port), handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answers in a thread, in the place of the one that has the least time left where there is no other."""
        longest = sorted(self._awaited.copy().items(), key=lambda each: each[1])[:1]
        if self._room.acquire(blocking=False) or (
            self._hang_up([client for client, _ in longest]) and self._room.acquire(timeout=1)
        ):
            self.awaits(request, _ASKING)
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def service_actions(self) -> None:
        """Hangs up on those who take too long to say what they ask; called about twice a second."""
        now = time.monotonic()
        self._hang_up([client for client, until in self._awaited.copy().items() if until < now])

    def awaits(self, client: socket.socket, seconds: float) -> None:
        """It is the client's turn, to ask or to read what it is told, for at most so long."""
        self._awaited[client] = time.monotonic() + seconds

    def heard(self, client: socket.socket) -> None:
        """The request is read: what is left is ours to do."""
        self._awaited.pop(client, None)

    def _hang_up(self, clients: Sequence[socket.socket]) -> bool:
        """Has those who answer these clients end, and says whether there are any."""
        for client in clients:
            self.heard(client)
            with suppress(OSError):  # it went away by itself
                client.shutdown(socket.SHUT_RDWR)
        return bool(clients)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Makes room when a client has its answer."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.heard(request)
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news; anything else is."""
        if not isinstance(sys.exception(), OSError):
            self._tell(traceback.format_exc())


def _handler(pages: Pages, hosts: Collection[str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers GET and HEAD."""

        server_version = "flowc"
        sys_version = ""
        timeout = _READING

        def parse_request(self) -> bool:
            found = super().parse_request()
            assert isinstance(self.server, _Server)
            self.server.heard(self.connection)
            return found

        def do_GET(self) -> None:
            page = self._page()
            data = page.text.encode()
            assert isinstance(self.server, _Server)
            self.server.awaits(self.connection, _READING)
            self.send_response(page.status)
            self.send_header("Content-Type", page.kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        do_HEAD = do_GET

        def _page(self) -> Page:
            """The page that is asked for. A client without a `Host` is no browser, which others could lead here."""
            if not all(knows_host(host, hosts) for host in self.headers.get_all("host", [])):
                return Page("this server has no such name: `--host NAME` gives it one\n", 421)
            make = pages.get(self.path.partition("?")[0])
            return make() if make is not None else Page("there are: " + " ".join(sorted(pages)) + "\n", 404)

        def log_message(self, format: str, *args: object) -> None:
            """Requests are no news."""

    return Handler
