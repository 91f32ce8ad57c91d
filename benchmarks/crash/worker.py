"""A worker of a stream in a process of its own that ends at a named point, at any moment, or by itself.

Workers are forked from a process that has loaded everything: a trial takes tenths of a second.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.crash.feeds import Item
from flowc.cli.main import run
from flowc.cli.opened import OpenProject, open_project
from flowc.service.streams.run import Pause, run_stream

_AGAIN = 40
_LIVING: set[int] = set()
"""Those that were started and not waited for."""
DONE, FAILED, BROKEN = 0, 3, 4
"""How a worker that nobody kills ends: well, with a diagnostic, or with a traceback."""


def _nothing() -> None:
    return


@dataclass(frozen=True)
class Job:
    """One run of a stream of a project folder, up to the end that its source has now."""

    folder: Path
    stream: str
    env: Mapping[str, str]
    point: str | None = None
    """Where the worker sends itself the signal `by`, the `count`th time that it stands there."""
    count: int = 1
    by: signal.Signals = signal.SIGKILL
    seen: Path | None = None
    """A file that the points go to, one on each line."""
    tune: Callable[[], None] = _nothing
    """Called before it begins."""
    drain: bool = False
    """Whether the end of the source lets out what operators hold."""

    @property
    def late(self) -> Path:
        """Where workers write how many rows they took for late ones."""
        return self.folder / "late"

    @property
    def log(self) -> Path:
        """Where workers write what went wrong."""
        return self.folder / "errors.txt"

    def start(self) -> int:
        """Starts it; the number of its process."""
        return _forked(self._run, self.log)

    def _run(self) -> int:
        os.chdir(self.folder)
        os.environ.update(self.env)
        self.tune()
        return self.work(open_project([Path("specs")], None, "nothing was run"))

    def work(self, opened: OpenProject) -> int:
        """What is done in the process; how it ends."""
        report = run_stream(opened.checked, opened.ir, self.stream, opened.sessions, self.reached(), drain=self.drain)
        if report.late:
            self.late.open("a").write(f"{report.late}\n")
        if report.error is not None:
            self.log.open("a").write(f"{report.error.code}: {report.error.message}\n")
        return FAILED if report.error else DONE

    def reached(self) -> Pause:
        """What the worker calls at each point."""
        times: Counter[str] = Counter()
        lock = threading.Lock()

        def reached(name: str) -> None:
            with lock:
                times[name] += 1
                if self.seen is not None:
                    with self.seen.open("a") as file:
                        file.write(f"{name}\n")
                if name == self.point and times[name] == self.count:
                    os.kill(os.getpid(), self.by)

        return reached


@dataclass(frozen=True)
class Steady(Job):
    """A run that begins again whenever another one has moved on, until it has caught up."""

    def work(self, opened: OpenProject) -> int:
        """Runs again and again."""
        for _ in range(_AGAIN):
            if (code := super().work(opened)) == DONE:
                return code
            time.sleep(0.05)
            opened = open_project([Path("specs")], None, "nothing was run")
        return FAILED


@dataclass(frozen=True)
class Command(Job):
    """A command of flowc, given by its words. What it says goes to the log."""

    words: tuple[str, ...] = ()

    def _run(self) -> int:
        os.chdir(self.folder)
        os.environ.update(self.env)
        self.tune()
        said = os.open(self.said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(said, 1)
        os.dup2(said, 2)
        code = run(list(self.words))
        sys.stdout.flush()
        sys.stderr.flush()
        return code

    @property
    def said(self) -> Path:
        """Where a command of these words says what it has to."""
        return self.folder / f"{self.words[0]}.txt"

    def done(self) -> tuple[int, str]:
        """Carries it out; how it ended, and what it said."""
        before = self.said.stat().st_size if self.said.exists() else 0
        code = ended(self.start())
        return code, self.said.read_bytes()[before:].decode()


def _forked(work: Callable[[], int], errors: Path) -> int:
    """Does work in a process of its own, which ends with its number; a traceback goes to a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    process = os.fork()
    if process == 0:
        code = BROKEN
        try:
            code = work()
        except BaseException:
            with errors.open("a") as file:
                file.write(traceback.format_exc())
        finally:
            os._exit(code)  # nothing of what called this may go on in two processes
    _LIVING.add(process)
    return process


def end_all() -> None:
    """Kills all that were started and not waited for."""
    for process in tuple(_LIVING):
        _LIVING.discard(process)
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)


def asked(question: Callable[[], Sequence[Item]]) -> list[Item]:
    """The answer to a question, from a process of its own: some clients do not work in forks of who has used them."""
    with tempfile.TemporaryDirectory(prefix="flowc-crash-answer-") as folder:
        answer, errors = Path(folder) / "answer.json", Path(folder) / "errors.txt"

        def work() -> int:
            answer.write_text(json.dumps(question()))
            return DONE

        if ended(_forked(work, errors)) != DONE:
            raise RuntimeError(errors.read_text())
        found: list[Item] = json.loads(answer.read_text())
        return found


def ended(process: int, seconds: float = 180.0, *, kill: bool = True) -> int:
    """Waits for a worker; its exit code, below 0 when it was killed. One that does not end in time is an error."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            _LIVING.discard(process)
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    if kill:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
    raise TimeoutError(f"worker {process} did not end within {seconds:g} s")


def lives(process: int) -> bool:
    """Whether a worker has not ended, which it is still to be waited for."""
    return os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def stopped(process: int) -> bool:
    """Waits until a worker sleeps or ends; whether it sleeps."""
    _, status = os.waitpid(process, os.WUNTRACED)
    return os.WIFSTOPPED(status)
