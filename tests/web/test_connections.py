"""Connections to the pages: many that say nothing, and requests of which two servers may see two ends."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from flowc.web import server
from tests.commands import Inside
from tests.web.browser import SPEC, Browser, raw, site

SMUGGLED = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
BOTH = b"Host: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    folder = Inside(tmp_path)
    folder.write("specs/s.yaml", SPEC)
    with site(folder) as found:
        yield found


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
@pytest.mark.parametrize("path", ["/sign-in", "/healthz", "/"])
def test_a_request_with_two_lengths_is_refused_and_nothing_behind_it_is_read(browser: Browser, method: str, path: str):
    answer = raw(browser.port, f"{method} {path} HTTP/1.1\r\n".encode() + BOTH + SMUGGLED, until_closed=True)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"connection: close" in answer.lower()
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    "said", [b"", b"GET / HT", b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nc"]
)
def test_clients_that_say_nothing_keep_no_place_from_others(browser: Browser, said: bytes):
    with ExitStack() as stack:
        for _ in range(server._MOST + 20):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", browser.port), timeout=20))
            client.sendall(said)
        assert {browser.get("/healthz").status for _ in range(5)} == {200}


def test_connections_that_were_answered_keep_no_place_from_others(browser: Browser):
    with ExitStack() as stack:
        for _ in range(server._MOST + 20):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", browser.port), timeout=20))
            client.sendall(SMUGGLED)
            assert client.recv(100).startswith(b"HTTP/1.1 200 ")
