"""`flowc run-due`: what came due since the last time, for a cron tick."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from flowc.api.selectors import scheduled_only
from flowc.cli.alerting import telling_of
from flowc.cli.arguments import environment_option, executor_option, run_log_option, specs_and_names
from flowc.cli.eventlog import Log
from flowc.cli.opened import open_pipelines
from flowc.cli.scheduling import check_place, scheduler_of, until_signal
from flowc.cli.telemetry import telemetry
from flowc.durations import parse_instant
from flowc.errors import UsageError

_FIRST, _LAST = datetime(1971, 1, 1, tzinfo=UTC), datetime(2037, 12, 31, tzinfo=UTC)
"""What every database takes for a time."""


@click.command()
@click.argument("specs", nargs=-1, metavar="[SPECS]... [NAME]...")
@click.option("--now", "given", metavar="TIME", help="Take this for the time, as in 2026-03-29T02:30:00+01:00.")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", help="How the log is written.")
@executor_option
@environment_option
@run_log_option
def command(
    specs: tuple[str, ...],
    given: str | None,
    log_format: str,
    executor: str,
    environment: str | None,
    run_log: str | None,
) -> int:
    """Run what is due by its schedule, once: for a tick of cron.

    Each due time runs once, in dependency order, and retries run whose wait is over. Meant for a tick about once a
    minute, of cron or of a systemd timer. The first time, nothing is due yet: schedules
    begin then. Any number of these may run at once, beside a daemon too. Tables with `freshness` are asked whose
    time has come, and alerts are told before it ends. Exit code 1 when a run failed.
    """
    paths, names = specs_and_names(specs)
    now = _instant(given) if given is not None else None
    opened = open_pipelines(paths, names, environment, "nothing was run", takes=scheduled_only)
    log = Log(log_format)
    with telemetry(opened.checked.project, opened.sessions.resolver, log) as told:
        telling = telling_of(opened, opened.pipelines, environment, log, given_log=run_log, at_end=True, now=now)
        scheduler = scheduler_of(
            opened, opened.pipelines, paths, environment, log, given_log=run_log, executor=executor, telling=telling,
            span=told.span,
        )  # fmt: skip
        scheduler.now = now
        check_place(scheduler)
        with until_signal() as stop, telling:
            scheduler.run_due(stop)
    opened.sessions.close()
    return 1 if scheduler.failed or opened.broken else 0


def _instant(given: str) -> datetime:
    found = parse_instant(given)
    if found is None or not _FIRST <= found <= _LAST:
        message = f"`{given}` is no time from 1971 to 2037"
        raise UsageError(message, code="unusable-option", help="--now 2026-03-29T02:30:00Z")
    return found
