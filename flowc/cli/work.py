"""`flowc work`: one run that a scheduler has handed on to this machine. Nobody types it."""

from __future__ import annotations

import click

from flowc.api.selectors import scheduled_only
from flowc.api.specs import missing_specs
from flowc.api.working import Handed, work
from flowc.cli.arguments import environment_option, run_log_option, specs_and_names
from flowc.cli.eventlog import Log
from flowc.cli.opened import open_pipelines, where
from flowc.cli.scheduling import happened_event, lease, until_signal
from flowc.service.daemon.stats import Event


@click.command(hidden=True)
@click.argument("run")
@click.argument("specs", nargs=-1)
@environment_option
@run_log_option
def command(run: str, specs: tuple[str, ...], environment: str | None, run_log: str | None) -> int:
    """Do the run of that id, which a scheduler has begun for a worker elsewhere, and record how it ended.

    Exit code 1 when it did not end well, 2 when it is over, or another worker's.
    """
    paths, names = specs_and_names(specs)
    if names:
        raise missing_specs(names[0])
    log = Log()
    opened = open_pipelines(paths, (), environment, "nothing was run", takes=scheduled_only)
    with until_signal() as stop:
        good = work(
            Handed(run, run_log, lease()), where(paths, environment), opened,
            notify=lambda happened: log(happened_event(happened)), warn=lambda words: log(Event("warning", words)),
            stop=stop,
        )  # fmt: skip
    return 0 if good else 1
