"""`flowc lint`: everything that can be known without connecting."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from flowc.cli.arguments import environment_option, format_option, specs_only
from flowc.cli.console import out, say, style_for
from flowc.compiler import stages
from flowc.compiler.front.spec import Name
from flowc.compiler.front.specfiles import specs_around
from flowc.diagnostics import Reporter, did_you_mean
from flowc.render.diagnostics import FORMATS, render, rooted, summary
from flowc.render.pages import codes, page
from flowc.service.checking import checker
from flowc.service.loads.planning import refuse_unplannable

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
    reporter = Reporter()
    linted = stages.lint(specs_only(specs), reporter, environment=environment, env=os.environ, checker=checker())
    if linted:
        refuse_unplannable(*linted, reporter)
    _check_disabled(linted[0].project.disabled if linted else (), reporter)
    problems = reporter.sorted()
    if form in _ATTACHED:
        problems = rooted(problems, _repository())
    if problems or form in _DOCUMENTS:
        out(render(problems, form, style_for(sys.stdout)))
    if form == "text" and problems:
        say("")
    if form in ("text", "concise"):
        say(summary(problems))
    return 1 if reporter.has_errors else 0


def _repository() -> Path:
    """The root of the repository around the working folder, else that of the project, else the working folder."""
    here = Path.cwd()
    root = next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), None)
    specs = specs_around(here) if root is None else None
    return root or (specs.parent if specs else here)


def _check_disabled(disabled: Sequence[Name], reporter: Reporter) -> None:
    """A misspelled code, or that of an error, would disable nothing, without a word."""
    for code in disabled:
        found = page(code.value)
        if found is None:
            helps = did_you_mean(code.value, codes()) or ("list all codes with `flowc explain`",)
            reporter.warning("unknown-code", f"there is no code `{code.value}`", code.span, helps=helps)
        elif found.is_error:
            message = f"`{code.value}` is an error, and only warnings can be disabled"
            helps = ("leave it out, and mend what it tells",)
            reporter.warning("error-not-disabled", message, code.span, helps=helps)
