"""`flowc run --once`: pipelines run and streams catch up, and signals end them after the epoch in hand."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

import click

from flowc.api.linted import Where
from flowc.api.opening import OpenPipelines
from flowc.api.results import RunResult
from flowc.api.running import CatchUp, Recording, open_once, run_once
from flowc.cli.console import out, say, say_errors, style_for
from flowc.cli.progress import progress
from flowc.cli.project import ending
from flowc.cli.report import show
from flowc.cli.scheduling import tell_report
from flowc.cli.telemetry import telemetry
from flowc.compiler.loads.load import Reread
from flowc.errors import FlowcError
from flowc.render.loads import run_text
from flowc.render.streams import stream_failures, streams_text
from flowc.runtime.interrupts import outside_handler
from flowc.service.streams.run import StreamReport


def run_named(
    where: Where, names: Sequence[str], *, json: bool, drain: bool, reread: Reread | None = None,
    missing: bool = False, run_log: str | None = None, run_id: str | None = None,
) -> int:  # fmt: skip
    """Runs the named pipelines and streams, or all; exit code 1 when one failed."""
    with ending("nothing was run"):
        once = open_once(where, names, reread, missing=missing, run_id=run_id)
    say_errors(once.opened.found)
    if isinstance(once.opened, OpenPipelines):
        project, resolver = once.opened.checked.project, once.opened.sessions.resolver
        with telemetry(project, resolver, prints=not json) as told:
            with progress() as observer:
                recording = Recording(run_log, _warn, told.span)
                result = run_once(once, drain=drain, observer=observer, around=_unless_stopped, recording=recording)
            _show(result, json=json)
        return 0 if result.ok else 1
    with stopping() as stop:
        result = run_once(once, drain=drain, around=lambda catch_up: catch_up(stop.event))
    _show(result, json=json)
    return stop.code(not result.ok)


def _warn(error: FlowcError) -> None:
    say(f"warning: this run is not recorded: {error.message}")


def _unless_stopped(catch_up: CatchUp) -> StreamReport:
    """Lets a stream catch up; a signal ends the whole run after its epoch, before pipelines read what it wrote."""
    with stopping() as stop:
        report = catch_up(stop.event)
    if stop.number:
        raise click.exceptions.Exit(stop.code(failed=True))
    return report


def _show(result: RunResult, *, json: bool) -> None:
    """The reports: of pipelines first."""
    if json:
        tell_report(result.to_json())
        return
    if result.report is not None:
        show(result.report, run_text(result.report, style_for(sys.stdout)), as_json=False)
    if result.streams:
        out(streams_text(result.streams, style_for(sys.stdout)))
        sys.stdout.flush()
        say(stream_failures(result.streams, style_for(sys.stderr)))


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
        outside_handler(tell)

    def tell() -> None:
        stop.event.set()
        say("stopping after the epoch in hand; once more ends it at once, and nothing is lost either")

    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
