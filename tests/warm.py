"""Modules as processes of their own, as `python -m` runs them, without what takes longest: importing all libraries.

One process of this module has imported them, and done little else. It listens at a socket in a folder of its own; for
each module that is to run it splits off a copy of itself, and ends with who started it.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import io
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

from tests import keptfiles
from tests.warmclient import NUMBER, asked, heard

_KINDS = ("duckdb", "postgres", "mysql", "sqlite")
LIBRARIES = (
    *(f"flowc.cli.{name}" for name in ("main", "opened", "run", "plan", "apply", "lint", "streams", "status", "test")),
    "flowc.service.streams.run", "flowc.service.daemon.supervisor", "flowc.service.daemon.worker",
    *(f"flowc.service.testing.{name}" for name in ("run", "streams", "pipelines")),
    *(f"flowc.service.checking.{name}" for name in ("datafusion", "duckdb", "postgres", "sqlite", "places")),
    *(f"flowc.runtime.systems.{name}" for name in (*_KINDS, "delta", "kafka", "files")),
    *(f"sqlglot.dialects.{name}" for name in _KINDS), "flowc.runtime.interrupts", "pgparse",
    "sqlglot.optimizer", "datafusion", "duckdb", "deltalake", "confluent_kafka", "psycopg", "pgpq", "pymysql",
    "adbc_driver_postgresql.dbapi", "pyarrow.parquet", "pyarrow.dataset", "jinja2", "jsonschema", "jsonschema_rs",
    "rich.console",
)  # fmt: skip
"""Also those that few commands need; which command imports what is for `test_runtime_lean`."""
ROOT = Path(__file__).resolve().parent.parent
MORE = 100
"""The number of the file that comes behind input, output and errors, which nothing else has."""
_TO_WARM = """\
#!{python} -SE
import os, sys
sys.path.insert(0, {root!r})
from tests.warmclient import asked, heard
talk = asked({server!r}, "flowc", sys.argv[1:], (0, 1, 2), os.getcwd(), os.environ)
heard(talk)
sys.exit(heard(talk))
"""


@dataclass
class Process:
    """A module that runs, to be handled like a `Popen`. What signals go to is itself, and not who waits for it."""

    pid: int
    _talk: socket.socket
    returncode: int | None = None

    def send_signal(self, number: int) -> None:
        """Sends a signal, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Asks it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it at once."""
        self.send_signal(signal.SIGKILL)

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._ended(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code. Raises TimeoutError when it takes too long, and kills it."""
        code = self._ended(timeout)
        if code is None:
            self.kill()
            raise TimeoutError
        return code

    def _ended(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._talk], [], [], timeout)[0]:
            with self._talk:
                self.returncode = heard(self._talk)
        return self.returncode


def run(
    module: str, *arguments: str, cwd: Path, env: Mapping[str, str], timeout: float = 300.0
) -> subprocess.CompletedProcess[str]:
    """What a module did as a process: its code, and what it printed."""
    with open(os.devnull) as nothing, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        files = (nothing.fileno(), out.fileno(), err.fileno())
        code = begin(server(), module, arguments, files, cwd=cwd, env=env).wait(timeout)
        return subprocess.CompletedProcess([module, *arguments], code, _text(out), _text(err))


def start(module: str, *arguments: str, cwd: Path, env: Mapping[str, str]) -> Process:
    """A module as a process whose words nobody reads."""
    with open(os.devnull, "r+") as nothing:
        return begin(server(), module, arguments, [nothing.fileno()] * 3, cwd=cwd, env=env)


def begin(
    server: str, module: str, arguments: Sequence[str], files: Sequence[int], *, cwd: Path, env: Mapping[str, str]
) -> Process:
    """A module as a process with these files as its input, output and errors, and one more as `MORE`."""
    keptfiles.release()
    talk = asked(server, module, arguments, files, str(cwd), env)
    return Process(heard(talk), talk)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


