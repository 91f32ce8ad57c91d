"""What is asked of others ends in time: one who says a byte now and then would else be listened to for ever."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPSConnection
from typing import Any
from urllib.request import HTTPHandler, HTTPSHandler, Request


class Deadline:
    """Hangs up on its connections when they have not answered in time. One asks at a time."""

    def __init__(self) -> None:
        self._minded: set[Any] = set()
        self._over = False

    @contextmanager
    def within(self, seconds: float, *, reads: bool = True) -> Iterator[None]:
        """Whoever waits there for longer fails, and who `reads` always does: what is cut off may look whole.

        Raises TimeoutError where nothing else tells it.
        """
        self._over = False
        timer = threading.Timer(seconds, self._end)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            self._minded = {each for each in self._minded if each.sock is not None}
        if self._over and reads:
            raise TimeoutError(f"it has not answered in full within {seconds:g} s")

    def minded(self, kind: Any) -> Any:
        """A class of connections that keep theirs in `sock`: it is minded from there on.

        A handle of its own is kept of each, for TLS takes the socket's away before it is agreed on.
        """
        deadline = self

        class Minded(kind):  # type: ignore[misc]
            _sock, handle = None, None

            @property
            def sock(self) -> Any:
                return self._sock

            @sock.setter
            def sock(self, opened: Any) -> None:
                self._sock = opened
                if opened is not None:  # without one, an answer may still be read that ends with the connection
                    self.handle = socket.fromfd(opened.fileno(), opened.family, opened.type)
                    deadline._add(self)

        Minded.__name__ = kind.__name__  # which stands in what goes wrong
        return Minded

    def _add(self, minded: Any) -> None:
        self._minded.add(minded)
        if self._over:
            self._end()

    def _end(self) -> None:
        self._over = True
        for each in tuple(self._minded):
            if (handle := each.handle) is not None:
                with suppress(OSError):
                    handle.shutdown(socket.SHUT_RDWR)


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
