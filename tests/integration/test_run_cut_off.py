"""Runs whose disk is full, or whose server is gone at COMMIT: the target is as it was, and the next run is right."""

from __future__ import annotations

import shlex
import socket
import subprocess
import threading
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from tests.commands import Folder, Inside
from tests.extended import with_extended
from tests.stores import Store
from tests.waiting import PATIENCE

ROWS = 20_000
SPEC = """
connections:
  inbox: {{ kind: files, uri: data, format: csv }}
  store: {store}
pipelines:
  piled: {{ from: {{ connection: inbox, path: rows.csv }}, to: {{ connection: store, table: piled }}, mode: {mode} }}
"""
APPEND = "append, incremental: { column: id }"


def write(project: Folder, store: str, mode: str, rows: range) -> None:
    project.write("specs/p.yaml", SPEC.format(store=store, mode=mode))
    project.write("data/rows.csv", "id,v\n" + "".join(f"{n},value {n}\n" for n in rows))


@pytest.mark.parametrize(
    ("kind", "mode"),
    with_extended([("sqlite", APPEND), ("duckdb", "truncate")], [("sqlite", "truncate"), ("duckdb", APPEND)]),
)
def test_a_full_disk_leaves_the_target_as_it_was(tmp_path, kind, mode):
    """The limit on the size of files stands for a disk that ends."""
    project, store = Folder(tmp_path), Store(kind, tmp_path)
    write(project, store.connection, mode, range(10))
    assert project.flowc("run", "--once").code == 0
    before = store.rows("SELECT * FROM piled")
    write(project, store.connection, mode, range(ROWS * 10))
    command = f"ulimit -f 1024; exec {shlex.join(project.command('run', '--once'))}"
    cut = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env=project.environment(), capture_output=True, text=True, check=False
    )
    assert (cut.returncode, "Traceback" in cut.stderr, "error[internal]" in cut.stderr) == (1, False, False), cut.stderr
    assert "error[connection-failed]" in cut.stderr
    assert f"store.{kind}`: " in cut.stderr
    assert {"sqlite": "help: check its disk", "duckdb": "help: make room on its disk"}[kind] in cut.stderr
    assert store.rows("SELECT * FROM piled") == before
    assert project.flowc("run", "--once").code == 0
    assert store.rows("SELECT count(*), count(DISTINCT id) FROM piled") == [(ROWS * 10, ROWS * 10)]


class Proxy:
    """Hands everything on to a server, until the COMMIT of that number: that is cut, before or after it arrives."""

    def __init__(self, host: str, port: int, number: int, *, arrives: bool) -> None:
        self.server, self.left, self.arrives, self.cut = (host, port), number, arrives, False
        self._answered, self._ended = threading.Event(), threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Leaves; what was cut off is over then."""
        self._listening.close()
        assert not self.cut or self._ended.wait(PATIENCE)

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(self.server)
                for way in ((client, server, True), (server, client, False)):
                    threading.Thread(target=self._pump, args=way, daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, asks: bool) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if asks and data[:1] == b"Q" and b"COMMIT" in data:
                    self.left -= 1
                    if self.left == 0:
                        self._end(source, target, data)
                        return
                if self.cut and not asks:
                    self._answered.set()
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _end(self, client: socket.socket, server: socket.socket, data: bytes) -> None:
        self.cut = True
        client.shutdown(socket.SHUT_RDWR)
        if self.arrives:
            server.sendall(data)
            assert self._answered.wait(PATIENCE)  # it is carried out, and nobody hears of it
        with suppress(OSError):  # who could not hand on the answer may have ended it already
            server.shutdown(socket.SHUT_RDWR)
        self._ended.set()


@pytest.mark.covering
@pytest.mark.parametrize("mode", ["truncate", APPEND, "merge, keys: [id]"])
@pytest.mark.parametrize("arrives", [False, True])
def test_a_connection_that_ends_at_commit_loses_and_repeats_nothing(postgres, tmp_path, arrives, mode):
    # In a process of its own: the driver waits for its server without letting other threads run.
    project, store = Folder(tmp_path), Store("postgres", tmp_path, postgres)
    address, cuts = urlsplit(postgres), 0
    for number in range(1, 20):
        proxy = Proxy(address.hostname or "", address.port or 5432, number, arrives=arrives)
        through = postgres.replace(f"{address.hostname}:{address.port}", f"127.0.0.1:{proxy.port}")
        rows = range(100 * number)
        write(project, f'{{ kind: postgres, url: "{through}" }}', mode, rows)
        done = project.flowc("run", "--once")
        proxy.close()
        assert done.code in ((0, 1) if proxy.cut else (0,)), done.err
        assert "Traceback" not in done.err
        write(project, store.connection, mode, rows)
        again = Inside(tmp_path).flowc("run", "--once")
        assert again.code == 0, again.err
        held = store.raw("SELECT count(*), count(DISTINCT id), max(id) FROM piled")
        assert held == [(len(rows), len(rows), len(rows) - 1)], (number, done.err)
        if not proxy.cut:
            break
        cuts += 1
    assert cuts
    assert not proxy.cut
