"""`flowc scheduler`: a scheduler of which several may run, and one leads."""

from __future__ import annotations

import time
from contextlib import ExitStack
from functools import partial

import click

from flowc.api.selectors import scheduled_only
from flowc.cli.alerting import telling_of
from flowc.cli.arguments import (
    environment_option,
    executor_option,
    http_option,
    run_log_option,
    specs_and_names,
)
from flowc.cli.eventlog import Log
from flowc.cli.opened import open_pipelines
from flowc.cli.pages import Served, seen_dues, serve_pages
from flowc.cli.scheduling import check_place, scheduler_of, until_signal
from flowc.cli.telemetry import telemetry
from flowc.render.runs import scheduler_json
from flowc.service.daemon.http import Page
from flowc.service.runs.scheduler import Scheduler
from flowc.service.telemetry.metrics import families


@click.command()
@click.argument("specs", nargs=-1, metavar="[SPECS]... [NAME]...")
@http_option
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", help="How the log is written.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info")
@executor_option
@environment_option
@run_log_option
def command(
    specs: tuple[str, ...],
    http: str | None,
    hosts: tuple[str, ...],
    log_format: str,
    log_level: str,
    executor: str,
    environment: str | None,
    run_log: str | None,
) -> int:
    """Run pipelines by their schedules until a signal comes; of several, one leads.

    Each run is a process of its own, here or where --executor says. A leader that gives no sign of life for 30 seconds
    by the clock of the run log is replaced; SIGTERM gives the lead back at once, stops what runs here, and lets the
    next leader begin that again. What runs elsewhere goes on.
    With --http, /readyz says whether the run log can be used.
    """
    paths, names = specs_and_names(specs)
    opened = open_pipelines(paths, names, environment, "nothing was run", takes=scheduled_only)
    log = Log(log_format, log_level)
    telling = telling_of(opened, opened.pipelines, environment, log, given_log=run_log)
    with ExitStack() as stack:
        told = stack.enter_context(telemetry(opened.checked.project, opened.sessions.resolver, log))
        scheduler = scheduler_of(
            opened, opened.pipelines, paths, environment, log, given_log=run_log, executor=executor, leads=True,
            telling=telling, span=told.span,
        )  # fmt: skip
        opened.sessions.close()
        check_place(scheduler)
        began = time.time()
        collect = partial(families, (), began, scheduler)
        if http is not None:
            status = partial(_status, scheduler)
            serve_pages(Served(http, hosts), partial(_ready, scheduler), collect, status=status, log=log, stack=stack)
        told.push(collect, began)
        with until_signal() as stop, telling:
            scheduler.run(stop)
    return 0


def _ready(scheduler: Scheduler) -> Page:
    if scheduler.works:
        return Page("leads\n" if scheduler.token is not None else "waits for the lead\n")
    return Page("the run log cannot be used\n", 503)


def _status(scheduler: Scheduler) -> str:
    return scheduler_json(seen_dues(scheduler), ready=scheduler.works, leads=scheduler.token is not None)
