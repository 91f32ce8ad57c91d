"""A site that is served from this process, and a plain client of it, which keeps cookies and sends forms."""

from __future__ import annotations

import http.client
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from flowc.cli.opened import open_project
from flowc.cli.serving import WebOptions, serving
from flowc.web.daemons import Status
from tests.commands import Inside
from tests.waiting import PATIENCE

VIEWER, OPERATOR, ADMIN = "viewer-0123456789", "operator-0123456789", "admin-0123456789abc"
TOKENS = f"viewer: {VIEWER}, operator: {OPERATOR}\nadmin: {ADMIN}"
SPEC = """
project: shop
connections: { db: { kind: sqlite, path: shop.db } }
tables:
  a: { connection: db, columns: { n: bigint primary key } }
  b: { connection: db, columns: { n: bigint } }
pipelines:
  up:
    { from: db, sql: "SELECT 1 AS n", to: a, mode: merge, schedule: "0 * * * *", description: "All <b>numbers</b>",
      expect: [{ not_null: [n] }] }
  down: { from: db, sql: SELECT n FROM a, to: b, mode: truncate }
  bad: { from: db, sql: SELECT n FROM gone, to: b, mode: append }
"""


@dataclass
class Answer:
    """What was answered."""

    status: int
    text: str
    headers: http.client.HTTPMessage

    @property
    def place(self) -> str | None:
        return self.headers["Location"]


@dataclass
class Browser:
    """Keeps its cookies, and what makes its forms its own."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)
    csrf: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def send(self, method: str, path: str, body: str | None = None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        sent = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())} if self.cookies else {}
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, {**sent, **self.headers, **given})
        got = connection.getresponse()
        answer = Answer(got.status, got.read().decode(), got.headers)
        connection.close()
        for cookie in got.headers.get_all("Set-Cookie", ()):
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        found = re.search(r'name="csrf" value="(\w+)"', answer.text)
        self.csrf = found[1] if found else self.csrf
        return answer

    def get(self, path: str, **headers: str) -> Answer:
        return self.send("GET", path, **headers)

    def post(self, path: str, headers: dict[str, str] | None = None, **form: str) -> Answer:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.send("POST", path, urlencode({"csrf": self.csrf, **form}), **kind | (headers or {}))

    def sign_in(self, token: str) -> Answer:
        self.get("/sign-in")
        done = self.post("/sign-in", token=token)
        if done.status == 303:
            self.get("/")
        return done


@contextmanager
def site(
    folder: Inside, tokens: str | None = TOKENS, statuses: Sequence[Status] = (), **more: Any
) -> Iterator[Browser]:
    """The project of a folder, served for as long as the context."""
    with chdir(folder.path):
        opened = open_project([Path("specs")], None, "nothing is served")
        options = WebOptions("127.0.0.1:0", tokens=tokens, **more)
        with serving(opened, [folder.path / "specs"], None, options, statuses=statuses) as server:
            yield Browser(server.port)


def raw(port: int, *parts: bytes, until_closed: bool = False) -> bytes:
    """What is answered to bytes that no browser would send."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
        for part in parts:
            client.sendall(part)
        found = b""
        while piece := client.recv(1 << 16):
            found += piece
            if not until_closed and b"\r\n\r\n" in found:
                break
        return found
