"""Whatever answers in place of Vault, it is told in words, in time, and with the other references."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from flowc.errors import FlowcError
from flowc.service.access import vaults
from flowc.service.access.secrets import Resolver
from tests.commands import Inside

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


@contextmanager
def answering(answer: Callable[[socket.socket], object]) -> Iterator[dict[str, str]]:
    """The environment of a Vault that answers so."""

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
        yield {"VAULT_ADDR": f"http://127.0.0.1:{server.getsockname()[1]}", "VAULT_TOKEN": "t0ken"}


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"hello there\r\n\r\n", "secret-store-unreachable"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", "secret-store-unreachable"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n{", "secret-store-unreachable"),
        (HEAD + b'{"data":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "secret-store-unreachable"),
        (HEAD + b"[]", "unreadable-secret"), (HEAD + b"5", "unreadable-secret"),
        (HEAD + b'{"data": "x"}', "unreadable-secret"), (HEAD + b'{"data": {"pw": null}}', "unreadable-secret"),
        (HEAD + b'{"data": {"pw": {}}}', "unreadable-secret"),
    ],
)  # fmt: skip
def test_an_answer_that_is_none_of_vault(tmp_path: Path, answer: bytes, code: str) -> None:
    with answering(lambda client: client.sendall(answer)) as env, pytest.raises(FlowcError) as failure:
        Resolver(env, tmp_path).resolve("${vault:kv/shop#pw}")
    assert failure.value.code == code


def test_a_path_may_have_spaces(tmp_path: Path) -> None:
    found = json.dumps({"data": {"pw": "hunter2"}}).encode()
    with answering(lambda client: client.sendall(HEAD + found)) as env:
        assert Resolver(env, tmp_path).resolve("${vault:kv/my shop#pw}") == "hunter2"


def drip(client: socket.socket) -> None:
    for _ in range(200):
        client.sendall(b"H")
        time.sleep(0.1)


def pour(client: socket.socket) -> None:
    client.sendall(HEAD)
    while True:
        client.sendall(b" " * 65536)


@pytest.mark.parametrize("answer", [drip, lambda client: client.sendall(HEAD) or drip(client), pour])
def test_an_answer_ends_in_time_and_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Callable[[socket.socket], object]
) -> None:
    monkeypatch.setattr(vaults, "_TIMEOUT", 0.5)
    begun = time.monotonic()
    with answering(answer) as env, pytest.raises(FlowcError) as failure:
        Resolver(env, tmp_path).resolve("${vault:kv/shop#pw}")
    assert failure.value.code == "secret-store-unreachable"
    assert time.monotonic() - begun < 5


def test_the_other_references_are_told_too(tmp_path: Path) -> None:
    folder = Inside(tmp_path)
    url = "postgres://u:${vault:kv/shop#pw}@h/${env:DATABASE}"
    folder.write("specs/s.yaml", f'connections: {{ db: {{ kind: postgres, url: "{url}" }} }}\n')
    with answering(lambda client: client.sendall(b"hello\r\n\r\n")) as env:
        folder.env |= {**env, "DATABASE": "shop"}
        done = folder.flowc("secrets", "test")
    assert done.code == 1
    assert "secret-store-unreachable" in done.err
    assert "${env:DATABASE}  resolves" in done.out
