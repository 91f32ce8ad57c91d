"""`flowc lint`: everything that can be known without connecting."""

from __future__ import annotations

import os
import sys

import click

from flowc.cli.arguments import environment_option, specs_only
from flowc.cli.console import out, say, style_for
from flowc.compiler import stages
from flowc.diagnostics import Reporter
from flowc.render.diagnostics import FORMATS, render, summary

# Formats that programs read: always a whole document, also when nothing was found.
_DOCUMENTS = ("json", "sarif")


@click.command()
@click.argument("specs", nargs=-1)
@click.option("--format", "form", type=click.Choice(tuple(FORMATS)), default="text", help="How to show what was found.")
@environment_option
def command(specs: tuple[str, ...], form: str, environment: str | None) -> int:
    """Check specs without connecting to anything.

    Schema, names, SQL, types and rules of SPECS (files or folders, default `specs`). Exit code 1 when there are errors.
    """
    reporter = Reporter()
    stages.lint(specs_only(specs), reporter, environment=environment, env=os.environ)
    found = reporter.sorted()
    if found or form in _DOCUMENTS:
        out(render(found, form, style_for(sys.stdout)))
    if form == "text" and found:
        say("")
    if form in ("text", "concise"):
        say(summary(found))
    return 1 if reporter.has_errors else 0
