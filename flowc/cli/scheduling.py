"""What the commands that schedule share: the scheduler of a project, and its log."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import FrameType

from flowc.cli.console import concealed, out, say
from flowc.cli.eventlog import Log
from flowc.cli.opened import OpenProject
from flowc.compiler.ir import Pipeline
from flowc.errors import FlowcError
from flowc.masking import mask_addresses
from flowc.runtime.tracing import NO_SPAN, Span
from flowc.service.access.sessions import Sessions
from flowc.service.alerts.told import Telling
from flowc.service.daemon.stats import Event
from flowc.service.runs.decisions import Scheduled
from flowc.service.runs.due import Due, dues, limits_of, scheduled
from flowc.service.runs.edits import ScheduleEdit, edited
from flowc.service.runs.executors import SILENCE, Executor, Project, Subprocess, report_handle
from flowc.service.runs.log import LEASE
from flowc.service.runs.opening import run_log
from flowc.service.runs.scheduler import Happened, Scheduler

_PATIENCE = 4.0
"""Seconds that a worker may take to roll back."""
_KEEP = 90 * 86400.0
_BAD = ("failed", "lost", "timeout", "gave up")


def scheduler_of(
    opened: OpenProject,
    chosen: Sequence[Pipeline],
    paths: Sequence[Path],
    environment: str | None,
    log: Log,
    *,
    given_log: str | None = None,
    executor: Executor | None = None,
    leads: bool = False,
    looks: bool = False,
    telling: Telling | None = None,
    span: Span = NO_SPAN,
) -> Scheduler:
    """The scheduler of the chosen pipelines. A worker finds the project by the paths of its specs.

    What happens goes into the log, and to who tells alerts.
    """

    def told(happened: Happened) -> None:
        log(happened_event(happened))
        if telling is not None:
            telling.told(happened)

    project = opened.checked.project
    pipelines = scheduled(opened.ir.pipelines)
    worker = Project(tuple(str(path.resolve()) for path in paths), environment, os.getcwd())
    return Scheduler(
        pipelines,
        run_log(project, opened.sessions.resolver, given_log, looks=looks),
        executor or Subprocess(os.environ),
        worker,
        told=told,
        warned=lambda words: log(Event("warning", words)),
        limits=limits_of(project),
        keep=timedelta(seconds=project.run_log.keep or _KEEP),
        leads=leads,
        chosen=frozenset(each.name for each in chosen),
        redact=Masking(opened.sessions, pipelines),
        span=span,
    )


def happened_event(happened: Happened) -> Event:
    """A line of the log."""
    claim, outcome = happened.claim, happened.outcome
    fields: dict[str, str | int | float | None] = {"run": claim.run_id, "due": claim.due_at.isoformat()}
    if outcome is None:
        attempt = f", attempt {claim.attempt}" if claim.attempt > 1 else ""
        return Event("info", f"began{attempt}", claim.pipeline, fields=fields)
    fields |= dict(outcome.counts)
    if happened.kind not in _BAD:
        return Event("info", happened.kind, claim.pipeline, fields=fields)
    code = f"[{outcome.error_code}]" if outcome.error_code else ""
    again = f"; tried again at {happened.next_attempt.isoformat(timespec='seconds')}" if happened.next_attempt else ""
    given_up = "; that was the last attempt" if happened.kind == "gave up" else ""
    return Event("error", f"{outcome.status}{code}: {outcome.error}{again}{given_up}", claim.pipeline, fields=fields)


def due_now(opened: OpenProject, given_log: str | None) -> list[Due] | None:
    """Where the schedules of the named pipelines, or of all, are; None, and a word, where the run log says nothing."""
    chosen = [p for p in opened.ir.pipelines if p.timing is not None and (not opened.names or p.name in opened.names)]
    if not chosen:
        return []
    scheduler = scheduler_of(opened, chosen, (), None, Log(), given_log=given_log, looks=True)
    try:
        decided, now = scheduler.look()
        return dues(scheduled(chosen), scheduler.log.standings(), decided.waiting, now)
    except FlowcError as error:
        say(f"warning: when pipelines are due is not known: {error.message}")
        return None
    finally:
        scheduler.log.close()


def make_run_log(opened: OpenProject) -> None:
    """Makes the tables of the run log where they are missing."""
    log = run_log(opened.checked.project, opened.sessions.resolver)
    log.create_tables = True
    log.ensure()
    log.close()


def edited_schedules(opened: OpenProject) -> list[ScheduleEdit]:
    """Schedules that a scheduler will find edited; none where the run log cannot be read, which is told."""
    try:
        return edited(opened.checked.project, opened.ir, opened.sessions.resolver)
    except FlowcError as error:
        say(f"warning: whether schedules were edited is not known: {error.message}")
        return []


@dataclass
class Masking:
    """Masks the secrets of the connections that pipelines use; they are resolved when there is something to mask."""

    sessions: Sessions
    pipelines: Sequence[Scheduled]
    _known: bool = False

    def __call__(self, text: str) -> str:
        """The text without secrets."""
        if not text:
            return text
        if not self._known:
            self._known = True
            for connection in {name for each in self.pipelines for name in each.connections}:
                with suppress(FlowcError):
                    self.sessions.options(connection)
        return self.sessions.resolver.masker.redact(text)


def become_worker() -> None:
    """In a worker of a scheduler, what a user's function prints is no report; and it ends with its scheduler.

    That signs through standard input that the run is still this worker's. Its end, or silence, means that another
    attempt may begin: the load is rolled back.
    """
    if report_handle() is None:
        return

    def listen() -> None:
        while select.select([0], [], [], LEASE * SILENCE)[0] and os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_PATIENCE)
        os._exit(1)

    threading.Thread(target=listen, name="flowc-parent", daemon=True).start()


def tell_report(text: str) -> None:
    """Hands the report of a run to who asked for it: the scheduler of a worker, or whoever reads standard output."""
    handle = report_handle()
    if handle is None:
        out(text)
        return
    with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as report:
        report.write(mask_addresses(concealed(text)))


@contextmanager
def until_signal() -> Iterator[threading.Event]:
    """An event that SIGTERM or Ctrl-C sets."""
    stop = threading.Event()

    def handle(_number: int, _: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
