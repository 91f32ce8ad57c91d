"""`flowc run`: the daemon. Signals, the log, the table of a terminal, and the HTTP server meet here."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from flowc.api.choosing import expand
from flowc.api.selectors import scheduled_only
from flowc.cli.alerting import telling_of
from flowc.cli.arguments import TOKENS
from flowc.cli.console import say_errors, style_for
from flowc.cli.eventlog import Log
from flowc.cli.opened import OpenProject, open_project
from flowc.cli.pages import Served, seen_dues, serve_pages
from flowc.cli.progress import Show, bottom
from flowc.cli.scheduling import scheduler_of
from flowc.cli.telemetry import Telemetry, telemetry
from flowc.cli.web import web_installed
from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import Pipeline
from flowc.diagnostics import did_you_mean
from flowc.errors import UsageError
from flowc.render.daemon import live_text, progress_events, status_json
from flowc.runtime.interrupts import before_the_end, outside_handler
from flowc.service.alerts.streams import StreamLooks
from flowc.service.daemon.http import Page
from flowc.service.daemon.job import Job
from flowc.service.daemon.sharing import files_for_one, together
from flowc.service.daemon.supervisor import Daemon
from flowc.service.runs.scheduler import Scheduler
from flowc.service.telemetry.metrics import Family, families

_TICK = 0.2
_PLAIN_EVERY = 30.0


@dataclass(frozen=True)
class DaemonOptions:
    """How a daemon is watched: addresses of HTTP and of pages, the format and the lowest level of its log."""

    http: str | None = None
    log_format: str = "text"
    log_level: str = "info"
    run_log: str | None = None
    web: str | None = None
    hosts: tuple[str, ...] = ()


def run_daemon(paths: Sequence[Path], given: Sequence[str], environment: str | None, options: DaemonOptions) -> int:
    """Runs streams until a signal, or until none is left; exit code 1 when one of them failed."""
    log = Log(options.log_format, options.log_level)
    opened = open_project(
        paths, environment, "nothing was run", show=log.diagnostics if options.log_format == "json" else say_errors
    )
    names = expand(given, opened.checked, opened.ir, _runs)
    streams, pipelines = _chosen(names, opened)
    stop = threading.Event()
    with ExitStack() as stack:
        told = stack.enter_context(telemetry(opened.checked.project, opened.sessions.resolver, log))
        jobs = _jobs(streams, opened, told.sample)
        files = [files_for_one(job.stream, opened.ir, opened.sessions) for job in jobs]
        daemon = Daemon(jobs, together(files), log, told.span)
        watched = [p for p in opened.ir.pipelines if p.freshness is not None and (not names or p.name in names)]
        looks = StreamLooks(daemon).look if jobs else None
        telling = telling_of(opened, watched, environment, log, given_log=options.run_log, streams=looks)
        scheduler = scheduler_of(
            opened, pipelines, paths, environment, log, given_log=options.run_log, telling=telling, span=told.span
        )  # fmt: skip
        _on_signals(daemon, stop, stack)
        _tell_of(daemon, scheduler, options, told=told, log=log, stack=stack)
        if options.web is not None:
            stack.enter_context(_web(opened, paths, environment, options, daemon))
        daemon.start()
        stack.enter_context(telling)
        if pipelines:
            stack.callback(_scheduling(scheduler, stop).join)
        view = _View(daemon, stack.enter_context(bottom(stays=True)) if options.log_format == "text" else None)
        while (daemon.alive or pipelines or watched) and not stop.wait(_TICK):
            view.update()
        stop.set()
        daemon.stop()
        view.update()
    return 1 if daemon.failed else 0


def _web(
    opened: OpenProject, paths: Sequence[Path], environment: str | None, options: DaemonOptions, daemon: Daemon
) -> AbstractContextManager[object]:
    """Serves the pages of `flowc web` from here."""
    web_installed()
    from flowc.cli.serving import WebOptions, serving

    assert options.web is not None
    tokens = os.environ.pop(TOKENS, None)  # which is nothing for workers
    asked = WebOptions(options.web, run_log=options.run_log, tokens=tokens, option="--web", hosts=options.hosts)
    return serving(opened, paths, environment, asked, statuses=[lambda: json.loads(status_json(daemon, messages=True))])


def _scheduling(scheduler: Scheduler, stop: threading.Event) -> threading.Thread:
    """Runs pipelines when they are due, beside the streams."""

    def work() -> None:
        try:
            scheduler.run(stop)
        finally:
            stop.set()  # a bug in it ends the daemon too, rather than leave one behind that runs nothing

    thread = threading.Thread(target=work, name="flowc-scheduler")
    thread.start()
    return thread


def _runs(checked: CheckedSpec) -> Collection[str]:
    """What a daemon takes: streams, and pipelines with a schedule or whose freshness it watches."""
    pipelines = checked.project.pipelines
    watched = [name for name, spec in pipelines.items() if spec.freshness is not None]
    return [*checked.project.streams, *scheduled_only(checked), *watched]


def _chosen(names: Sequence[str], opened: OpenProject) -> tuple[tuple[str, ...], tuple[Pipeline, ...]]:
    """The streams to run, and the pipelines to run when they are due.

    Raises UsageError for a name that there is not, for a pipeline without a schedule, and where nothing is to be run.
    """
    project = opened.checked.project
    for name in names:
        if name not in project.streams and name not in project.pipelines:
            known = (*project.streams, *project.pipelines)
            helps = did_you_mean(name, known) or ("name a stream or a pipeline of the specs",)
            raise UsageError(f"there is no stream `{name}`", code="unknown-selection", help=helps[0])
    streams = tuple(name for name in names or project.streams if name in project.streams)
    pipelines = tuple(p for p in opened.ir.pipelines if p.timing and (not names or p.name in names))
    due = {pipeline.name for pipeline in pipelines}
    watched = {p.name for p in opened.ir.pipelines if p.freshness is not None and (not names or p.name in names)}
    idle = [name for name in names if name not in project.streams and name not in due | watched]
    if idle or not (streams or pipelines or watched):
        message = "the daemon has nothing to run: there is no stream, and no pipeline has a `schedule`"
        if idle:
            message = f"pipeline `{idle[0]}` has no `schedule`, so the daemon never runs it"
        raise UsageError(message, code="unknown-selection", help="run pipelines once with `flowc run --once`")
    return streams, pipelines


def _jobs(streams: Sequence[str], opened: OpenProject, sample: float) -> list[Job]:
    found = []
    for name in streams:
        stream = opened.checked.streams[name]
        workers, policy = stream.parallelism, stream.restart
        found += [
            Job(opened.checked, opened.ir, name, worker=number + 1, workers=workers, policy=policy, sample=sample)
            for number in range(workers)
        ]
    return found


def _on_signals(daemon: Daemon, stop: threading.Event, stack: ExitStack) -> None:
    """The first signal stops, the second ends everything at once."""
    before_the_end(daemon.kill)

    def handle(_number: int, _: FrameType | None) -> None:
        outside_handler(stop.set)

    for name in (signal.SIGTERM, signal.SIGINT):
        stack.callback(signal.signal, name, signal.signal(name, handle))


def _tell_of(
    daemon: Daemon, scheduler: Scheduler, options: DaemonOptions, *, told: Telemetry, log: Log, stack: ExitStack
) -> None:
    """Health, metrics and status at an address, and metrics to where the project has them sent."""

    def collect() -> list[Family]:
        return families(daemon.workers, daemon.began, scheduler if scheduler.chosen else None)

    def ready() -> Page:
        lines = "".join(f"{w.job.stream}[{w.job.worker}]: {w.status}\n" for w in daemon.workers)
        return Page(lines, 200 if daemon.ready else 503)

    if options.http is not None:
        serve_pages(
            Served(options.http, options.hosts),
            ready,
            collect,
            status=lambda: status_json(daemon, seen_dues(scheduler)),
            log=log,
            stack=stack,
        )
    told.push(collect, daemon.began)


@dataclass
class _View:
    """On a terminal a table that is kept up to date, elsewhere a line for each worker twice a minute."""

    daemon: Daemon
    show: Show | None
    _rates: dict[int, float] = field(default_factory=dict)
    _seen: dict[int, tuple[float, int]] = field(default_factory=dict)
    _said: float = field(default_factory=time.monotonic)

    def update(self) -> None:
        """Shows how it goes now."""
        now = time.monotonic()
        for i, worker in enumerate(self.daemon.workers):
            at, rows = self._seen.get(i, (0.0, 0))
            if now - at >= 2.0:
                self._rates[i] = (worker.counts.rows - rows) / (now - at) if at else 0.0
                self._seen[i] = (now, worker.counts.rows)
        if self.show is not None:
            self.show(live_text(self.daemon, self._rates, style_for(sys.stderr)))
        elif now - self._said >= _PLAIN_EVERY:
            self._said = now
            for event in progress_events(self.daemon, self._rates):
                self.daemon.log(event)
