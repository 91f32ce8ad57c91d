"""`flowc lint`: everything that can be known without connecting."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import click

from flowc.cli.arguments import environment_option, format_option, specs_only
from flowc.cli.console import out, say, style_for
from flowc.compiler import stages
from flowc.compiler.front.spec import Name
from flowc.compiler.front.specfiles import specs_around
from flowc.compiler.migrationlint.files import holds_migrations, read_migrations
from flowc.diagnostics import Reporter, did_you_mean, disabled_in
from flowc.render.diagnostics import FORMATS, render, rooted, summary
from flowc.render.pages import codes, page
from flowc.service.checking import checker
from flowc.service.planning import refuse_unplannable

# Formats that programs read: always a whole document, also when nothing was found.
_DOCUMENTS = ("json", "sarif")
# Formats of code hosts, which know files by their paths in the repository.
_ATTACHED = ("github", "sarif")
_DIALECTS = ("postgres", "mysql", "mariadb", "sqlite", "duckdb")


def _version(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    """`10.11` as numbers."""
    if value is None:
        return None
    if not re.fullmatch(r"\d{1,4}(\.\d{1,4}){0,3}", value):
        raise click.BadParameter("write numbers with dots, for instance 14 or 10.11")
    return tuple(int(part) for part in value.split("."))


@click.command()
@click.argument("specs", nargs=-1)
@format_option(*(form for form in FORMATS if form not in ("text", "json")), what="one JSON list")
@click.option("--dialect", type=click.Choice(_DIALECTS), default="postgres", help="What `.sql` files are written for.")
@click.option(
    "--in-transaction/--no-transaction",
    "around",
    default=None,
    help="Whether what runs a `.sql` file puts it into a transaction.",
)
@click.option("--server-version", "version", callback=_version, help="The version of the server, for instance 14.")
@environment_option
def command(
    specs: tuple[str, ...],
    form: str,
    dialect: str,
    around: bool | None,
    version: tuple[int, ...] | None,
    environment: str | None,
) -> int:
    """Check specs and migrations without connecting to anything.

    Schema, names, SQL, types and rules of SPECS (files or folders, default `specs`). A `.sql` file, or a folder of
    them without YAML, is read as migrations: what they would lock, lose or break. Exit code 1 when there are errors.
    """
    reporter = Reporter()
    paths = specs_only(specs)
    migrations = [path for path in paths if holds_migrations(path)]
    if projects := [path for path in paths if path not in migrations]:
        linted = stages.lint(projects, reporter, environment=environment, env=os.environ, checker=checker())
        if linted:
            refuse_unplannable(*linted, reporter)
        _check_disabled(linted[0].project.disabled if linted else (), reporter)
    for files in read_migrations(migrations, reporter):
        _check_disabled([code for file in files for code in disabled_in(file)], reporter)
        # Loaded when there are migrations: it takes a tenth of the time of linting a spec.
        rules = import_module("flowc.compiler.migrationlint.lint")
        for found in rules.lint_migrations(files, dialect, in_transaction=around, server_version=version):
            reporter.add(found)
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
