"""`flowc rewind`: a stream reads again, or skips."""

from __future__ import annotations

import sys

import click

from flowc.cli.arguments import environment_option
from flowc.cli.asking import agreed
from flowc.cli.console import out, say, style_for
from flowc.cli.onestream import one_stream
from flowc.render.rewinding import moved_text, rewind_text
from flowc.service.rewinding import prepare_rewind


@click.command()
@click.argument("specs", nargs=-1, metavar="[SPECS]... STREAM")
@click.option("--to", required=True, metavar="PLACE", help="A time, PARTITION:OFFSET,…, `earliest` or `latest`.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@environment_option
def command(specs: tuple[str, ...], to: str, yes: bool, environment: str | None) -> int:
    """Move a stream to another place of its sources, its state with it.

    PLACE is a time with its zone, for instance 2026-01-31T00:00:00Z, or offsets, for instance 0:1500,1:1400 (with
    several sources events:0:1500); partitions that are not named stay. Targets with `mode: merge` are the same after
    all is read again; others hold rows twice. A place further on skips what is before it. Shows what would happen and
    asks, unless `--yes` is given. What the stream remembers begins anew.
    """
    whole, name = one_stream(specs, environment, "rewind")
    rewind = prepare_rewind(whole.checked, whole.ir, name, whole.sessions, to)
    try:
        out(rewind_text(rewind, style_for(sys.stdout)))
        if not yes and not agreed(f"Move `{name}`?", "use `--yes`"):
            say("nothing was moved")
            return 1
        rewind.make()
        out(moved_text(rewind))
    finally:
        rewind.close()
        whole.sessions.close()
    return 0
