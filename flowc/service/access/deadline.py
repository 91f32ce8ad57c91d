"""What is asked over HTTP ends in time: one who says a byte now and then would else be listened to for ever."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPSConnection
from typing import Any
from urllib.request import HTTPHandler, HTTPSHandler, Request
from weakref import WeakSet


class Deadline:
    """Hangs up on its connections when they have not answered in time. One asks at a time."""

    def __init__(self) -> None:
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._over = False

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Whoever waits there for longer fails, as an answer may that is cut off, or by TimeoutError."""
        self._over = False
        timer = threading.Timer(seconds, self._end)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
        if self._over:
            raise TimeoutError(f"it has not answered in full within {seconds:g} s")

    def minded(self, kind: Any) -> Any:
        """A class of connections of `http.client`, or made of these, whose sockets are minded."""
        deadline = self

        class Minded(kind):  # type: ignore[misc]
            def connect(self) -> None:
                super().connect()
                deadline._add(self.sock)

        Minded.__name__ = kind.__name__  # which stands in what goes wrong
        return Minded

    def _add(self, opened: socket.socket) -> None:
        self._sockets.add(opened)
        if self._over:
            self._end()

    def _end(self) -> None:
        self._over = True
        for each in tuple(self._sockets):
            with suppress(OSError):
                socket.socket.shutdown(each, socket.SHUT_RDWR)  # that of TLS would take leave, and wait


class Plain(HTTPHandler):
    """Opens connections for `urllib` that are minded."""

    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self._connection = deadline.minded(HTTPConnection)

    def http_open(self, req: Request) -> Any:
        """The answer."""
        return self.do_open(self._connection, req)


class Encrypted(HTTPSHandler):
    """Opens encrypted ones."""

    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self._connection = deadline.minded(HTTPSConnection)

    def https_open(self, req: Request) -> Any:
        """The answer."""
        return self.do_open(self._connection, req, context=ssl.create_default_context())
