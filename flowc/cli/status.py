"""`flowc status`: where streams are."""

from __future__ import annotations

import json
import sys

import click

from flowc.cli.arguments import environment_option, format_option, specs_and_names
from flowc.cli.console import out, say, style_for
from flowc.cli.onestream import known_stream
from flowc.cli.whole import prepare_whole
from flowc.render.streamstatus import status_failures, status_object, status_text
from flowc.service.streamstatus import stream_status


@click.command()
@click.argument("specs", nargs=-1, metavar="[SPECS]... [STREAM]...")
@format_option(what="one JSON list")
@environment_option
def command(specs: tuple[str, ...], form: str, environment: str | None) -> int:
    """Show where streams are: epochs, positions, lag, dead letters.

    Reads the stored positions and asks the brokers for the ends; interrupts nobody. With STREAMs, each partition is
    shown. What a running daemon does is told by its `/status` and `/metrics`. Exit code 1 when something could not be
    looked at.
    """
    paths, names = specs_and_names(specs)
    whole = prepare_whole(paths, environment)
    chosen = [known_stream(name, whole) for name in names] or list(whole.checked.project.streams)
    found = [stream_status(whole.checked, whole.ir, name, whole.sessions) for name in chosen]
    whole.sessions.close()
    if form == "json":
        out(json.dumps([status_object(status) for status in found], indent=2, ensure_ascii=False))
    elif found:
        out(status_text(found, style_for(sys.stdout), partitions=bool(names)))
        sys.stdout.flush()
        say(status_failures(found, style_for(sys.stderr)))
    else:
        say("no streams")
    return 1 if any(status.error for status in found) else 0
