"""`flowc preview`: a run of one pipeline that changes nothing."""

from __future__ import annotations

import os
import sys

import click

from flowc.cli.arguments import environment_option, specs_and_names
from flowc.cli.console import say, style_for
from flowc.cli.live import one, prepare, single
from flowc.cli.progress import Progress
from flowc.cli.report import show
from flowc.render.loads import preview_json, preview_text
from flowc.service.loads import Run
from flowc.service.previews import preview


@click.command()
@click.argument("arguments", nargs=-1, metavar="[SPECS]... NAME")
@click.option("--rows", type=click.IntRange(min=0), default=10, show_default=True, help="How many rows to show.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@environment_option
def command(arguments: tuple[str, ...], rows: int, as_json: bool, environment: str | None) -> int:
    """Run one pipeline in a transaction that is rolled back.

    Shows some rows of the source, and what a run would insert, update and delete. `before` and `after` run too, and
    are rolled back with the rest. Exit code 1 when the run would fail.
    """
    paths, names = specs_and_names(arguments)
    name = single(names, "preview")
    live = prepare(paths, names, environment)
    with Progress() as progress:
        run = Run(live.checked, live.pipelines, live.sessions, progress, env=os.environ)
        found = preview(run, one(live, name), rows)
    text = preview_json(found) if as_json else preview_text(found, style_for(sys.stdout))
    show(found.report, text, as_json=as_json)
    say("nothing was changed")
    return 1 if found.report.failed else 0