@cache
def commands() -> Path:
    """A folder for the PATH of shells, whose `flowc` runs so. A signal to that ends the waiting alone."""
    where = server()
    command = Path(where).parent / "flowc"
    command.write_text(_TO_WARM.format(python=sys.executable, root=str(ROOT), server=where), "utf-8")
    command.chmod(0o755)
    return command.parent


@cache
def server(**environment: str) -> str:
    """Where the process listens that has imported everything; it is started by the first who asks.

    The environment holds what Python reads only when it starts.
    """
    folder = tempfile.TemporaryDirectory(prefix="flowc-warm-")
    where = f"{folder.name}/socket"
    command, env = [sys.executable, "-m", "tests.warm", where], {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == b"ready\n"
    atexit.register(folder.cleanup)
    atexit.register(process.stdin.close)
    return where


def main(where: str) -> None:
    """Imports, listens, and splits off, until standard input ends."""
    importlib.import_module("flowc.runtime.lean").without_pandas()
    for library in LIBRARIES:
        importlib.import_module(library)
    importlib.import_module("flowc.compiler.front.schemas").validator()  # no more than files that are read
    gc.collect()
    gc.freeze()  # what is shared is not touched by those who look for garbage
    gc.set_threshold(50_000, 20, 50)  # and that is seldom: these processes are short
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(where)
    listening.listen(64)
    ended, end = socket.socketpair()
    end.setblocking(False)
    signal.set_wakeup_fd(end.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # that one has ended is told by `ended`
    os.write(1, b"ready\n")
    running: dict[int, socket.socket] = {}
    while 0 not in (ready := select.select([0, listening, ended], [], [])[0]):
        if ended in ready:
            ended.recv(4096)
            _tell(running)
        if listening in ready:
            talk, _ = listening.accept()
            _split_off(talk, running, (listening, ended, end))


def _tell(running: dict[int, socket.socket]) -> None:
    """Tells the exit codes of those that have ended."""
    while running and (found := os.waitpid(-1, os.WNOHANG))[0]:
        with running.pop(found[0]) as talk, suppress(OSError):  # who asked may be gone
            talk.sendall(NUMBER.pack(os.waitstatus_to_exitcode(found[1])))


def _split_off(talk: socket.socket, running: dict[int, socket.socket], own: Sequence[socket.socket]) -> None:
    """Runs one module in a process of its own, and tells its number."""
    process = os.fork()
    if process == 0:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for each in (*own, *running.values()):
            each.close()
        _become(_wanted(talk))
    running[process] = talk
    with suppress(OSError):
        talk.sendall(NUMBER.pack(process))


def _wanted(talk: socket.socket) -> Mapping[str, Any]:
    """What is to run, with its files in their places."""
    _, files, _, _ = socket.recv_fds(talk, 1, 4)
    for number, file in zip((0, 1, 2, MORE), files, strict=False):
        os.dup2(file, number)
        os.close(file)
    with talk, talk.makefile() as told:
        wanted: Mapping[str, Any] = json.loads(told.readline())
        return wanted


def _become(wanted: Mapping[str, Any]) -> None:
    """Runs the module as the main one, and ends as Python would. Does not return."""
    os.environ.clear()
    os.environ.update(wanted["env"])
    os.chdir(wanted["cwd"])
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts in the background ignores it
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    buffering = 0 if "PYTHONUNBUFFERED" in wanted["env"] else -1
    sys.stdout = io.TextIOWrapper(os.fdopen(1, "wb", buffering, closefd=False), "utf-8", write_through=not buffering)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)
    sys.argv = [wanted["module"], *wanted["arguments"]]
    sys.path[0] = wanted["cwd"]
    os._exit(_code(wanted["module"]))


def _code(module: str) -> int:
    """Runs it to its end. Taking down all that was imported, as Python does, would take longer than many a command."""
    code: object = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return code if isinstance(code, int) else int(code is not None)


if __name__ == "__main__":
    main(sys.argv[1])
