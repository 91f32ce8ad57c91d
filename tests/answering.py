"""A server that answers as none should."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


@contextmanager
def answering(answer: Callable[[socket.socket], object]) -> Iterator[str]:
    """The address of a server that answers so."""

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = server.accept()
                threading.Thread(target=one, args=(client,), daemon=True).start()

    def one(client: socket.socket) -> None:
        with client, suppress(OSError):
            client.recv(1 << 16)
            answer(client)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def drip(client: socket.socket) -> None:
    """Says a byte now and then."""
    for _ in range(200):
        client.sendall(b"H")
        time.sleep(0.1)


def drip_body(client: socket.socket) -> None:
    """The same behind a head."""
    client.sendall(HEAD)
    drip(client)


def pour(client: socket.socket) -> None:
    """Never ends."""
    client.sendall(HEAD)
    while True:
        client.sendall(b" " * 65536)
