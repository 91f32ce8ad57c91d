"""`flowc lint`: everything that can be known without connecting."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from flowc.api.checking import findings
from flowc.api.linted import Where
from flowc.api.specs import specs_only
from flowc.cli.arguments import environment_option, format_option
from flowc.cli.console import conceal, out, say, style_for
from flowc.compiler.front.specfiles import specs_around
from flowc.masker import Masker
from flowc.render.diagnostics import FORMATS, render, rooted, summary
from flowc.service.checking import checker

# Formats that programs read: always a whole document, also when nothing was found.
_DOCUMENTS = ("json", "sarif")
# Formats of code hosts, which know files by their paths in the repository.
_ATTACHED = ("github", "sarif")


@click.command()
@click.argument("specs", nargs=-1)
@format_option(*(form for form in FORMATS if form not in ("text", "json")), what="one JSON list")
@environment_option
def command(specs: tuple[str, ...], form: str, environment: str | None) -> int:
    """Check specs without connecting to anything.

    Schema, names, SQL, types and rules of SPECS (files or folders, default `specs`). Exit code 1 when there are errors.
    """
    found = findings(Where(specs_only(specs), environment, conceal(Masker())), checker(own=True))
    problems = found.diagnostics
    if form in _ATTACHED:
        problems = tuple(rooted(problems, _repository()))
    if problems or form in _DOCUMENTS:
        out(render(problems, form, style_for(sys.stdout)))
    if form == "text" and problems:
        say("")
    if form in ("text", "concise"):
        say(summary(problems))
    return 0 if found.ok else 1


def _repository() -> Path:
    """The root of the repository around the working folder, else that of the project, else the working folder."""
    here = Path.cwd()
    root = next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), None)
    specs = specs_around(here) if root is None else None
    return root or (specs.parent if specs else here)
