"""`flowc scheduler`: a scheduler of which several may run, and one leads."""

from __future__ import annotations

import click

from flowc.api.selectors import scheduled_only
from flowc.cli.arguments import environment_option, executor_option, run_log_option, specs_and_names
from flowc.cli.eventlog import Log
from flowc.cli.opened import open_pipelines
from flowc.cli.scheduling import check_place, scheduler_of, until_signal


@click.command()
@click.argument("specs", nargs=-1, metavar="[SPECS]... [NAME]...")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", help="How the log is written.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info")
@executor_option
@environment_option
@run_log_option
def command(
    specs: tuple[str, ...],
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
    """
    paths, names = specs_and_names(specs)
    opened = open_pipelines(paths, names, environment, "nothing was run", takes=scheduled_only)
    log = Log(log_format, log_level)
    scheduler = scheduler_of(
        opened, opened.pipelines, paths, environment, log, given_log=run_log, executor=executor, leads=True
    )
    opened.sessions.close()
    check_place(scheduler)
    with until_signal() as stop:
        scheduler.run(stop)
    return 0
