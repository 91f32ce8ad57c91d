"""Commands of flowc in processes of their own, which may be killed."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass

from flowc.compiler.systems.postgres import shadow as postgres_shadow
from tests.commands import Inside
from tests.migrate.killing import die_at


@dataclass(frozen=True)
class Ended:
    """How a command ended; `code` is None when it was killed."""

    code: int | None
    out: str = ""
    err: str = ""

    @property
    def refused(self) -> bool:
        """Whether it says that it changed nothing."""
        return bool(self.code) and "nothing was changed" in self.err


@dataclass(frozen=True)
class Death:
    """When a command dies: before its `point`-th call of the database, or after so many seconds."""

    kind: str
    point: int | None = None
    seconds: float | None = None

    def prepare(self) -> None:
        """Called in the process that is to die."""
        if self.point is not None:
            die_at(self.kind, self.point)
        if self.seconds is not None:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, self.seconds)


def run(project: Inside, *arguments: str, death: Death | None = None, online: bool = False) -> Ended:
    """Runs a command. With `online`, PostgreSQL's tables are large from the first row on."""

    def work() -> None:
        if online:
            postgres_shadow.LARGE = 1
        if death is not None:
            death.prepare()
        done = project.flowc(*arguments)
        (project.path / "ended.json").write_text(json.dumps([done.code, done.out, done.err]), "utf-8")

    status = _forked(work)
    if os.WIFSIGNALED(status):
        return Ended(None)
    if os.waitstatus_to_exitcode(status) != 0:
        return Ended(-1, err="a traceback")
    return Ended(*json.loads((project.path / "ended.json").read_text("utf-8")))


def _forked(work: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1]
