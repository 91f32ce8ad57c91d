"""A way to a server that ends at a COMMIT: the server carries it out, and its answer is lost."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

_SHORT = 64
"""Bytes of a packet that holds no more than COMMIT."""
_PATIENCE = 10.0


class Proxy:
    """Hands everything on to a server. After `cut`, the answer to the COMMIT of that number is lost, once."""

    def __init__(self, host: str, port: int) -> None:
        self._server, self._left, self._lock = (host, port), 0, threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def cut(self, number: int) -> None:
        """Has the answer to the COMMIT of that number be lost; 0 for none."""
        with self._lock:
            self._left = number

    def close(self) -> None:
        """Takes no more connections."""
        self._listening.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(self._server)
                mute = threading.Event()
                answered = threading.Event()
                for way in ((client, server, True), (server, client, False)):
                    threading.Thread(target=self._pump, args=(*way, mute, answered), daemon=True).start()

    def _pump(
        self, source: socket.socket, target: socket.socket, asks: bool, mute: threading.Event,
        answered: threading.Event,
    ) -> None:  # fmt: skip
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if asks and self._is_meant(data):
                    mute.set()
                if mute.is_set() and not asks:
                    answered.set()
                    break
                target.sendall(data)
                if asks and mute.is_set():
                    answered.wait(_PATIENCE)
                    break
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _is_meant(self, data: bytes) -> bool:
        if len(data) > _SHORT or b"COMMIT" not in data.upper():
            return False
        with self._lock:
            self._left -= 1
            return self._left == 0
