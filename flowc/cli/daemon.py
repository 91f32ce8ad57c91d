"""`flowc run`: the daemon. Signals, the log, the table of a terminal, and the HTTP server meet here."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from flowc.cli.console import say, say_errors, style_for
from flowc.cli.opened import OpenProject, open_project
from flowc.cli.progress import Show, bottom
from flowc.diagnostics import Diagnostic, Severity, did_you_mean
from flowc.errors import UsageError
from flowc.render.daemon import LEVELS, live_text, log_json, log_text, progress_events, status_json
from flowc.render.metrics import metrics_text
from flowc.runtime.interrupts import before_the_end
from flowc.service.daemon.http import Page, serve
from flowc.service.daemon.job import Job
from flowc.service.daemon.sharing import files_for_one, together
from flowc.service.daemon.stats import Event
from flowc.service.daemon.supervisor import Daemon

_TICK = 0.2
_PLAIN_EVERY = 30.0
_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True)
class DaemonOptions:
    """How a daemon is watched: an address of HTTP, the format and the lowest level of its log."""

    http: str | None = None
    log_format: str = "text"
    log_level: str = "info"


def run_daemon(paths: Sequence[Path], names: Sequence[str], environment: str | None, options: DaemonOptions) -> int:
    """Runs streams until a signal, or until none is left; exit code 1 when one of them failed."""
    log = _Log(options)
    opened = open_project(
        paths, environment, "nothing was run", show=log.diagnostics if options.log_format == "json" else say_errors
    )
    streams = _chosen(names, opened, log)
    jobs = _jobs(streams, opened)
    files = [files_for_one(job.stream, opened.ir, opened.sessions) for job in jobs]
    daemon = Daemon(jobs, together(files), log)
    stop = threading.Event()
    with ExitStack() as stack:
        _on_signals(daemon, stop, stack)
        if options.http is not None:
            server = serve(options.http, _pages(daemon), lambda words: log(Event("error", words)))
            stack.callback(server.shutdown)
        daemon.start()
        view = _View(daemon, stack.enter_context(bottom(stays=True)) if options.log_format == "text" else None)
        while daemon.alive and not stop.wait(_TICK):
            view.update()
        daemon.stop()
        view.update()
    return 1 if daemon.failed else 0


def _chosen(names: Sequence[str], opened: OpenProject, log: _Log) -> tuple[str, ...]:
    """The streams to run. Raises UsageError for a name that there is not, and where there is no stream."""
    project = opened.checked.project
    for name in names:
        if name not in project.streams and name not in project.pipelines:
            known = (*project.streams, *project.pipelines)
            helps = did_you_mean(name, known) or ("name a stream of the specs",)
            raise UsageError(f"there is no stream `{name}`", code="unknown-selection", help=helps[0])
    streams = tuple(name for name in names or project.streams if name in project.streams)
    idle = [name for name in names or project.pipelines if name in project.pipelines]
    if not streams:
        what = f"`{idle[0]}` is a pipeline, and the daemon runs only streams" if idle else "there is no stream to run"
        message = f"{what} in this version"
        raise UsageError(message, code="not-runnable-yet", help="run pipelines once with `flowc run --once`")
    if idle:
        log(Event("warning", f"the daemon does not run pipelines in this version: {', '.join(idle)}"))
    return streams


def _jobs(streams: Sequence[str], opened: OpenProject) -> list[Job]:
    found = []
    for name in streams:
        stream = opened.checked.streams[name]
        workers, policy = stream.parallelism, stream.restart
        found += [Job(opened.checked, opened.ir, name, number + 1, workers, policy) for number in range(workers)]
    return found


def _on_signals(daemon: Daemon, stop: threading.Event, stack: ExitStack) -> None:
    """The first signal stops, the second ends everything at once."""
    before_the_end(daemon.kill)

    def handle(_number: int, _: FrameType | None) -> None:
        stop.set()

    for name in (signal.SIGTERM, signal.SIGINT):
        stack.callback(signal.signal, name, signal.signal(name, handle))


def _pages(daemon: Daemon) -> dict[str, Any]:
    def ready() -> Page:
        lines = "".join(f"{w.job.stream}[{w.job.worker}]: {w.status}\n" for w in daemon.workers)
        return Page(lines, 200 if daemon.ready else 503)

    return {
        "/healthz": lambda: Page("ok\n"),
        "/readyz": ready,
        "/metrics": lambda: Page(metrics_text(daemon), kind=_PROMETHEUS),
        "/status": lambda: Page(status_json(daemon) + "\n", kind="application/json"),
    }


@dataclass
class _Log:
    """Writes events to stderr, one at a time."""

    options: DaemonOptions
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, event: Event) -> None:
        if LEVELS.index(event.level) < LEVELS.index(self.options.log_level):
            return
        text = log_json(event) if self.options.log_format == "json" else log_text(event, style_for(sys.stderr))
        with self._lock:
            say(text)
            sys.stderr.flush()

    def diagnostics(self, found: Iterable[Diagnostic]) -> None:
        """The errors that compiling found, as events."""
        for diagnostic in found:
            if diagnostic.severity is Severity.ERROR:
                fields = {"code": diagnostic.code, "file": diagnostic.span.file.path if diagnostic.span else None}
                self(Event("error", diagnostic.message, fields=fields))


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
