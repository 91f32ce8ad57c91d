"""`flowc run` as a warm process whose workers are warm ones too: what is started is theirs, but not how.

`tests.warmdaemon daemon SOCKET ARGUMENTS…` is `flowc ARGUMENTS…`; `tests.warmdaemon worker` is one of its workers.
"""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from flowc.service.daemon import process
from tests import warm

NAME = "tests.warmdaemon"


@dataclass(kw_only=True)
class Worker(warm.Process):
    """A worker process with its pipes."""

    stdin: IO[bytes]
    stdout: IO[bytes]


def started(server: str) -> Worker:
    """A worker that waits for its jobs."""
    (taken, stdin), (stdout, given) = os.pipe(), os.pipe()
    try:
        made = warm.begin(server, NAME, ["worker"], (taken, given, 2), cwd=Path.cwd(), env=os.environ)
    finally:
        os.close(taken)
        os.close(given)
    return Worker(**vars(made), stdin=open(stdin, "wb"), stdout=open(stdout, "rb"))


def main(what: str, arguments: Sequence[str]) -> None:
    """Runs a daemon or a worker in this process."""
    if what == "worker":
        os.setsid()
        del sys.path[0]  # as `-P` has it
        runpy.run_module("flowc.service.daemon.host", run_name="__main__", alter_sys=True)
        return
    server, *words = arguments
    process._started = partial(started, server)
    sys.argv = ["flowc", *words]
    runpy.run_module("flowc", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
