"""A way that takes those who look at the files of a busy worker: commands, pages, and the shell of SQLite.

Each of them closes what it has opened. The locks of the worker keep it from removing what the worker still needs.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.request import urlopen

from benchmarks.crash.operators import any_place, moved
from benchmarks.crash.places import WITHOUT
from benchmarks.crash.worker import Command, Job, ended, lives
from tests.services.machine import free_port

if TYPE_CHECKING:
    from benchmarks.crash.trial import Trial

_LOST = "state-lost"
_PATIENCE = 20.0
_QUERY = "SELECT count(*) FROM sqlite_master"
_SHELL = (
    ("sqlite3",) if shutil.which("sqlite3") else
    (sys.executable, "-c", "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute(sys.argv[2])")
)  # fmt: skip


def looked_at(trial: Trial, job: Job) -> None:
    """A worker is killed after, and before, others have looked at its files, and others have begun to do its work."""
    begun, may_move = list[int](), trial.kind not in WITHOUT["rewind"] and trial.chance.random() < 0.3
    with _site(trial, job) as address:
        for _ in range(trial.chance.randint(1, 3)):
            worker = trial.working(job)
            _look(trial, job, address)
            if trial.chance.random() < 0.3:
                begun.append(_command(job, "run", job.stream, "--once").start())
            if may_move:
                moved(trial, job, any_place(trial))
                may_move = False
            _look(trial, job, address)
            trial.kill(worker)
            _look(trial, job, address)
        for other in begun:
            if trial.chance.random() < 0.5:
                trial.kill(other)
            else:
                ended(other)
    said = "".join(file.read_text() for file in trial.folder.glob("*.txt"))
    if _LOST in said:
        raise TimeoutError(said[max(0, said.index(_LOST) - 500) :][:2000])


def _look(trial: Trial, job: Job, address: str | None) -> None:
    """One or two looks of any kind."""
    for look in trial.chance.sample(LOOKS, trial.chance.randint(1, 2)):
        look(job, address)


def _by_status(job: Job, _: str | None) -> None:
    _command(job, "status", job.stream).done()


def _by_plan(job: Job, _: str | None) -> None:
    _command(job, "plan").done()


def _by_shell(job: Job, _: str | None) -> None:
    for file in (job.folder / ".flowc").rglob("*.sqlite"):
        subprocess.run([*_SHELL, str(file), _QUERY], check=True, capture_output=True, timeout=_PATIENCE)


def _by_pages(job: Job, address: str | None) -> None:
    for page in ("/", f"/streams/{job.stream}", "/runs", "/plan") if address is not None else ():
        with urlopen(f"http://{address}{page}", timeout=_PATIENCE) as answer:
            answer.read()


LOOKS: list[Callable[[Job, str | None], None]] = [_by_status, _by_plan, _by_shell, _by_pages]
"""What looks at a worker: its job, and the address of pages where they are served."""


@contextmanager
def _site(trial: Trial, job: Job) -> Iterator[str | None]:
    """The address of pages of the project; of some trials only, for they take as long to begin as a worker."""
    if trial.chance.random() < 0.5:
        yield None
        return
    address = f"127.0.0.1:{free_port()}"
    server = _command(job, "web", "--listen", address).start()
    until = time.monotonic() + _PATIENCE
    while lives(server) and not _answers(address) and time.monotonic() < until:
        time.sleep(0.05)
    try:
        yield address
    finally:
        os.kill(server, signal.SIGTERM)
        ended(server)


def _answers(address: str) -> bool:
    with suppress(OSError), urlopen(f"http://{address}/", timeout=_PATIENCE) as answer:
        return bool(answer.read())
    return False


def _command(job: Job, *words: str) -> Command:
    made = Command(job.folder, job.stream, job.env, tune=job.tune)
    return replace(made, words=words)


LOOKERS: Mapping[str, Callable[[Trial, Job], None]] = {"looked-at": looked_at}
"""What takes those who look."""
LOOKERS_ROWS: Mapping[str, int] = {"looked-at": 8}
"""How many rows an epoch has: a worker is to have something left to do when all have looked."""
