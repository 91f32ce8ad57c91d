"""`flowc scheduler`: a scheduler of which several may run, and one leads."""

from __future__ import annotations

import click

from flowc.api.selectors import scheduled_only
from flowc.cli.alerting import telling_of
from flowc.cli.arguments import environment_option, run_log_option, specs_and_names
from flowc.cli.eventlog import Log
from flowc.cli.opened import open_pipelines
from flowc.cli.scheduling import scheduler_of, until_signal


@click.command()
@click.argument("specs", nargs=-1, metavar="[SPECS]... [NAME]...")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", help="How the log is written.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info")
@environment_option
@run_log_option
def command(
    specs: tuple[str, ...], log_format: str, log_level: str, environment: str | None, run_log: str | None
) -> int:
    """Run pipelines by their schedules until a signal comes; of several, one leads.

    Each run is a process of its own. A leader that gives no sign of life for 30 seconds by the clock of the run log
    is replaced; SIGTERM gives the lead back at once, stops what runs, and lets the next leader begin that again.
    """
    paths, names = specs_and_names(specs)
    opened = open_pipelines(paths, names, environment, "nothing was run", takes=scheduled_only)
    log = Log(log_format, log_level)
    telling = telling_of(opened, opened.pipelines, environment, log, given_log=run_log)
    scheduler = scheduler_of(
        opened, opened.pipelines, paths, environment, log, given_log=run_log, leads=True, telling=telling
    )
    opened.sessions.close()
    with until_signal() as stop:
        telling.start()
        try:
            scheduler.run(stop)
        finally:
            telling.close()
    return 0
