"""The pipelines of a project that have schedules, and where each of these is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from flowc.compiler.dialects import dialect_of
from flowc.durations import instant_text
from flowc.service.loads.planning import connections
from flowc.service.runs.decisions import Limits, Scheduled, Waiting, next_due
from flowc.service.runs.records import OK, Standing

if TYPE_CHECKING:
    from flowc.compiler.front.project import ProjectSpec
    from flowc.compiler.ir import Pipeline
    from flowc.service.runs.log import RunLog


@dataclass(frozen=True, slots=True)
class Due:
    """A schedule, as people look at it. `state` says what goes on, or what it waits for."""

    pipeline: str
    expression: str
    timezone: str
    state: str
    next_due: datetime | None = None
    succeeded_at: datetime | None = None
    paused: bool = False
    run_id: str | None = None
    attempt: int = 0


def scheduled(pipelines: Sequence[Pipeline]) -> tuple[Scheduled, ...]:
    """Those of the pipelines that have a schedule, in their order."""
    return tuple(
        Scheduled(pipeline.name, pipeline.timing, pipeline.depends_on, connections_of(pipeline))
        for pipeline in pipelines
        if pipeline.timing is not None
    )


def limits_of(project: ProjectSpec) -> Limits:
    """How many runs may go on at a time."""
    given = project.concurrency
    alone = {name: 1 for name, spec in project.connections.items() if dialect_of(spec.kind.value).sharing.one_writer}
    return Limits(given.runs or Limits().runs, alone | {name.value: most for name, most in given.connections})


def connections_of(pipeline: Pipeline) -> frozenset[str]:
    """The connections that a pipeline uses."""
    read = (name for apply in pipeline.applies for name in connections(apply.input))
    return frozenset((*read, *(apply.target.connection for apply in pipeline.applies)))


def dues(
    pipelines: Sequence[Scheduled], standings: Mapping[str, Standing], waiting: Sequence[Waiting], now: datetime
) -> list[Due]:
    """Where each schedule is; one that no scheduler has seen begins when one does."""
    waits = {each.standing.pipeline: each for each in waiting}
    return [_due(each, standings.get(each.name), waits.get(each.name), now) for each in pipelines]


def _due(pipeline: Scheduled, at: Standing | None, waits: Waiting | None, now: datetime) -> Due:
    timing = pipeline.timing
    if at is not None and at.damaged:
        state = f"damaged in the run log: {', '.join(at.damaged)}"
        return Due(pipeline.name, timing.schedule, timing.timezone, state)
    if at is None or (at.expression, at.timezone) != (timing.schedule, timing.timezone):
        state = "begins with the next scheduler" if at is None else "edited: begins anew with the next scheduler"
        return Due(pipeline.name, timing.schedule, timing.timezone, state, pipeline.schedule.after(now))
    due = at.due_at or next_due(pipeline, at, now)
    return Due(
        pipeline.name, timing.schedule, timing.timezone, state=_state(at, waits, due, now), next_due=due,
        succeeded_at=at.succeeded_at, paused=at.paused, run_id=at.run_id, attempt=at.attempt,
    )  # fmt: skip


def _state(at: Standing, waits: Waiting | None, due: datetime | None, now: datetime) -> str:
    if at.run_id is not None:
        return f"running, attempt {at.attempt}" if not at.expired else "lost: gives no sign of life"
    if at.paused:
        return "paused"
    if waits is not None:
        return f"waits: {waits.reason}"
    if due is None:
        return "never due again"
    if at.due_at is not None and at.retry_at is not None and now < at.retry_at:
        return f"waits: tried again at {instant_text(at.retry_at.replace(microsecond=0))}"
    return "due" if due <= now else "failing" if at.failing else "fine"


def with_successes(found: Sequence[Due], log: RunLog) -> list[Due]:
    """The schedules, with the last success by hand of those for which no due time has succeeded."""
    names = [each.pipeline for each in found if each.succeeded_at is None]
    newest = log.newest(names, 1, status=OK)
    began = {name: runs[0].started_at for name, runs in newest.items() if runs}
    return [replace(each, succeeded_at=each.succeeded_at or began.get(each.pipeline)) for each in found]
