"""`flowc` as a warm process whose workers are warm ones too: what is started is theirs, but not how.

`tests.warmflowc flowc SOCKET ARGUMENTS…` is `flowc ARGUMENTS…`, or another module that runs it within;
`tests.warmflowc worker` is one of its workers.
"""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from flowc.service.daemon import process
from tests import warm

NAME = "tests.warmflowc"


@dataclass(kw_only=True)
class Worker(warm.Process):
    """A worker process with its pipes."""

    stdin: IO[bytes]
    stdout: IO[bytes]


@dataclass(kw_only=True)
class Command(warm.Process):
    """A command whose words are read while it runs, or when it has ended."""

    stdout: IO[str]
    stderr: IO[str]

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """What it printed, when it has ended. Raises TimeoutError when it takes too long, and kills it."""
        with ThreadPoolExecutor(2) as pool, self.stdout, self.stderr:
            out, err = pool.submit(self.stdout.read), pool.submit(self.stderr.read)
            self.wait(timeout)
            return out.result(), err.result()


def start(*arguments: str, cwd: Path, env: Mapping[str, str]) -> Command:
    """`flowc` with pipes that hold what it prints."""
    (out, printed), (err, told) = os.pipe(), os.pipe()
    with open(os.devnull) as nothing, open(printed, "wb"), open(told, "wb"):
        made = begin(arguments, (nothing.fileno(), printed, told), cwd=cwd, env=env)
    return Command(**vars(made), stdout=open(out, encoding="utf-8"), stderr=open(err, encoding="utf-8"))


def begin(arguments: Sequence[str], files: Sequence[int], *, cwd: Path, env: Mapping[str, str]) -> warm.Process:
    """`flowc` with these files as its input, output and errors."""
    server = warm.server()
    return warm.begin(server, NAME, ("flowc", server, *arguments), files, cwd=cwd, env=env)


def _worker(server: str) -> Worker:
    """A worker that waits for its jobs."""
    (taken, stdin), (stdout, given) = os.pipe(), os.pipe()
    with open(taken, "rb"), open(given, "wb"):
        made = warm.begin(server, NAME, ("worker",), (taken, given, 2), cwd=Path.cwd(), env=os.environ)
    return Worker(**vars(made), stdin=open(stdin, "wb"), stdout=open(stdout, "rb"))


def main(what: str, arguments: Sequence[str]) -> None:
    """Runs a module or a worker in this process."""
    if what == "worker":
        os.setsid()
        del sys.path[0]  # as `-P` has it
        runpy.run_module("flowc.service.daemon.host", run_name="__main__", alter_sys=True)
        return
    server, *words = arguments
    process._started = partial(_worker, server)
    sys.argv = [what, *words]
    runpy.run_module(what, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
