"""`flowc status`: where streams and incremental loads are."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from flowc.cli.alerting import fresh_now
from flowc.cli.arguments import environment_option, format_option, run_log_option, specs_and_names
from flowc.cli.console import out, say, style_for
from flowc.cli.onestream import known_stream
from flowc.cli.opened import OpenProject, open_project
from flowc.cli.scheduling import due_now
from flowc.controls import json_text
from flowc.render.freshness import freshness_object, freshness_text
from flowc.render.resets import standing_failures, standing_object, standings_text
from flowc.render.runs import schedule_object, schedules_text
from flowc.render.streamstatus import status_failures, status_object, status_text
from flowc.service.alerts.standing import FreshnessStanding
from flowc.service.loads.resets import Standing, standings
from flowc.service.runs.due import Due

if TYPE_CHECKING:
    from flowc.service.streams.status import StreamStatus


@click.command()
@click.argument("specs", nargs=-1, metavar="[SPECS]... [NAME]...")
@format_option(what="one JSON list")
@environment_option
@run_log_option
def command(specs: tuple[str, ...], form: str, environment: str | None, run_log: str | None) -> int:
    """Show where streams are (positions, lag, dead letters), watermarks of loads, what is due, and what is fresh.

    Reads the stored positions and asks the brokers for the ends; interrupts nobody. How fresh tables are is what a
    daemon, `run-due` or a scheduler found when it looked last. With names of streams, each
    partition is shown. What a running daemon does is told by its `/status` and `/metrics`. Exit code 1 when something
    could not be looked at.
    """
    paths, names = specs_and_names(specs)
    opened = open_project(paths, environment, "nothing was looked at", names=names)
    found, loads = _looked(opened, opened.names)
    schedules, fresh = due_now(opened, run_log), fresh_now(opened, run_log)
    opened.sessions.close()
    if form == "json":
        shown = [*map(status_object, found), *map(standing_object, loads), *map(schedule_object, schedules or ())]
        out(json_text([*shown, *map(freshness_object, fresh or ())]))
    else:
        _show(found, loads, schedules, fresh, partitions=bool(names))
    unseen = schedules is None or fresh is None
    return 1 if unseen or any(at.error for at in found) or any(at.error for at in loads) else 0


def _looked(opened: OpenProject, names: Sequence[str]) -> tuple[Sequence[StreamStatus], Sequence[Standing]]:
    pipelines = [each for each in opened.ir.pipelines if not names or each.name in names]
    loads = {each.name for each in pipelines}
    streams = [known_stream(name, opened) for name in names if name not in loads] or (
        [] if names else list(opened.checked.project.streams)
    )
    return _streams_looked(opened, streams) if streams else (), standings(pipelines, opened.sessions)


def _streams_looked(opened: OpenProject, names: Sequence[str]) -> Sequence[StreamStatus]:
    """The streams as they are. What runs streams is loaded for this alone."""
    from flowc.service.streams.status import stream_status

    return [stream_status(opened.checked, opened.ir, name, opened.sessions) for name in names]


def _show(
    found: Sequence[StreamStatus], loads: Sequence[Standing], schedules: Sequence[Due] | None,
    fresh: Sequence[FreshnessStanding] | None, *, partitions: bool,
) -> None:  # fmt: skip
    style = style_for(sys.stdout)
    texts = [status_text(found, style, partitions=partitions)] if found else []
    texts += [standings_text(loads, style)] if loads else []
    texts += [schedules_text(schedules, style)] if schedules else []
    texts += [freshness_text(fresh, style)] if fresh else []
    out("\n\n".join(texts))
    sys.stdout.flush()
    failures = (status_failures(found, style_for(sys.stderr)), standing_failures(loads, style_for(sys.stderr)))
    nothing = "" if schedules is None else "no streams, no incremental loads and no schedules"
    say("\n\n".join(filter(None, failures)) if texts else nothing)
