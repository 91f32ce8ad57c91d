"""`flowc run`: pipelines on live systems."""

from __future__ import annotations

import os
import sys

import click

from flowc.cli.arguments import environment_option, specs_and_names
from flowc.cli.console import style_for
from flowc.cli.live import prepare
from flowc.cli.progress import Progress
from flowc.cli.report import show
from flowc.errors import UsageError
from flowc.render.loads import run_json, run_text
from flowc.service.loads import Run, run_pipelines
from flowc.service.waiting import waiting_keys


@click.command()
@click.argument("specs", nargs=-1)
@click.option("--once", is_flag=True, help="Run pipelines once, then exit.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
@environment_option
def command(specs: tuple[str, ...], once: bool, as_json: bool, environment: str | None) -> int:
    """Run pipelines.

    SPECS are files or folders (default `specs`), NAMEs pipelines (default all, in dependency order). Each target is
    loaded in one transaction of its own; a pipeline whose upstream failed is skipped. An error in the specs stops the
    run before anything is read; with NAMEs, only errors that concern them do. Exit code 1 when any load failed.

    Keys that this version does not act on (`schedule`, `retry`, `timeout`, `catch_up`, `freshness`) are
    named on stderr.
    """
    paths, names = specs_and_names(specs)
    if not once:
        message = "the daemon that runs schedules and streams cannot run in this version"
        raise UsageError(message, code="not-runnable-yet", help="run pipelines once with `flowc run --once`")
    live = prepare(paths, names, environment)
    with Progress() as progress:
        report = run_pipelines(Run(live.checked, live.pipelines, live.sessions, progress, env=os.environ), live.broken)
    chosen = {pipeline.name for pipeline in live.pipelines}
    report.waiting = waiting_keys(p for name, p in live.checked.project.pipelines.items() if name in chosen)
    show(report, run_json(report) if as_json else run_text(report, style_for(sys.stdout)), as_json=as_json)
    return 1 if report.failed else 0
