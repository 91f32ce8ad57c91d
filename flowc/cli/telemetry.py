"""Metrics and traces of a command: where they go, and what is told when they do not get there."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from flowc.cli.console import out, say
from flowc.compiler.front.project import ProjectSpec
from flowc.errors import FlowcError
from flowc.render.metrics import metrics_json
from flowc.runtime.tracing import NO_SPAN, Span
from flowc.service.access.secrets import Resolver
from flowc.service.daemon.stats import Event
from flowc.service.runs.executors import TRACE_VARIABLE, report_handle
from flowc.service.telemetry.metrics import Family
from flowc.service.telemetry.otlp import sender
from flowc.service.telemetry.push import Outage, Pusher
from flowc.service.telemetry.settings import Settings, settings
from flowc.service.telemetry.spans import tracing

Collect = Callable[[], Sequence[Family]]
_print = threading.Lock()


@dataclass
class Telemetry:
    """What a command tells of its work. `span` is what it is traced below; epochs are by a `sample` of them."""

    settings: Settings
    log: Callable[[Event], None]
    redact: Callable[[str], str]
    span: Span = NO_SPAN
    _stack: ExitStack = field(default_factory=ExitStack)

    @property
    def sample(self) -> float:
        """The share of epochs that are traced."""
        return self.settings.traces.sample if self.span is not NO_SPAN else 0.0

    def push(self, collect: Collect, began: float) -> None:
        """Has metrics told from now on; they count since `began`, in seconds since 1970."""
        sink = self.settings.metrics
        if sink.kind == "none":
            return
        send = _printed if sink.kind == "stdout" else sender(self.settings, began, self.redact)
        pusher = Pusher(collect, send, sink.every, self.outage("metrics"))
        pusher.start()
        self._stack.callback(pusher.stop)

    def trace(self, traceparent: str) -> None:
        """Begins to trace, where the project says so."""
        if self.settings.traces.kind != "none":
            found = tracing(self.settings, _line, self.outage("traces"), self.redact, traceparent)
            self._stack.callback(found.close)
            self.span = found.root

    def outage(self, what: str) -> Outage:
        """Tells when something does not arrive, and when it does again."""
        return Outage(
            what, lambda words: self.log(Event("warning", words)), lambda words: self.log(Event("info", words))
        )

    def close(self) -> None:
        """Tells the last; a collector that is away keeps nobody for longer than a moment."""
        self._stack.close()


@contextmanager
def telemetry(
    project: ProjectSpec, resolver: Resolver, log: Callable[[Event], None] | None = None, *, prints: bool = True
) -> Iterator[Telemetry]:
    """What a command tells of its work, for as long as the context.

    `log` hears of outages, else they are said. With `prints=False`, standard output is for something else: what is to
    go there goes nowhere. So it is in a worker of a scheduler, whose output is kept with its run.

    Raises FlowcError for settings that cannot be used, and where `flowc[otlp]` is needed and not installed.
    """
    found = settings(project, resolver, os.environ)
    made = Telemetry(found, log or _say, resolver.redact)
    try:
        if (prints and report_handle() is None) or found.traces.kind == "otlp":
            made.trace(os.environ.get(TRACE_VARIABLE, ""))
        yield made
    finally:
        made.close()


def _say(event: Event) -> None:
    say(f"{event.level}: {event.message}")


def _printed(families: Sequence[Family]) -> None:
    _line(metrics_json(families, time.time()))


def _line(text: str) -> None:
    """Prints a line, whole, whoever else does; a reader that went away gets none."""
    try:
        with _print:
            out(text)
            sys.stdout.flush()
    except OSError as error:
        message = f"standard output takes no more: {(error.strerror or 'failed').lower()}"
        raise FlowcError(message, code="unwritable-file") from None
