"""`flowc drift`: what changed in databases outside flowc."""

from __future__ import annotations

import sys

import click

from flowc.api.specs import specs_only
from flowc.cli.arguments import environment_option, format_option
from flowc.cli.console import out, style_for
from flowc.cli.opened import open_project
from flowc.controls import json_text
from flowc.render.migration import drift_text
from flowc.render.migration_json import migration_object
from flowc.service.changes.drift import find_drift
from flowc.service.changes.plans import plan_hash


@click.command()
@click.argument("specs", nargs=-1)
@click.option("--ignore", multiple=True, metavar="PATTERN", help="Objects that do not count, like `wh.public.tmp_*`.")
@format_option()
@environment_option
def command(specs: tuple[str, ...], ignore: tuple[str, ...], form: str, environment: str | None) -> int:
    """Show what changed in databases since the last apply, and not by flowc.

    Compares the live tables with what was applied last, and shows the statements that would make the same change.
    Reads only. Exit code 1 when there is drift.
    """
    opened = open_project(specs_only(specs), environment, "nothing was compared")
    found = find_drift(opened.checked, opened.ir, opened.sessions, ignore)
    opened.sessions.close()
    if form == "json":
        out(json_text(migration_object(found, plan_hash(found))))
    else:
        out(drift_text(found, style_for(sys.stdout)))
    return 1 if found.changes else 0
