"""Keeps one worker process: starts it, listens to it, and starts it again when it dies."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from flowc.service.daemon.stats import Event, Line
from flowc.service.daemon.workerstate import WorkerState

Started = Sequence[tuple[WorkerState, float]]
"""Workers, and the seconds that each is to wait before it begins."""
_LINES = msgspec.json.Decoder(Line)
"""Made once, by the thread that imports this: where two make what decodes a class at once, msgspec ends the process."""


@dataclass
class Process:
    """A process and the workers in it. When it dies, each comes back after a wait of its own."""

    workers: Sequence[WorkerState]
    log: Callable[[Event], None]
    _stopping: threading.Event = field(default_factory=threading.Event)
    _process: subprocess.Popen[bytes] | None = None
    _thread: threading.Thread | None = None

    @property
    def alive(self) -> bool:
        """Whether somebody still minds it."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Starts it, in a thread of its own."""
        name = f"flowc-{self.workers[0].job.stream}"
        self._thread = threading.Thread(target=self._mind, name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Asks it to stop."""
        self._stopping.set()
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def kill(self) -> None:
        """Ends it at once; what it had in hand is rolled back."""
        self._stopping.set()
        if self._process is not None and self._process.poll() is None:
            self._process.kill()

    def join(self, until: float) -> bool:
        """Whether it is gone, at the latest at that moment of the monotonic clock."""
        if self._thread is not None:
            self._thread.join(max(0.0, until - time.monotonic()))
        return not self.alive

    def _mind(self) -> None:
        staying: Started = [(worker, 0.0) for worker in self.workers]
        while staying and not self._stopping.is_set():
            began = time.monotonic()
            code = self._run(staying)
            if not self._stopping.is_set():
                staying = self._again(staying, code, time.monotonic() - began)
        for worker in self.workers:
            worker.end()

    def _again(self, lost: Started, code: int, seconds: float) -> Started:
        """Those that are to begin again, once the first of them may. The others wait on in the new process."""
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        busy = [worker for worker, _ in lost if worker.hand.rows]
        # Of several that had something in hand, nothing tells which one it was.
        killed = {id(busy[0]): -code} if len(busy) == 1 and code < 0 else {}
        waits = [(worker, worker.lost(how, seconds - waited, killed.get(id(worker), 0))) for worker, waited in lost]
        staying = [(worker, wait) for worker, wait in waits if wait is not None]
        first = min((wait for _, wait in staying), default=0.0)
        self._stopping.wait(first)
        return [(worker, wait - first) for worker, wait in staying]

    def _run(self, started: Started) -> int:
        """One process from its start to its end; gives its exit code."""
        process = self._process = _started()
        for worker, _ in started:
            worker.begin(process.pid)
        if self._stopping.is_set():
            process.kill()
        assert process.stdin is not None
        assert process.stdout is not None
        data = pickle.dumps(
            tuple(replace(worker.job, wait=wait, care=worker.suspects.care()) for worker, wait in started)
        )
        try:
            process.stdin.write(len(data).to_bytes(8, "big") + data)
            process.stdin.flush()
            for line in process.stdout:
                self._hear(line, started)
        except BrokenPipeError:
            pass
        code = process.wait()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # what a user's function began there, with sockets that it inherited
        process.stdout.close()
        return code

    def _hear(self, text: bytes, started: Started) -> None:
        try:
            line = _LINES.decode(text)
        except msgspec.DecodeError:
            return
        if line.event is not None:
            self.log(line.event)
        if line.job is not None:
            started[line.job][0].hear(line)


def _started() -> subprocess.Popen[bytes]:
    """A process that waits for its jobs. It has a session of its own: Ctrl-C is for the daemon, which passes it on.

    `-P` keeps modules of the working folder out; what else is searched, it has from the daemon.
    """
    root = str(Path(__file__).resolve().parents[3])
    paths = [root, *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "flowc.service.daemon.host"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)},
        start_new_session=True,
    )
