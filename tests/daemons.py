"""A running `flowc run` for tests: its HTTP pages, its workers, its end."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from tests import warm, warmflowc
from tests.commands import Folder
from tests.services.machine import free_port
from tests.waiting import PATIENCE, until


@dataclass
class Running:
    """A daemon that serves HTTP. What it says goes to the file `daemon.log` of its folder."""

    folder: Folder
    process: subprocess.Popen[bytes] | warm.Process
    address: str

    def page(self, path: str) -> tuple[int, str]:
        try:
            with urlopen(f"http://{self.address}{path}", timeout=PATIENCE) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()
        except (URLError, OSError):
            return 0, ""

    def workers(self) -> list[dict[str, Any]]:
        status, text = self.page("/status")
        return list(json.loads(text)["workers"]) if status == 200 else []

    def worker(self, stream: str) -> dict[str, Any]:
        return next((w for w in self.workers() if w["stream"] == stream), {"status": "unknown", "rows": -1})

    def until(self, true: Callable[[], object], seconds: float = PATIENCE) -> None:
        until(true, self.log, seconds)

    def log(self) -> str:
        return (self.folder.path / "daemon.log").read_text()

    def stop(self) -> int:
        """Its exit code. Of workers that take too long to end, its log tells."""
        self.process.terminate()
        return self.process.wait(PATIENCE)


@contextmanager
def daemon(folder: Folder, *arguments: str, cold: bool = False) -> Iterator[Running]:
    """`flowc run` with these arguments, for as long as the context.

    A `cold` one starts, and starts its workers, as users' do; others are split off from what has imported everything.
    """
    address = f"127.0.0.1:{free_port()}"
    words = ("run", "--http", address, *arguments)
    with (folder.path / "daemon.log").open("w") as log:
        running = Running(folder, (_cold if cold else _warm)(folder, words, log), address)
        try:
            yield running
            before, traceback, after = running.log().partition("Traceback")
            assert not traceback, before[-500:] + traceback + after[:4000]
        finally:
            running.process.kill()
            running.process.wait()


def _cold(folder: Folder, words: Sequence[str], log: IO[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(folder.command(*words), cwd=folder.path, env=folder.environment(), stderr=log)


def _warm(folder: Folder, words: Sequence[str], log: IO[str]) -> warm.Process:
    with open(os.devnull) as nothing:
        files = (nothing.fileno(), 1, log.fileno())
        return warmflowc.begin(words, files, cwd=folder.path, env=folder.environment())


def lives(pid: int) -> bool:
    """Whether there is such a process; one that has ended and nobody has asked after is none."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def metrics(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Prometheus' text format as values by name and labels; every line must be of that format."""
    found = {}
    for line in text.splitlines():
        if line.startswith("# "):
            assert line.split(" ")[1] in ("HELP", "TYPE")
            continue
        sample, _, value = line.rpartition(" ")
        name, _, inside = sample.partition("{")
        pairs = [pair.partition("=") for pair in inside.removesuffix("}").split(",") if pair]
        found[name, frozenset((key, value.strip('"')) for key, _, value in pairs)] = float(value)
    return found
