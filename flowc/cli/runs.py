"""`flowc runs`: what ran, and how it ended."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from flowc.api.reading import ReadProject
from flowc.cli.arguments import environment_option, format_option, run_log_option, specs_and_names
from flowc.cli.console import out, say, style_for
from flowc.cli.reading import read_project
from flowc.compiler.front.project import ProjectSpec
from flowc.controls import json_text
from flowc.diagnostics import did_you_mean
from flowc.errors import UsageError
from flowc.render.checks import check_object, checks_text
from flowc.render.runs import run_object, run_text, runs_text
from flowc.runtime.lean import without_pandas
from flowc.service.runs.checks import histories
from flowc.service.runs.log import RunLog, as_seen
from flowc.service.runs.opening import run_log
from flowc.service.runs.records import STATUSES, RunRecord

UNDONE = "nothing was looked at"


@click.group()
def command() -> None:
    """List and show runs of pipelines, and how their checks came out."""


@command.command("list")
@click.argument("specs", nargs=-1, metavar="[SPECS]... [NAME]...")
@click.option("--status", type=click.Choice(STATUSES), help="Only those that are, or ended, so.")
@click.option(
    "--limit", default=20, metavar="N", type=click.IntRange(1, 1_000_000), help="Show at most N. Default: 20."
)
@format_option(what="one JSON list")
@environment_option
@run_log_option
def list_(
    specs: tuple[str, ...], status: str | None, limit: int, form: str, environment: str | None, run_log: str | None
) -> None:
    """List the newest runs of all pipelines, or of those that are named."""
    paths, names = specs_and_names(specs)
    read = read_project(paths, environment, UNDONE, names)
    check_names(read.names, read.project)
    log = log_of(read, run_log)
    found = [as_seen(run) for run in log.runs(pipelines=read.names, status=status, most=limit)]
    log.close()
    if form == "json":
        out(json_text([run_object(run) for run in found]))
    elif found:
        out(runs_text(found, style_for(sys.stdout)))
    else:
        say("no runs are recorded")


@command.command("checks")
@click.argument("specs", nargs=-1, metavar="[SPECS]... [NAME]...")
@click.option("--limit", default=100, metavar="N", type=click.IntRange(1, 10_000), help="Look at N runs. Default: 100.")
@format_option(what="one JSON list, each check with its history")
@environment_option
@run_log_option
def checks(specs: tuple[str, ...], limit: int, form: str, environment: str | None, run_log: str | None) -> None:
    """Show how the checks of `expect` came out in the newest runs, of all pipelines or of those that are named."""
    paths, names = specs_and_names(specs)
    read = read_project(paths, environment, UNDONE, names)
    check_names(read.names, read.project)
    log = log_of(read, run_log)
    found = histories(log.runs(pipelines=read.names, most=limit, details=True))
    log.close()
    if form == "json":
        out(json_text([check_object(each) for each in found]))
    elif found:
        out(checks_text(found, style_for(sys.stdout)))
    else:
        say("no checks are recorded")


@command.command("show")
@click.argument("specs", nargs=-1, metavar="[SPECS]... RUN")
@format_option()
@environment_option
@run_log_option
def show(specs: tuple[str, ...], form: str, environment: str | None, run_log: str | None) -> None:
    """Show one run: its targets with their counts, its error, and what it said at its end.

    RUN is the id of a run, or what it begins with; `last` is the newest one.
    """
    paths, names = specs_and_names(specs)
    if len(names) != 1:
        raise UsageError("name one run", code="missing-name", help="for instance `flowc runs show last`")
    read = read_project(paths, environment, UNDONE)
    log = log_of(read, run_log)
    run = as_seen(the_run(log, names[0]))
    log.close()
    out(json_text(run_object(run)) if form == "json" else run_text(run, style_for(sys.stdout)))


def log_of(read: ReadProject, given: str | None) -> RunLog:
    """The run log of a project, which is only read."""
    without_pandas()
    return run_log(read.project, read.resolver, given, looks=True)


def the_run(log: RunLog, wanted: str) -> RunRecord:
    """The run of an id, or of what it begins with, or the last one. Raises UsageError where that is not one."""
    newest = log.runs(most=1) if wanted == "last" else []
    found = log.find(newest[0].id if newest else wanted)
    if len(found) == 1:
        return found[0]
    message = f"several runs begin with `{wanted}`" if found else f"there is no run `{wanted}`"
    raise UsageError(message, code="unknown-selection", help="see the runs with `flowc runs list`")


def check_names(names: Sequence[str], project: ProjectSpec) -> None:
    """Raises UsageError for a name that is no pipeline's."""
    known = project.pipelines
    for name in names:
        if name not in known:
            helps = did_you_mean(name, known) or ("name a pipeline of the specs",)
            raise UsageError(f"there is no pipeline `{name}`", code="unknown-pipeline", help=helps[0])
