"""`flowc project`: the name under which databases keep what they know of a project."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from flowc.api.specs import specs_only
from flowc.cli.arguments import environment_option
from flowc.cli.asking import agreed
from flowc.cli.console import out, say, style_for
from flowc.cli.opened import open_project
from flowc.render.renaming import renaming_text, taking_text
from flowc.render.style import printable
from flowc.service.changes.renaming import Renaming
from flowc.service.changes.taking import taking


@click.group()
def command() -> None:
    """Give what databases keep of a project to its new name, or a table of it to another project."""


@command.command("take")
@click.argument("arguments", nargs=-1, metavar="[SPECS]... TABLE")
@click.option("--from", "of", metavar="PROJECT", help="Whose it is; needed where no project has applied it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@environment_option
def take(arguments: tuple[str, ...], of: str | None, yes: bool, environment: str | None) -> int:
    """Take TABLE over from the project that owns it: that leaves it alone from then on.

    TABLE is one of `tables:`, or CONNECTION.TABLE. With it go the watermarks, recorded runs and bad rows of the
    pipelines here that load it, and all that is kept of the streams here that write it, where they have the names that
    they had there. A stream of several tables goes on when all of them are taken: its state goes with the first one.
    The table and its rows stay as they are. Shows what there is and asks, unless `--yes` is given. Stop what loads the
    table first.
    """
    if not arguments:
        raise click.UsageError("say which table: `flowc project take TABLE`")
    *specs, name = arguments
    opened = open_project([Path(path) for path in specs_only(specs)], environment, "nothing was taken over")
    moved = taking(opened.checked, opened.ir, opened.sessions, name, of)
    try:
        moved.look()
        out(taking_text(moved, style_for(sys.stdout)))
        if not yes and not agreed(f"Take `{moved.subject}`?", "use `--yes`"):
            say("nothing was taken over")
            return 1
        moved.make()
        out(f"`{moved.subject}` is of project `{moved.new}` now")
    finally:
        moved.close()
    return 0


@command.command("rename")
@click.argument("arguments", nargs=-1, metavar="[SPECS]... OLD NEW")
@click.option("--yes", is_flag=True, help="Do not ask.")
@environment_option
def rename(arguments: tuple[str, ...], yes: bool, environment: str | None) -> int:
    """Give all that is kept of project OLD to the name NEW, which its specs have now.

    History, owned tables, watermarks, recorded runs, positions, state, dead letters and bad rows move: in each
    database in one transaction. Tables and their rows stay as they are. Shows what
    there is and asks, unless `--yes` is given. Stop the workers of OLD first: one that still runs is fenced.
    """
    if len(arguments) < 2:
        raise click.UsageError("say two names: `flowc project rename OLD NEW`")
    *specs, old, new = arguments
    opened = open_project([Path(path) for path in specs_only(specs)], environment, "nothing was renamed")
    renaming = Renaming(opened.checked, opened.ir, opened.sessions, old, new)
    try:
        renaming.look()
        out(renaming_text(renaming, style_for(sys.stdout)))
        if not yes and not agreed(printable(f"Give it from `{old}` to `{new}`?"), "use `--yes`"):
            say("nothing was renamed")
            return 1
        renaming.make()
        out(printable(f"`{old}` is `{new}` now"))
    finally:
        renaming.close()
    return 0
