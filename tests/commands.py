"""The command line as users meet it: a process of its own, in a project folder, away from the user's own files."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flowc.cli.main import run
from tests import keptfiles, warm, warmflowc

ROOT = Path(__file__).resolve().parent.parent
_OLD = 3 * 10**9
"""Nanoseconds since a file was written: streams wait until one has been left alone for two seconds."""


@dataclass
class Done:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Folder:
    """A project folder. Whatever a command prints must never be a traceback."""

    path: Path
    env: dict[str, str] = field(default_factory=dict)

    def write(self, name: str, text: str) -> Path:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        old = time.time_ns() - _OLD
        os.utime(file, ns=(old, old))
        return file

    def environment(self) -> dict[str, str]:
        base = {"HOME": str(self.path / "home"), "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"}
        return base | self.env

    def command(self, *arguments: str) -> list[str]:
        keptfiles.release()
        return [sys.executable, "-m", "flowc", *arguments]

    def start(self, *arguments: str) -> warmflowc.Command:
        """The command as a process that the caller waits for."""
        return warmflowc.start(*arguments, cwd=self.path, env=self.environment())

    def begin(self, *arguments: str) -> warm.Process:
        """The command as a process that the caller kills; it does its work from the beginning on."""
        return warm.start("flowc", *arguments, cwd=self.path, env=self.environment())

    def flowc(self, *arguments: str) -> Done:
        done = warm.run("flowc", *arguments, cwd=self.path, env=self.environment())
        assert "Traceback" not in done.stderr, done.stderr
        assert "error[internal]" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)


def at_once(folder: Folder, *arguments: str) -> list[Done]:
    """What two processes did that ran a command at the same time."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda _: folder.flowc(*arguments), range(2)))


class Inside(Folder):
    """A project folder whose commands run in this process: the same entry point, without the start of a Python each."""

    def flowc(self, *arguments: str) -> Done:
        done = self.done(*arguments)
        assert "error[internal]" not in done.err, done.err
        return done

    def done(self, *arguments: str) -> Done:
        """What the command did, whatever that is."""
        keptfiles.refresh()
        out, err = io.StringIO(), io.StringIO()
        with chdir(self.path), redirect_stdout(out), redirect_stderr(err), _environment(self.environment()):
            code = run([each for each in arguments if each != "--debug"], debug="--debug" in arguments)
        return Done(code, out.getvalue(), err.getvalue())


@contextmanager
def _environment(wanted: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(wanted)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
