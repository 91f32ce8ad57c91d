"""What a worker on another machine does: one run, which a scheduler has handed on to it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from secrets import token_hex
from threading import Event

from flowc.api.linted import Where
from flowc.api.opening import OpenProject
from flowc.service.access.locks import owner_name
from flowc.service.runs.due import scheduled
from flowc.service.runs.executors import Project, Subprocess
from flowc.service.runs.log import LEASE
from flowc.service.runs.masking import Masking
from flowc.service.runs.minding import Guard, Happened, Minder, Settling
from flowc.service.runs.opening import run_log
from flowc.service.runs.places import check_run_log
from flowc.service.runs.records import worker_name
from flowc.service.runs.taking import take


@dataclass(frozen=True, slots=True)
class Handed:
    """A run that was handed on. `run_log` is a connection, where the project names another one."""

    run: str
    run_log: str | None = None
    lease: float = LEASE
    most: float | None = None
    """Seconds until this place ends it, whatever the pipeline says."""


def work(
    handed: Handed, where: Where, opened: OpenProject, *, notify: Callable[[Happened], None],
    warn: Callable[[str], None], stop: Event,
) -> bool:  # fmt: skip
    """Takes the run over and does it in a process of its own; tells whether it ended well, as the run log says too.

    It is its own scheduler: it signs life, minds the time-out, and records how the run has ended. Raises UsageError for
    a run that is over or another worker's, and other errors where the run log stays away.
    """
    pipelines = scheduled(opened.ir.pipelines)
    log = run_log(opened.checked.project, opened.sessions.resolver, handed.run_log)
    check_run_log(log, handed.run_log)
    log.owner, log.lease = worker_name(owner_name(), token_hex(4)), handed.lease
    settling = Settling(log, notify, warn, Masking(opened.sessions, opened.ir.pipelines))
    specs = tuple(str(path.resolve()) for path in where.paths)
    project = Project(specs, where.environment, os.getcwd())
    guarded = Guard(warn, "the run log cannot be used", noted=warn)
    minder = Minder(settling, guarded, Subprocess(os.environ), project, most=handed.most)
    try:
        minder.begin(*take(log, handed.run, pipelines))
        minder.mind_all(stop)
    finally:
        log.close()
        opened.sessions.close()
    return not settling.failed
