"""Schedules that were edited since a scheduler saw them last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from flowc.compiler.front.project import ProjectSpec
from flowc.compiler.ir import Ir
from flowc.service.access.secrets import Resolver
from flowc.service.runs.decisions import Scheduled
from flowc.service.runs.due import scheduled
from flowc.service.runs.opening import run_log
from flowc.service.runs.records import Standing


@dataclass(frozen=True, slots=True)
class ScheduleEdit:
    """A schedule that becomes another one with the next look of a scheduler."""

    pipeline: str
    before: str
    after: str
    next_due: datetime | None = None


def edited(project: ProjectSpec, ir: Ir, resolver: Resolver) -> list[ScheduleEdit]:
    """What a scheduler will find edited, by the run log of the project.

    Raises FlowcError where the run log cannot be read.
    """
    log = run_log(project, resolver, looks=True)
    try:
        return list(schedule_edits(scheduled(ir.pipelines), log.standings(), log.now()))
    finally:
        log.close()


def schedule_edits(
    pipelines: Sequence[Scheduled], standings: Mapping[str, Standing], now: datetime
) -> Iterator[ScheduleEdit]:
    """What is edited. By an edited one nothing runs that was due before now."""
    for each in pipelines:
        at = standings.get(each.name)
        after = _words(each.timing.schedule, each.timing.timezone)
        if at is not None and not at.damaged and (before := _words(at.expression, at.timezone)) != after:
            yield ScheduleEdit(each.name, before, after, each.schedule.after(now))


def _words(expression: str, timezone: str) -> str:
    return f"{expression} ({timezone})"
