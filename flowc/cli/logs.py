"""`flowc logs`: what runs said."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial

import click

from flowc.cli.arguments import environment_option, run_log_option, specs_and_names
from flowc.cli.console import out, say, style_for
from flowc.cli.reading import read_project
from flowc.cli.runs import UNDONE, check_names, log_of, the_run
from flowc.controls import json_text
from flowc.errors import FlowcError, UsageError
from flowc.render.runs import log_object, log_text
from flowc.service.runs.log import RunLog, as_seen
from flowc.service.runs.records import RUNNING, RunRecord

_PAUSE = 1.0
"""Seconds between two looks."""
_NEWEST = 500
"""How many of the newest runs are looked at for those that have ended."""


@click.command()
@click.argument("specs", nargs=-1, metavar="[SPECS]... [NAME]...")
@click.option(
    "-n", "--limit", default=10, metavar="N", type=click.IntRange(0, 10_000), help="Of how many runs. Default: 10."
)
@click.option("-f", "--follow", is_flag=True, help="Go on with runs as they end, until a signal comes.")
@click.option("--run", "wanted", metavar="RUN", help="Of this run: its id, what it begins with, or `last`.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line, for each run.")
@environment_option
@run_log_option
def command(
    specs: tuple[str, ...], limit: int, follow: bool, wanted: str | None, as_json: bool, environment: str | None,
    run_log: str | None,
) -> None:  # fmt: skip
    """Show what runs of pipelines said.

    These are the newest runs of all pipelines, or of the named ones; the newest comes last. Each line begins with the
    pipeline and the time at which its run began. What is kept of a run is the end of what its process printed, and how
    it ended; a run by hand has printed to its terminal, and only how it ended is kept.
    """
    paths, names = specs_and_names(specs)
    read = read_project(paths, environment, UNDONE, names)
    check_names(read.names, read.project)
    if follow and wanted is not None:
        raise UsageError("`--run` is of one run, and `--follow` of all that come", code="conflicting-options")

    open_log = partial(log_of, read, run_log)
    log = open_log()
    runs = log.runs(pipelines=read.names, most=max(limit, _NEWEST))
    found = [the_run(log, wanted)] if wanted is not None else _whole(log, runs[:limit])
    log.close()
    if not (runs or follow):
        say("no runs are recorded")
    for run in found:
        _show(as_seen(run), as_json=as_json)
    if follow:
        for run in _coming(open_log, read.names, {run.id for run in runs if run.status != RUNNING}):
            _show(run, as_json=as_json)


def _show(run: RunRecord, *, as_json: bool) -> None:
    out(json_text(log_object(run), indent=None) if as_json else log_text(run, style_for(sys.stdout)))
    sys.stdout.flush()


def _whole(log: RunLog, runs: Sequence[RunRecord]) -> list[RunRecord]:
    """Runs, the newest first, with their details, the oldest first."""
    return [found for run in reversed(runs) for found in log.find(run.id, whole=True)]


def _coming(open_log: Callable[[], RunLog], names: Sequence[str], known: set[str]) -> Iterator[RunRecord]:
    """Runs that end and are not known. The log is opened anew while it is away, or may not be there yet."""
    from flowc.cli.scheduling import until_signal
    from flowc.service.runs.minding import Guard

    log, found = open_log(), list[RunRecord]()
    guarded = Guard(lambda words: say(f"warning: {words}"), "the run log cannot be read", noted=say)

    def look() -> None:
        runs = log.runs(pipelines=names, most=_NEWEST)
        found[:] = _whole(log, [run for run in runs if run.status != RUNNING and run.id not in known])

    with until_signal() as stop:
        while not stop.is_set():
            found.clear()
            if not guarded(look) or not known:
                with suppress(FlowcError):
                    log.close()
                log = open_log()
            known |= {run.id for run in found}
            yield from found
            stop.wait(_PAUSE)
    log.close()
