"""`flowc validate`: pipelines against the live systems."""

from __future__ import annotations

import os
import sys

import click

from flowc.cli.arguments import environment_option, format_option, specs_and_names
from flowc.cli.console import out, style_for
from flowc.cli.opened import open_pipelines
from flowc.cli.progress import Progress
from flowc.render.validations import validations_json, validations_text
from flowc.service.loads.run import Run
from flowc.service.loads.validation import validate


@click.command()
@click.argument("arguments", nargs=-1, metavar="[SPECS]... [NAME]...")
@click.option("--explain", is_flag=True, help="Show the engine's plan of each source query.")
@format_option(what="one JSON list")
@environment_option
def command(arguments: tuple[str, ...], explain: bool, form: str, environment: str | None) -> int:
    """Check pipelines against the live systems.

    Connects, runs EXPLAIN on each source, and compares each target with its declaration. Changes nothing. Exit code 1
    when a pipeline could not run as things are.
    """
    paths, names = specs_and_names(arguments)
    opened = open_pipelines(paths, names, environment, "nothing was validated")
    found = validate(Run(opened.checked, opened.pipelines, opened.sessions, Progress(), env=os.environ))
    out(validations_json(found) if form == "json" else validations_text(found, style_for(sys.stdout), explain=explain))
    return 1 if opened.broken or not all(validation.ok for validation in found) else 0
