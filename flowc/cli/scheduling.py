"""What the commands that schedule share: the scheduler of a project, and its log."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import FrameType

from flowc.cli.console import concealed, out, say
from flowc.cli.eventlog import Log
from flowc.cli.opened import OpenProject
from flowc.compiler.ir import Pipeline
from flowc.errors import FlowcError, TransientError, UsageError
from flowc.runtime.interrupts import outside_handler
from flowc.runtime.tracing import NO_SPAN, Span
from flowc.service.alerts.told import Telling
from flowc.service.daemon.stats import Event
from flowc.service.runs.due import Due, dues, limits_of, scheduled, with_successes
from flowc.service.runs.edits import ScheduleEdit, edited
from flowc.service.runs.executors import SILENCE, Project, report_handle
from flowc.service.runs.failures import failure_of
from flowc.service.runs.log import LEASE
from flowc.service.runs.masking import Masking
from flowc.service.runs.minding import Happened
from flowc.service.runs.opening import run_log
from flowc.service.runs.places import SUBPROCESS, check_run_log, executor_of
from flowc.service.runs.records import Outcome
from flowc.service.runs.scheduler import Scheduler
from flowc.service.runs.watching import Remote

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
    executor: str = SUBPROCESS,
    leads: bool = False,
    looks: bool = False,
    telling: Telling | None = None,
    span: Span = NO_SPAN,
) -> Scheduler:
    """The scheduler of the chosen pipelines. A worker finds the project by the paths of its specs.

    What happens goes into the log, and to who tells alerts. Raises UsageError for a URL that is no executor, and for a
    run log that its workers cannot reach.
    """
    project = opened.checked.project
    pipelines = scheduled(opened.ir.pipelines)
    specs, given = tuple(str(path.resolve()) for path in paths), tuple(map(str, paths))
    worker = Project(specs, environment, os.getcwd(), given, given_log)
    runs = run_log(project, opened.sessions.resolver, given_log, looks=looks)
    runs.lease = lease()
    place = executor_of(executor, runs.project, os.environ)
    if isinstance(place, Remote):
        check_run_log(runs, given_log)
    return Scheduler(
        pipelines,
        runs,
        place,
        worker,
        told=partial(_tell, log, telling),
        warned=lambda words: log(Event("warning", words)),
        limits=limits_of(project),
        keep=timedelta(seconds=keep.value if (keep := project.run_log.keep) else _KEEP),
        leads=leads,
        chosen=frozenset(each.name for each in chosen),
        redact=Masking(opened.sessions, opened.ir.pipelines),
        span=span,
        noted=lambda words: log(Event("info", words)),
    )


def _tell(log: Log, telling: Telling | None, happened: Happened) -> None:
    log(happened_event(happened))
    if telling is not None:
        telling.told(happened)


def check_place(scheduler: Scheduler) -> None:
    """Asks the platform, before anything begins. Raises UsageError for what it refuses; its absence may pass."""
    if isinstance(scheduler.executor, Remote):
        try:
            scheduler.executor.look()
        except TransientError as error:
            if not scheduler.leads:
                raise
            scheduler.warned(f"nothing begins until this passes: {error.message}")


def lease() -> float:
    """Seconds that a run, and a leader, outlive their last sign of life: `FLOWC_LEASE`, which tests make short."""
    given = os.environ.get("FLOWC_LEASE", str(LEASE))
    try:
        return float(given)
    except ValueError:
        message = f"`FLOWC_LEASE` is `{given}`, and no number of seconds"
        raise UsageError(message, code="unusable-option", help=f"leave it out: it is {LEASE:g} then") from None


def happened_event(happened: Happened) -> Event:
    """A line of the log."""
    claim, outcome = happened.claim, happened.outcome
    fields: dict[str, str | int | float | None] = {"run": claim.run_id, "due": claim.due_at.isoformat()}
    if outcome is None:
        attempt = f", attempt {claim.attempt}" if claim.attempt > 1 else ""
        return Event("info", f"began{attempt}", pipeline=claim.pipeline, fields=fields)
    fields |= dict(outcome.counts)
    if happened.kind not in _BAD:
        return Event("info", f"{happened.kind}{_passed_by(outcome)}", pipeline=claim.pipeline, fields=fields)
    code = f"[{outcome.error_code}]" if outcome.error_code else ""
    again = f"; tried again at {happened.next_attempt.isoformat(timespec='seconds')}" if happened.next_attempt else ""
    given_up = "; that was the last attempt for this due time" if happened.kind == "gave up" else ""
    where = "".join(f"; {line}" for line in failure_of(outcome.detail).lines)
    words = f"{outcome.status}{code}: {outcome.error}{where}{_passed_by(outcome)}{again}{given_up}"
    return Event("error", words, pipeline=claim.pipeline, fields=fields)


def _passed_by(outcome: Outcome) -> str:
    """Which targets an earlier attempt had loaded."""
    targets = (each for pipeline in outcome.detail.get("pipelines", ()) for each in pipeline.get("targets", ()))
    names = [f"`{each['target']}`" for each in targets if each.get("passed_by")]
    return f"; passed by {', '.join(names)}, which an earlier attempt has loaded" if names else ""


def due_now(opened: OpenProject, given_log: str | None) -> list[Due] | None:
    """Where the schedules of the named pipelines, or of all, are; None, and a word, where the run log says nothing."""
    chosen = [p for p in opened.ir.pipelines if p.timing is not None and (not opened.names or p.name in opened.names)]
    if not chosen:
        return []
    scheduler = scheduler_of(opened, chosen, (), None, Log(), given_log=given_log, looks=True)
    try:
        decided, now = scheduler.look()
        found = dues(scheduled(chosen), scheduler.log.standings(), decided.waiting, now)
        return with_successes(found, scheduler.log)
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


def become_worker() -> None:
    """In a worker of a scheduler, what a user's function prints is no report; and it ends with its scheduler.

    That signs through standard input that the run is still this worker's. Its end, or silence, means that another
    attempt may begin: the load is rolled back.
    """
    if report_handle() is None:
        return

    def listen() -> None:
        while select.select([0], [], [], lease() * SILENCE)[0] and os.read(0, 1024):
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
        report.write(concealed(text, pieces=True))


@contextmanager
def until_signal() -> Iterator[threading.Event]:
    """An event that SIGTERM or Ctrl-C sets."""
    stop = threading.Event()

    def handle(_number: int, _: FrameType | None) -> None:
        outside_handler(stop.set)

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
