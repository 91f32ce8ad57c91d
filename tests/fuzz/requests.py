"""Requests to the daemon's HTTP server that nobody should send: it answers or hangs up, and goes on."""

# ruff: noqa: E501 -- a table of cases reads best with one case in a line

from __future__ import annotations

import socket
from contextlib import suppress
from functools import cache
from http.server import ThreadingHTTPServer

from flowc.service.daemon.http import Page, serve
from tests.fuzz.mutant import Chance, Mutant
from tests.fuzz.names import NAMES
from tests.fuzz.rules import Observed
from tests.fuzz.texts import changed

_METHODS = ("GET", "GET", "GET", "HEAD", "POST", "PUT", "OPTIONS", "get", "", "G" * 9000, "PRI *")
_PATHS = (
    "/healthz",
    "/metrics?a=b",
    "/",
    "*",
    "/../etc/passwd",
    "/%2e%2e/%00",
    "//h/healthz",
    "http://h/healthz",
    "/" + "a" * 70_000,
    "",
)
_VERSIONS = (
    "HTTP/1.1",
    "HTTP/1.0",
    "HTTP/0.9",
    "HTTP/2.0",
    "HTTP/9" + "9" * 20,
    "HTTP/1.-1",
    "HTTP/1.1.1",
    "http/1.1",
    "",
    "HTTP/\u0661.1",
)
_HEADERS = ("Host: h", "Connection: keep-alive", "Expect: 100-continue", "Content-Length: -1", "Content-Length: 99999", "Transfer-Encoding: chunked", "Upgrade: h2c",
            ": a", "a", " a: b", "a:" + "b" * 70_000, "a\x00: b", "\u00e9: \u00e9", "Cookie: \x1b[31m")  # fmt: skip
PAGES = {"/healthz": lambda: Page("ok\n"), "/metrics": lambda: Page("flowc_rows_total 1\n")}
TOLD: list[str] = []


def mutant(chance: Chance) -> Mutant:
    """The bytes of a request, or of a few one after the other."""
    return Mutant({"request": b"".join(_request(chance) for _ in range(chance.choice([1, 1, 3])))}, demands=answered)


def _request(chance: Chance) -> bytes:
    headers = chance.choices(_HEADERS, k=chance.choice([0, 1, 3, 120]))
    path = chance.choice((*_PATHS, f"/{chance.choice(NAMES)}"))
    end = chance.choice(["\r\n", "\r\n", "\n"])
    line = f"{chance.choice(_METHODS)} {path} {chance.choice(_VERSIONS)}"
    request = end.join([line, *headers, "", chance.choice(["", "body"])]).encode("utf-8", "surrogatepass")
    return changed(request, chance) if chance.random() < 0.5 else request


@cache
def _server() -> ThreadingHTTPServer:
    return serve("127.0.0.1:0", PAGES, TOLD.append)


def answered(project: Observed, mutant: Mutant, chance: Chance) -> None:
    """What comes back is an answer or nothing, acts on nobody, and the next client has an answer."""
    TOLD.clear()
    shown = _sent(mutant.files["request"])
    project.check_shown(shown.decode("utf-8", "replace").replace("\r\n", "\n"), ("http",))
    if (after := _sent(b"GET /healthz HTTP/1.0\r\n\r\n")).rpartition(b"\r\n\r\n")[2] != b"ok\n":
        project.note("answer", ("http",), f"the next client has {after!r}")
    if TOLD:
        project.note("internal", ("http",), TOLD[0])


def _sent(request: bytes) -> bytes:
    """What the server answers until it hangs up; a reset is what a client gets that sends more than is read."""
    found = b""
    with socket.create_connection(_server().server_address[:2], 10) as client, suppress(OSError):
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        while read := client.recv(1 << 16):
            found += read
    return found
