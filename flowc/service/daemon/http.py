"""A small HTTP server beside the workers: health, metrics, status. It reads, and changes nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from flowc.errors import UsageError


@dataclass(frozen=True, slots=True)
class Page:
    """What is answered."""

    text: str
    status: int = 200
    kind: str = "text/plain; charset=utf-8"


Pages = Mapping[str, Callable[[], Page]]
"""By path, what makes the page."""


def serve(address: str, pages: Pages) -> ThreadingHTTPServer:
    """Serves pages at `HOST:PORT` in threads of its own until `shutdown`.

    Raises UsageError when the address is none, or is taken.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        message = f"`{address}` is no address to listen at"
        raise UsageError(message, code="unusable-option", help="--http 127.0.0.1:9464")
    try:
        server = _Server((host.strip("[]"), int(port)), _handler(pages))
    except OSError as error:
        message = f"cannot listen at {address}: {(error.strerror or str(error)).lower()}"
        raise UsageError(message, code="unusable-option", help="give `--http` another HOST:PORT") from None
    threading.Thread(target=server.serve_forever, name="flowc-http", daemon=True).start()
    return server


class _Server(ThreadingHTTPServer):
    daemon_threads = True


def _handler(pages: Pages) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers GET and HEAD."""

        server_version = "flowc"
        sys_version = ""
        timeout = 10

        def do_GET(self) -> None:
            make = pages.get(self.path.partition("?")[0])
            page = make() if make is not None else Page("there are: " + " ".join(sorted(pages)) + "\n", 404)
            data = page.text.encode()
            self.send_response(page.status)
            self.send_header("Content-Type", page.kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Requests are no news."""

    return Handler
