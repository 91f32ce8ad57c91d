"""`flowc rewind`: a stream or a load reads again, or skips."""

from __future__ import annotations

import sys

import click

from flowc.cli.arguments import environment_option
from flowc.cli.asking import agreed
from flowc.cli.console import out, say, style_for
from flowc.cli.onestream import known_stream, one_of
from flowc.cli.opened import OpenProject
from flowc.compiler.ir import Pipeline
from flowc.render.resets import moves_text
from flowc.render.rewinding import moved_text, rewind_text
from flowc.render.style import printable
from flowc.service.loads.resets import make_moves, plan_moves
from flowc.service.streams.rewinding import prepare_rewind


@click.command()
@click.argument("specs", nargs=-1, metavar="[SPECS]... NAME")
@click.option(
    "--to",
    required=True,
    metavar="PLACE",
    help="A time, PARTITION:OFFSET,…, `earliest`, `latest`, `held`, `current`, a cursor.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@environment_option
def command(specs: tuple[str, ...], to: str, yes: bool, environment: str | None) -> int:
    """Move a stream to another place of its sources, or a load to another watermark.

    Of a stream, PLACE is a time with its zone, for instance 2026-01-31T00:00:00Z, or offsets, for instance
    0:1500,1:1400 (with several sources events:0:1500); partitions that are not named stay. Targets with `mode: merge`
    are the same after all is read again; others hold rows twice. A place further on skips what is before it. Its
    state goes with it: what the stream remembers begins anew, and windows and joins see only what is behind the place.

    Where a target lost rows, or the state is gone, `held` goes back to what every target holds, and `current` goes on
    from where the stream stands, without the rows that a target lacks.

    Of a load, PLACE is a value of its cursor, from which the next run reads on, or `earliest`, which forgets the
    watermark. Rows that are there already are not loaded twice.

    Shows what would happen and asks, unless `--yes` is given.
    """
    opened, name = one_of(specs, environment, "rewind", "nothing was moved")
    pipeline = opened.ir.pipeline(name)
    try:
        if pipeline is not None:
            return _load(opened, pipeline, to, yes=yes)
        return _stream(opened, known_stream(name, opened), to, yes=yes)
    finally:
        opened.sessions.close()


def _load(opened: OpenProject, pipeline: Pipeline, to: str, *, yes: bool) -> int:
    moves = plan_moves(pipeline, opened.sessions, to)
    out(moves_text(moves))
    if not yes and not agreed(f"Move `{pipeline.name}`?", "use `--yes`"):
        say("nothing was moved")
        return 1
    make_moves(moves, opened.sessions)
    out(printable(f"{pipeline.name}: moved"))
    return 0


def _stream(opened: OpenProject, name: str, to: str, *, yes: bool) -> int:
    rewind = prepare_rewind(opened.checked, opened.ir, name, sessions=opened.sessions, to=to)
    try:
        out(rewind_text(rewind, style_for(sys.stdout)))
        if not yes and not agreed(f"Move `{name}`?", "use `--yes`"):
            say("nothing was moved")
            return 1
        rewind.make()
        out(moved_text(rewind))
    finally:
        rewind.close()
    return 0
