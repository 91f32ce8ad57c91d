"""`flowc run --once` of streams: they catch up and end, alone or with pipelines."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType

import click

from flowc.cli.console import out, say, style_for
from flowc.cli.opened import open_pipelines, open_project
from flowc.cli.progress import progress
from flowc.cli.report import show
from flowc.compiler.loads.load import Reread
from flowc.render.json_values import as_json
from flowc.render.loads import run_object, run_text
from flowc.render.streams import stream_failures, stream_object, streams_text
from flowc.service.access.sessions import Sessions
from flowc.service.loads.resets import check_reread
from flowc.service.loads.run import Run
from flowc.service.runs.once import run_both, waiting_keys
from flowc.service.streams.run import StreamReport, run_stream


def run_streams(
    paths: Sequence[Path], names: Sequence[str], environment: str | None, *, json: bool, drain: bool
) -> int:
    """Runs streams one after the other; exit code 1 when one failed."""
    opened = open_project(paths, environment, "nothing was run")
    run = partial(run_stream, opened.checked, opened.ir, sessions=opened.sessions, drain=drain)
    with stopping() as stop:
        reports = [run(name, stopping=stop.event) for name in names if not stop.number]
    opened.sessions.close()
    if json:
        out(as_json([stream_object(report) for report in reports]))
    else:
        _show(reports)
    return stop.code(any(report.error for report in reports))


def run_everything(
    paths: Sequence[Path],
    pipelines: Sequence[str],
    streams: Sequence[str] | None,
    environment: str | None,
    *,
    json: bool,
    drain: bool,
    reread: Reread | None = None,
) -> int:
    """Runs pipelines (all, when none is named) and streams (all for None); exit code 1 when one failed."""
    opened = open_pipelines(paths, pipelines, environment, "nothing was run")
    if reread is not None:
        check_reread(reread, opened.pipelines, opened.ir)
    streams = tuple(opened.checked.project.streams) if streams is None else streams
    if streams and not opened.checked.project.pipelines:
        return run_streams(paths, streams, environment, json=json, drain=drain)
    own = Sessions(opened.checked.project.connections, opened.sessions.resolver, opened.sessions.scope)
    with progress() as observer:
        run = Run(opened.checked, opened.pipelines, opened.sessions, observer, env=os.environ, reread=reread)
        catch_up = partial(run_stream, opened.checked, opened.ir, sessions=own, drain=drain)
        both = run_both(run, opened.ir, streams, lambda name: _unless_stopped(catch_up, name), opened.broken)
    own.close()
    chosen = {pipeline.name for pipeline in opened.pipelines}
    report = both.pipelines
    report.waiting = waiting_keys(p for name, p in opened.checked.project.pipelines.items() if name in chosen)
    if json:
        told = {"streams": [stream_object(each) for each in both.streams]} if both.streams else {}
        show(report, as_json({**run_object(report), **told}), as_json=True)
    else:
        show(report, run_text(report, style_for(sys.stdout)), as_json=False)
        if both.streams:
            out("")
            _show(both.streams)
    return 1 if both.failed else 0


def _unless_stopped(catch_up: Callable[..., StreamReport], name: str) -> StreamReport:
    """Lets a stream catch up; a signal ends the whole run after its epoch, before pipelines read what it wrote."""
    with stopping() as stop:
        report = catch_up(name, stopping=stop.event)
    if stop.number:
        raise click.exceptions.Exit(stop.code(failed=True))
    return report


def _show(reports: Sequence[StreamReport]) -> None:
    out(streams_text(reports, style_for(sys.stdout)))
    sys.stdout.flush()
    say(stream_failures(reports, style_for(sys.stderr)))


@dataclass
class _Stop:
    """Whether a signal came, and which."""

    event: threading.Event = field(default_factory=threading.Event)
    number: int = 0

    def code(self, failed: bool) -> int:
        """The exit code: what a signal's death would be, so that nobody takes the run for whole."""
        return 128 + self.number if self.number else int(failed)


@contextmanager
def stopping() -> Iterator[_Stop]:
    """Takes SIGINT and SIGTERM for as long as the context. Outside the main thread nobody can, and nothing is taken."""
    stop, before = _Stop(), {}

    def handle(number: int, _: FrameType | None) -> None:
        stop.number = number
        stop.event.set()
        say("stopping after the epoch in hand; once more ends it at once, and nothing is lost either")

    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
