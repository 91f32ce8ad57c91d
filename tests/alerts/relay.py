"""Hands everything on to a server, in a process of its own: drivers hold the interpreter while they wait."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from contextlib import suppress


class Relay:
    """The way to a server; `cut` ends it with all that goes through it, `mend` opens it at the same port."""

    def __init__(self, host: str, port: int) -> None:
        self.server, self.port = (host, port), 0
        self.mend()

    def mend(self) -> None:
        """Begins, and waits until it listens."""
        command = [sys.executable, __file__, self.server[0], str(self.server[1]), str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def cut(self) -> None:
        """Ends, and with it every connection."""
        self.process.kill()
        self.process.communicate()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_RDWR)


def main(host: str, port: str, at: str) -> None:
    """Serves until it is killed."""
    listening = socket.create_server(("127.0.0.1", int(at)))
    sys.stdout.write(f"{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    while True:
        client, _ = listening.accept()
        server = socket.create_connection((host, int(port)))
        for pair in ((client, server), (server, client)):
            threading.Thread(target=_pump, args=pair, daemon=True).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
