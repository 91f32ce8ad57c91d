"""The pages of `--http` that commands share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from flowc.cli.eventlog import Log
from flowc.cli.telemetry import Collect
from flowc.render.metrics import metrics_text
from flowc.service.access.hosts import host_names
from flowc.service.daemon.http import Page, serve
from flowc.service.daemon.stats import Event
from flowc.service.runs.due import Due, dues
from flowc.service.runs.scheduler import Scheduler

_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True)
class Served:
    """Where pages are served, and the names, besides addresses and `localhost`, by which clients ask for the server."""

    address: str
    hosts: tuple[str, ...] = ()


def serve_pages(
    at: Served, ready: Callable[[], Page], collect: Collect, *, status: Callable[[], str], log: Log, stack: ExitStack
) -> None:
    """Serves health, metrics and status at an address until the stack closes. Raises UsageError for a wrong one."""
    pages = {
        "/healthz": lambda: Page("ok\n"),
        "/readyz": ready,
        "/metrics": lambda: Page(metrics_text(collect()), kind=_PROMETHEUS),
        "/status": lambda: Page(status() + "\n", kind="application/json"),
    }
    server = serve(at.address, pages, lambda words: log(Event("error", words)), host_names(at.hosts))
    stack.callback(server.shutdown)


def seen_dues(scheduler: Scheduler) -> Sequence[Due]:
    """Where schedules were when the scheduler looked last."""
    if scheduler.seen is None:
        return []
    mine = [each for each in scheduler.pipelines if scheduler.chosen is None or each.name in scheduler.chosen]
    return dues(mine, scheduler.seen[0], scheduler.waiting, scheduler.seen[1])
