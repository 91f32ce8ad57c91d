"""`flowc` as a warm process whose workers and runs are warm ones too: what is started is theirs, but not how.

`tests.warmflowc flowc SOCKET ARGUMENTS…` is `flowc ARGUMENTS…`, or another module that runs it within;
`tests.warmflowc worker` is one of its workers, and `tests.warmflowc run MODULE ARGUMENTS…` a run of its scheduler.
"""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import IO

from flowc.service.daemon import process
from flowc.service.runs import executors
from tests import warm

NAME = "tests.warmflowc"
FAMILY = "TESTS_FAMILY"
"""The variable of a file that runs are listed in, as they are no children of what begins them."""


@dataclass(kw_only=True)
class Worker(warm.Process):
    """A worker process with its pipes."""

    stdin: IO[bytes]
    stdout: IO[bytes]


@dataclass(kw_only=True)
class Run(Worker):
    """A run that a scheduler began."""

    def wait(self, timeout: float | None = None) -> int:
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(NAME, timeout or 0.0)
        return code


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


def begin(
    arguments: Sequence[str], files: Sequence[int], *, cwd: Path, env: Mapping[str, str], module: str = "flowc"
) -> warm.Process:
    """`flowc`, or another module, with these files as its input, output and errors."""
    server = warm.server()
    return warm.begin(server, NAME, (module, server, *arguments), files, cwd=cwd, env=env)


def worker(command: Sequence[str], *, stderr: int, cwd: Path, env: Mapping[str, str]) -> Worker:
    """Another module with such pipes."""
    return _piped(warm.server(), command[0], command[1:], cwd, env, stderr)


def waiting(server: str | None = None) -> Worker:
    """A worker that waits for its jobs."""
    return _piped(server or warm.server(), NAME, ("worker",), Path.cwd(), os.environ)


def _piped(
    server: str, module: str, words: Sequence[str], cwd: Path, env: Mapping[str, str], stderr: int = 2
) -> Worker:
    (taken, stdin), (stdout, given) = os.pipe(), os.pipe()
    with open(taken, "rb"), open(given, "wb"):
        made = warm.begin(server, module, words, (taken, given, stderr), cwd=cwd, env=env)
    return Worker(**vars(made), stdin=open(stdin, "wb"), stdout=open(stdout, "rb"))


def runs(server: str | None = None) -> SimpleNamespace:
    """What stands for `subprocess` where schedulers start runs on this machine."""
    names = ("PIPE", "STDOUT")
    return SimpleNamespace(Popen=partial(_run, server), **{name: getattr(subprocess, name) for name in names})


def _run(
    server: str | None,
    command: Sequence[str],
    *,
    cwd: str,
    env: Mapping[str, str],
    pass_fds: Sequence[int],
    **_: object,
) -> Run:
    """A run with its pipes, of which one goes where it reports."""
    assert list(command[1:3]) == ["-P", "-m"]
    (taken, stdin), (stdout, given) = os.pipe(), os.pipe()
    with open(taken, "rb"), open(given, "wb"):
        words, files = ("run", *command[3:]), (taken, given, given, *pass_fds)
        told = {**env, executors.REPORT_VARIABLE: str(warm.MORE)}
        made = warm.begin(server or warm.server(), NAME, words, files, cwd=Path(cwd).resolve(), env=told)
    if FAMILY in env:
        with open(env[FAMILY], "a") as family:
            family.write(f"{made.pid}\n")
    return Run(**vars(made), stdin=open(stdin, "wb"), stdout=open(stdout, "rb"))


def main(what: str, arguments: Sequence[str]) -> None:
    """Runs a module, a worker or a run in this process."""
    if what in ("worker", "run"):
        os.setsid()
        del sys.path[0]  # as `-P` has it
        module, *words = arguments if what == "run" else ("flowc.service.daemon.host", *arguments)
        sys.argv = ["flowc", *words]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        return
    server, *words = arguments
    process._started = partial(waiting, server)
    executors.subprocess = runs(server)  # type: ignore[assignment]
    sys.argv = [what, *words]
    runpy.run_module(what, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
