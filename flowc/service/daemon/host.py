"""The worker process: runs the workers that it is given, each in a thread of its own.

The daemon writes the jobs, pickled, to its standard input and keeps it open: its end means that the daemon is gone, and
takes the process along. What it tells goes as lines of JSON to its standard output.
"""

from __future__ import annotations

import io
import logging
import os
import pickle
import select
import signal
import sys
import threading
from collections.abc import Sequence
from contextvars import ContextVar
from pathlib import Path

from flowc.runtime.interrupts import end_at_the_second, outside_handler
from flowc.runtime.lean import without_pandas
from flowc.service.access.secrets import Resolver
from flowc.service.daemon.channel import Channel, Wire
from flowc.service.daemon.job import Job
from flowc.service.daemon.worker import Worker

_PATIENCE = 10.0
"""Seconds that workers may take to stop."""
_TICK = 0.1
"""Python sees a signal that the system gave to another thread only when the main one wakes."""
SPEAKER: ContextVar[Channel | None] = ContextVar("speaker", default=None)
"""Whose thread it is; the threads that a worker starts have it too."""
_LINE = 1 << 16
_ROOM = 16 << 20
"""Bytes that are kept for a reader that is busy; what is more is counted, and said."""
_PIECE = 1 << 16


def main() -> None:
    """Reads the jobs, runs them, and leaves with the exit code of the worst."""
    source, sink = _spilling()
    end_at_the_second()
    without_pandas()
    size = int.from_bytes(sys.stdin.buffer.read(8), "big")
    jobs: tuple[Job, ...] = pickle.loads(sys.stdin.buffer.read(size))
    told = os.dup(1)
    # What a user's function forks may outlive us, and the daemon takes us for alive until nobody holds this.
    os.register_at_fork(after_in_child=lambda: os.dup2(os.open(os.devnull, os.O_WRONLY), told))
    wire = Wire(os.fdopen(told, "wb"), Resolver(os.environ, Path(jobs[0].checked.project.root)))
    process = Channel(wire, jobs)
    _capture(process, source, sink)
    logging.getLogger("flowc").addHandler(Forward(process))
    workers = [Worker(job, Channel(wire, (job,), number)) for number, job in enumerate(jobs)]
    _listen(workers)
    code = _run(workers)
    os._exit(code)  # a client that still says good-bye to its broker does not hold us up


def _run(workers: Sequence[Worker]) -> int:
    """Runs all until each was stopped or gave up."""
    codes = [0] * len(workers)

    def work(number: int, worker: Worker) -> None:
        SPEAKER.set(worker.channel)
        codes[number] = worker.run()

    threads = [
        threading.Thread(target=work, args=(number, worker), name=f"flowc-{worker.job.stream}", daemon=True)
        for number, worker in enumerate(workers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(_TICK)
    return max(codes)


class Forward(logging.Handler):
    """Hands the log of libraries on, as lines of the worker whose thread it is."""

    def __init__(self, process: Channel) -> None:
        super().__init__(logging.INFO)
        self._process = process

    def emit(self, record: logging.LogRecord) -> None:
        """Hands one record on."""
        level = "warning" if record.levelno >= logging.WARNING else "debug"
        speaker = SPEAKER.get() or self._process
        speaker.event(level, record.getMessage(), {"logger": record.name})


def _capture(process: Channel, source: int, sink: int) -> None:
    """Whatever a library or a user's function writes to standard output or error becomes lines of the log."""
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    os.close(sink)

    def pump() -> None:
        with os.fdopen(source, errors="replace") as lines:
            while line := lines.readline(_LINE):
                if line.strip():
                    process.event("warning", line.rstrip())

    assert isinstance(sys.stdout, io.TextIOWrapper)
    sys.stdout.reconfigure(line_buffering=True)
    threading.Thread(target=pump, name="flowc-stderr", daemon=True).start()


def _listen(workers: Sequence[Worker]) -> None:
    """Stops at a signal, or when the daemon is gone; without delay when it takes too long."""
    asked = threading.Event()

    def stop() -> None:
        if not asked.is_set():
            asked.set()
            for worker in workers:
                worker.stopping.set()
            late = threading.Timer(_PATIENCE, os._exit, (1,))
            late.daemon = True
            late.start()

    def orphaned() -> None:
        while os.read(0, 1024):
            pass
        stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: outside_handler(stop))
    threading.Thread(target=orphaned, name="flowc-parent", daemon=True).start()


def _spilling() -> tuple[int, int]:
    """Where to read, and where to write what never has to wait for it. Called before there are other threads."""
    (taken, sink), (source, given) = os.pipe(), os.pipe()
    if os.fork() == 0:
        try:
            os.close(sink)
            os.close(source)
            for number in range(3):  # by whose end the daemon knows that of the worker
                os.dup2(os.open(os.devnull, os.O_RDWR), number)
            for number in (signal.SIGINT, signal.SIGTERM):  # the worker prints until its own end
                signal.signal(number, signal.SIG_IGN)
            relay(taken, given)
        finally:
            os._exit(0)
    os.close(taken)
    os.close(given)
    return source, sink


def relay(source: int, sink: int, room: int = _ROOM) -> None:
    """Hands on what is written until nobody can write any more, or nobody reads."""
    os.set_blocking(sink, False)
    waiting, lost, is_open = bytearray(), 0, True
    while is_open or waiting:
        readable, writable, _ = select.select([source] * is_open, [sink] * bool(waiting), [])
        if readable:
            data = os.read(source, _PIECE)
            is_open, kept = bool(data), lost == 0 and len(waiting) + len(data) <= room
            waiting += data if kept else b""
            lost += 0 if kept else len(data)
        if writable:
            try:
                del waiting[: os.write(sink, waiting[:_PIECE])]
            except BrokenPipeError:
                return
        if lost and not waiting:
            waiting += b"\n%d bytes more were printed than could be kept\n" % lost
            lost = 0


if __name__ == "__main__":
    main()
