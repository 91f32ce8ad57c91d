"""Whatever answers in place of Vault, it is told in words, in time, and with the other references."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from flowc.errors import FlowcError
from flowc.service.access import vaults
from flowc.service.access.secrets import Resolver
from tests.answering import HEAD, answering, drip, drip_body, pour
from tests.commands import Inside


def at(address: str) -> dict[str, str]:
    return {"VAULT_ADDR": address, "VAULT_TOKEN": "t0ken"}


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
    with answering(lambda client: client.sendall(answer)) as vault, pytest.raises(FlowcError) as failure:
        Resolver(at(vault), tmp_path).resolve("${vault:kv/shop#pw}")
    assert failure.value.code == code


def test_a_path_may_have_spaces(tmp_path: Path) -> None:
    found = json.dumps({"data": {"pw": "hunter2"}}).encode()
    with answering(lambda client: client.sendall(HEAD + found)) as vault:
        assert Resolver(at(vault), tmp_path).resolve("${vault:kv/my shop#pw}") == "hunter2"


@pytest.mark.parametrize("answer", [drip, drip_body, pour])
def test_an_answer_ends_in_time_and_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Callable[[socket.socket], object]
) -> None:
    monkeypatch.setattr(vaults, "_TIMEOUT", 0.5)
    begun = time.monotonic()
    with answering(answer) as vault, pytest.raises(FlowcError) as failure:
        Resolver(at(vault), tmp_path).resolve("${vault:kv/shop#pw}")
    assert failure.value.code == "secret-store-unreachable"
    assert time.monotonic() - begun < 5


def test_the_other_references_are_told_too(tmp_path: Path) -> None:
    folder = Inside(tmp_path)
    url = "postgres://u:${vault:kv/shop#pw}@h/${env:DATABASE}"
    folder.write("specs/s.yaml", f'connections: {{ db: {{ kind: postgres, url: "{url}" }} }}\n')
    with answering(lambda client: client.sendall(b"hello\r\n\r\n")) as vault:
        folder.env |= {**at(vault), "DATABASE": "shop"}
        done = folder.flowc("secrets", "test")
    assert done.code == 1
    assert "secret-store-unreachable" in done.err
    assert "${env:DATABASE}  resolves" in done.out
