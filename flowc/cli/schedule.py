"""`flowc schedule`: when pipelines are due, and whether they run then."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from flowc.api.selectors import scheduled_only
from flowc.cli.arguments import environment_option, format_option, run_log_option, specs_and_names
from flowc.cli.console import out, say, style_for
from flowc.cli.eventlog import Log
from flowc.cli.opened import OpenPipelines, open_pipelines
from flowc.cli.scheduling import scheduler_of
from flowc.controls import json_text
from flowc.errors import UsageError
from flowc.render.runs import schedule_object, schedules_text
from flowc.service.runs.due import dues, with_successes
from flowc.service.runs.pausing import set_paused
from flowc.service.runs.scheduler import Scheduler


@click.group()
def command() -> None:
    """Show when pipelines are due, and pause or resume them."""


@command.command("list")
@click.argument("specs", nargs=-1, metavar="[SPECS]... [NAME]...")
@format_option(what="one JSON list")
@environment_option
@run_log_option
def list_(specs: tuple[str, ...], form: str, environment: str | None, run_log: str | None) -> None:
    """Show for each schedule when it is due next, and what it waits for."""
    opened, scheduler = _opened(specs, environment, run_log, "nothing was looked at", looks=True)
    decided, now = scheduler.look()
    chosen = [each for each in scheduler.pipelines if each.name in opened.names or not opened.names]
    found = with_successes(dues(chosen, scheduler.log.standings(), decided.waiting, now), scheduler.log)
    _close(opened, scheduler)
    if form == "json":
        out(json_text([schedule_object(each) for each in found]))
    elif found:
        out(schedules_text(found, style_for(sys.stdout)))
    else:
        say("no pipeline has a `schedule`")


@command.command("pause")
@click.argument("specs", nargs=-1, metavar="[SPECS]... NAME...")
@environment_option
@run_log_option
def pause(specs: tuple[str, ...], environment: str | None, run_log: str | None) -> None:
    """Keep the named pipelines from running when they are due; what runs by now goes on."""
    _set_paused(specs, environment, run_log, paused=True)


@command.command("resume")
@click.argument("specs", nargs=-1, metavar="[SPECS]... NAME...")
@environment_option
@run_log_option
def resume(specs: tuple[str, ...], environment: str | None, run_log: str | None) -> None:
    """Let the named pipelines run again; of what came due meanwhile, `catch_up` says what runs."""
    _set_paused(specs, environment, run_log, paused=False)


def _set_paused(specs: Sequence[str], environment: str | None, run_log: str | None, *, paused: bool) -> None:
    if not specs_and_names(specs)[1]:
        raise UsageError("name the pipelines", code="missing-name", help="for instance `flowc schedule pause orders`")
    opened, scheduler = _opened(specs, environment, run_log, "nothing was changed")
    names = opened.names
    scheduled = {each.name: each for each in scheduler.pipelines}
    unscheduled = [name for name in names if name not in scheduled]
    if unscheduled:
        message = f"`{unscheduled[0]}` has no schedule"
        raise UsageError(message, code="no-schedule", help="see those that have one with `flowc schedule list`")
    set_paused(scheduler.log, [scheduled[name] for name in names], paused=paused)
    _close(opened, scheduler)
    say(f"{'paused' if paused else 'resumed'}: {', '.join(names)}")


def _opened(
    specs: Sequence[str], environment: str | None, run_log: str | None, undone: str, *, looks: bool = False
) -> tuple[OpenPipelines, Scheduler]:
    paths, names = specs_and_names(specs)
    opened = open_pipelines(paths, names, environment, undone, takes=scheduled_only)
    log = Log()
    scheduler = scheduler_of(opened, opened.pipelines, paths, environment, log, given_log=run_log, looks=looks)
    return opened, scheduler


def _close(opened: OpenPipelines, scheduler: Scheduler) -> None:
    scheduler.log.close()
    opened.sessions.close()
