"""The HTTP server under the pages: uvicorn, with limits of time and size for those who ask."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from flowc.errors import UsageError

_ADDRESS = re.compile(r"(?:\[(?P<six>[^\[\]]+)\]|(?P<host>[^\[\]:]*)):(?P<port>[0-9]{1,5})")
_ASKING = 5.0
"""Seconds that a client may take for the head of a request."""
_ANSWERING = 30.0
"""Seconds that a client may take for the rest of it, and for reading the answer."""
_ENDING = 3.0
"""Seconds in which what is being answered is finished at the end."""
_MOST = 256
"""Connections at a time. A new one takes the place of the one whose client has been waited for the longest."""
_HEAD_BYTES = 16 << 10


class Timed(H11Protocol):
    """A connection that always has a time by which it must have gone on."""

    _turn: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._within(_ASKING)
        if len(self.connections) >= _MOST:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._turn is not None:
            self._turn.cancel()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._within(_ANSWERING)

    def on_response_complete(self) -> None:
        self._within(_ANSWERING if self.transport.get_write_buffer_size() else _ASKING)
        super().on_response_complete()

    def _make_room(self) -> None:
        others = [
            connection
            for connection in self.connections
            if isinstance(connection, Timed) and connection is not self and connection.waits
        ]
        if others:
            min(others, key=lambda connection: connection.until).transport.abort()

    @property
    def waits(self) -> bool:
        """Whether it is the client's turn: to ask, to send the rest of a form, or to read its answer."""
        asks = self.cycle is None or self.cycle.response_complete or self.cycle.more_body
        return not self.transport.is_closing() and (asks or self.transport.get_write_buffer_size() > 0)

    @property
    def until(self) -> float:
        """By when it must have gone on, by the clock of the loop."""
        return self._turn.when() if self._turn is not None else 0.0

    def _within(self, seconds: float) -> None:
        if self._turn is not None:
            self._turn.cancel()
        self._turn = self.loop.call_later(seconds, self.transport.abort)


def listening(address: str, option: str) -> tuple[socket.socket, str]:
    """A socket at `HOST:PORT` or `[ADDRESS]:PORT`, and the host. Raises UsageError when it is none, or is taken."""
    parts = split_address(address, option)
    host, port = parts
    try:
        family = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # which asyncio sends by without delay
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except (OSError, ValueError) as error:  # a name that can be no host's is a ValueError
        reason = (error.strerror or str(error)).lower() if isinstance(error, OSError) else "no host has such a name"
        message = f"cannot listen at {address}: {reason}"
        raise UsageError(message, code="unusable-option", help=f"give `{option}` another HOST:PORT") from None
    return listener, host


def split_address(address: str, option: str) -> tuple[str, int]:
    """The host and the port of an address. Raises UsageError for what is none."""
    match = _ADDRESS.fullmatch(address)
    if match is None or int(match["port"]) > 65535:
        message = f"`{address}` is no address to listen at"
        raise UsageError(message, code="unusable-option", help=f"{option} 127.0.0.1:8099, or {option} '[::1]:8099'")
    return match["six"] or match["host"], int(match["port"])


class Server:
    """Serves an application at a socket, in a thread of its own, from `start` until `stop`."""

    def __init__(self, app: Any, listener: socket.socket) -> None:
        config = uvicorn.Config(
            app, http=Timed, ws="none", lifespan="off", loop="asyncio", log_config=None, log_level="critical",
            access_log=False, server_header=False, proxy_headers=False, limit_concurrency=_MOST + _MOST // 8,
            timeout_keep_alive=int(_ASKING), timeout_graceful_shutdown=2, h11_max_incomplete_event_size=_HEAD_BYTES,
        )  # fmt: skip
        self._server, self._at = uvicorn.Server(config), listener
        self._thread = threading.Thread(target=self._run, name="flowc-web", daemon=True)

    @property
    def port(self) -> int:
        """The port that it listens at."""
        return int(self._at.getsockname()[1])

    def start(self, ended: Callable[[], None] = lambda: None) -> None:
        """Serves from now on; `ended` hears that it serves no more."""
        self._ended = ended
        self._thread.start()

    def stop(self) -> None:
        """Finishes what is being answered, for a moment."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(_ENDING)

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._at])
        finally:
            with suppress(OSError):
                self._at.close()
            self._ended()
