"""`flowc preview`: a run of one pipeline that changes nothing, or a look at one stream."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from flowc.api.linted import Where, stream_names
from flowc.cli.arguments import environment_option, format_option, specs_and_names
from flowc.cli.console import out, say, style_for
from flowc.cli.onestream import only_one
from flowc.cli.opened import names_before, one, open_pipelines, open_project
from flowc.cli.progress import progress
from flowc.cli.report import show
from flowc.render.loads import preview_json, preview_text
from flowc.service.loads.run import Run, preview

_UNDONE = "nothing was read"
_EXAMPLE = "for instance `flowc preview sync_customers`"


@click.command()
@click.argument("arguments", nargs=-1, metavar="[SPECS]... NAME")
@click.option("--rows", type=click.IntRange(0, 1_000_000), default=10, show_default=True, help="How many rows to show.")
@click.option(
    "--limit", type=click.IntRange(1, 1_000_000), default=100, show_default=True,
    help="Of a stream: how many messages of each source to read.",
)  # fmt: skip
@format_option()
@environment_option
def command(arguments: tuple[str, ...], rows: int, limit: int, form: str, environment: str | None) -> int:
    """Run one pipeline in a transaction that is rolled back.

    Shows some rows as they would be in the target, with what they would change, and what a run would insert, update and
    delete. `before` and `after` run too, and are rolled back with the rest. Exit code 1 when the run would fail.

    Of a stream, reads some messages of its sources, the first ones or those from its `start`, and shows the rows that
    they become, the messages that become none, and the columns. Joins no group, stores no position, and opens neither
    targets nor state. Exit code 1 when a message is bad.
    """
    paths, given = specs_and_names(arguments)
    only_one(given, given, "preview", "pipeline", _EXAMPLE)
    names = names_before(paths, given, environment, _UNDONE)
    name = only_one(names, given, "preview", "pipeline", _EXAMPLE)
    if name in stream_names(Where(paths, environment)):
        return _look(paths, name, environment, rows=rows, limit=limit, as_json=form == "json")
    opened = open_pipelines(paths, names, environment, _UNDONE)
    with progress() as observer:
        run = Run(opened.checked, opened.pipelines, opened.sessions, observer, env=os.environ)
        found = preview(run, one(opened, name), rows)
    text = preview_json(found, rows) if form == "json" else preview_text(found, style_for(sys.stdout), rows)
    show(found, text, as_json=form == "json")
    say("nothing was changed")
    return 1 if found.failed else 0


def _look(paths: Sequence[Path], name: str, environment: str | None, *, rows: int, limit: int, as_json: bool) -> int:
    opened = open_project(paths, environment, _UNDONE)
    service = importlib.import_module("flowc.service.streams.previews")
    render = importlib.import_module("flowc.render.streampreviews")
    try:
        found = service.preview_stream(opened.checked, opened.ir, name, opened.sessions, limit)
    finally:
        opened.sessions.close()
    if as_json:
        out(render.stream_preview_json(found, rows))
    else:
        out(render.stream_preview_text(found, rows, style_for(sys.stdout)))
    say("nothing was changed")
    return 1 if found.bad else 0
