"""What the commands that tell alerts share: who is told, and who watches over what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from flowc.api.choosing import expand
from flowc.cli.console import say
from flowc.cli.eventlog import Log
from flowc.cli.opened import OpenProject
from flowc.cli.sending import place_of, sender_of
from flowc.compiler.front.alerts import AlertSpec
from flowc.compiler.ir import Pipeline
from flowc.errors import FlowcError
from flowc.service.access.sessions import Sessions
from flowc.service.alerts.delivery import Alerter
from flowc.service.alerts.freshness import Asker, watched
from flowc.service.alerts.kept import Kept
from flowc.service.alerts.outage import Outage, mark_of
from flowc.service.alerts.standing import FreshnessStanding, freshness_standings
from flowc.service.alerts.streams import StreamState
from flowc.service.alerts.told import Telling
from flowc.service.daemon.stats import Event
from flowc.service.runs.opening import run_log

_LOCK_WAIT = 10.0
"""Seconds that a look at a table waits for locks of others."""


def telling_of(
    opened: OpenProject,
    pipelines: Sequence[Pipeline],
    environment: str | None,
    log: Log,
    *,
    given_log: str | None = None,
    streams: Callable[[], Sequence[StreamState]] | None = None,
    at_end: bool = False,
    now: datetime | None = None,
) -> Telling:
    """Who tells alerts of a process that has chosen these pipelines and streams. It has yet to be started.

    Raises UsageError for a selector of an alert that chooses nothing.
    """
    project = opened.checked.project

    def warned(words: str) -> None:
        log(Event("warning", words))

    runs = run_log(project, opened.sessions.resolver, given_log)
    told = Telling(
        place_of(project, environment),
        [
            Alerter(spec, sender_of(spec, opened.sessions.resolver), warned, _subjects(spec, opened))
            for spec in project.alerts.values()
        ],
        Kept(runs, warned, now),
        warned,
        streams if project.alerts else None,
        at_end=at_end,
        outage=Outage(mark_of(Path(project.root), runs.project, given_log)),
        noted=lambda words: log(Event("info", words)),
    )
    fresh = watched(pipelines)
    if fresh:
        told.asker = Asker(fresh, lambda: _sessions(opened), told.answered, warned)
    return told


def _sessions(opened: OpenProject) -> Sessions:
    project = opened.checked.project
    return Sessions(project.connections, opened.sessions.resolver, project.name, _LOCK_WAIT)


def _subjects(spec: AlertSpec, opened: OpenProject) -> frozenset[str] | None:
    chosen = [name.value for name in spec.only]
    return frozenset(expand(chosen, opened.checked, opened.ir)) if chosen else None


def fresh_now(opened: OpenProject, given_log: str | None) -> list[FreshnessStanding] | None:
    """How fresh tables are by the run log; None, and a word, where it says nothing."""
    chosen = [p for p in opened.ir.pipelines if p.freshness and (not opened.names or p.name in opened.names)]
    if not chosen:
        return []
    log = run_log(opened.checked.project, opened.sessions.resolver, given_log, looks=True)
    try:
        return freshness_standings(chosen, log.conditions(), log.now())
    except FlowcError as error:
        say(f"warning: how fresh tables are is not known: {error.message}")
        return None
    finally:
        log.close()
