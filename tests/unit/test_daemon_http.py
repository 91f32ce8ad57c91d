"""The small HTTP server of the daemon: where it listens, whom it answers, and what it says of clients that go away."""

from __future__ import annotations

import socket
import struct
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection

import pytest

from flowc.service.daemon import http
from flowc.service.daemon.http import Page, serve
from tests.waiting import until

TOLD: list[str] = []


def broken() -> Page:
    raise ZeroDivisionError("by design")


PAGES = {"/healthz": lambda: Page("ok\n"), "/long": lambda: Page("x" * 50_000_000), "/broken": broken}


@pytest.fixture(params=["127.0.0.1", "[::1]", "localhost"])
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    TOLD.clear()
    server = serve(f"{request.param}:0", PAGES, TOLD.append)
    yield f"{request.param}:{server.server_port}"
    server.shutdown()
    server.server_close()


def answered(address: str) -> bool:
    with urllib.request.urlopen(f"http://{address}/healthz", timeout=10) as answer:
        return bool(answer.read() == b"ok\n")


def connected(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)), 10)


def test_it_listens_at_any_address(address: str) -> None:
    assert answered(address)


def status_of(address: str, *hosts: str) -> int:
    """The status of an answer to a request with these `Host` headers."""
    connection = HTTPConnection(address)
    connection.putrequest("GET", "/healthz", skip_host=True)
    for host in hosts:
        connection.putheader("Host", host)
    connection.endheaders()
    with closing(connection):
        return connection.getresponse().status


def test_a_request_that_names_another_host_is_refused() -> None:
    server = serve("127.0.0.1:0", PAGES, TOLD.append, hosts=frozenset({"flowc.prod"}))
    address = f"127.0.0.1:{server.server_port}"
    for host in ("localhost", address, "[::1]:9464", "10.0.0.7", "FLOWC.prod.:9464"):
        assert status_of(address, host) == 200, host
    for host in ("evil.example", "flowc.prod.evil.example", "127.0.0.1.evil.example", "a b", ""):
        assert status_of(address, host) == 421, host
    assert status_of(address) == 200  # no browser leaves it out
    assert status_of(address, "localhost", "evil.example") == 421
    server.shutdown()
    server.server_close()


def test_clients_that_go_away_are_no_news(address: str, capfd: pytest.CaptureFixture[str]) -> None:
    for path in ("/long", "/healthz"):
        client = connected(address)
        client.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()  # a reset
    assert answered(address)
    assert (TOLD, capfd.readouterr()) == ([], ("", ""))


def test_a_page_that_cannot_be_made_is_told(address: str, capfd: pytest.CaptureFixture[str]) -> None:
    with connected(address) as client:
        client.sendall(b"GET /broken HTTP/1.0\r\n\r\n")
        assert client.recv(100) == b""
    until(lambda: bool(TOLD))
    assert "by design" in TOLD[0]
    assert capfd.readouterr() == ("", "")


def test_clients_that_wait_do_not_pile_up_and_shut_nobody_out(address: str) -> None:
    before = threading.active_count()
    idle = [connected(address) for _ in range(http._MOST * 3)]
    assert threading.active_count() - before <= http._MOST
    began = time.monotonic()
    assert answered(address)
    assert time.monotonic() - began < http._ASKING / 2
    for client in idle:
        assert client.recv(1) == b""
        client.close()
    assert time.monotonic() - began < http._ASKING + 2
    until(lambda: threading.active_count() == before)


def test_clients_that_do_not_read_their_answers_shut_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_MOST", 2)
    server = serve("127.0.0.1:0", PAGES, TOLD.append)
    address = f"127.0.0.1:{server.server_port}"
    readers = [connected(address) for _ in range(http._MOST)]
    try:
        for client in readers:
            client.sendall(b"GET /long HTTP/1.0\r\n\r\n")
            assert client.recv(1)
        assert answered(address)
    finally:
        for client in readers:
            client.close()
        server.shutdown()
        server.server_close()


def test_clients_that_drip_and_come_again_shut_nobody_out(address: str) -> None:
    ended = threading.Event()

    def drip() -> None:
        client = connected(address)
        while not ended.wait(0.2):
            try:
                client.sendall(b"G")
            except OSError:
                client = connected(address)
        client.close()

    drips = [threading.Thread(target=drip) for _ in range(http._MOST + 8)]
    for each in drips:
        each.start()
    time.sleep(http._ASKING / 4)
    try:
        times = [_seconds(address) for _ in range(10)]
    finally:
        ended.set()
        for each in drips:
            each.join()
    assert max(times) < http._ASKING / 2


def test_a_client_that_drips_is_hung_up_on(address: str) -> None:
    with connected(address) as client:
        client.settimeout(0.1)
        began = time.monotonic()
        while True:
            try:
                client.sendall(b"G")
                if client.recv(1) == b"":
                    break
            except TimeoutError:
                assert time.monotonic() - began < http._ASKING + 2
            except OSError:
                break
    assert time.monotonic() - began >= http._ASKING / 2


def _seconds(address: str) -> float:
    began = time.monotonic()
    assert answered(address)
    time.sleep(0.1)
    return time.monotonic() - began
