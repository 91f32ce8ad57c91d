"""`flowc project`: the name under which databases keep what they know of a project."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from flowc.cli.arguments import environment_option, specs_only
from flowc.cli.asking import agreed
from flowc.cli.console import out, say, style_for
from flowc.cli.whole import prepare_whole
from flowc.render.renaming import renaming_text
from flowc.render.style import printable
from flowc.service.renaming import Renaming

_NOBODY = "-"


@click.group()
def command() -> None:
    """Give what databases keep of a project to its new name."""


@command.command("rename")
@click.argument("arguments", nargs=-1, metavar="[SPECS]... OLD NEW")
@click.option("--yes", is_flag=True, help="Do not ask.")
@environment_option
def rename(arguments: tuple[str, ...], yes: bool, environment: str | None) -> int:
    """Give all that is kept of project OLD to the name NEW, which its specs have now.

    History, owned tables, watermarks, positions, state, and dead letters move: in each database in one transaction.
    Tables and their rows stay as they are. OLD may be `-`: what an older version of flowc left without a name. Shows
    what there is and asks, unless `--yes` is given. Stop the workers of OLD first: one that still runs is fenced.
    """
    if len(arguments) < 2:
        raise click.UsageError("say two names: `flowc project rename OLD NEW`")
    *specs, old, new = arguments
    whole = prepare_whole([Path(path) for path in specs_only(specs)], environment)
    renaming = Renaming(whole.checked, whole.ir, whole.sessions, "" if old == _NOBODY else old, new)
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
