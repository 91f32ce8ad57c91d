"""Pauses and resumes schedules."""

from __future__ import annotations

from collections.abc import Sequence

from flowc.service.runs.decisions import Scheduled
from flowc.service.runs.log import RunLog


def set_paused(log: RunLog, pipelines: Sequence[Scheduled], *, paused: bool) -> None:
    """Pauses or resumes the schedules of pipelines; one that no scheduler has seen yet begins with that."""
    begun = [(each.name, each.timing.schedule, each.timing.timezone) for each in pipelines]
    known = log.standings()
    log.begin_schedules([each for each in begun if each[0] not in known], log.now())
    for each in pipelines:
        while not log.change(log.standings()[each.name], {"paused": int(paused)}):
            pass  # a scheduler has changed it meanwhile
