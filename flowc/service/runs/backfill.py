"""What a range of due times still lacks: `flowc run NAME --from … --to … --missing`.

A load that is due at some time is about what came since the due time before. That part of its cursor is read again for
each due time that no run has succeeded for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from time import monotonic

from flowc.compiler.ir import Pipeline
from flowc.compiler.loads.identity import Identity
from flowc.compiler.loads.load import Reread, find_column
from flowc.durations import instant_text
from flowc.errors import UsageError
from flowc.schedule import Schedule
from flowc.service.loads.report import PipelineReport, RunReport, Status
from flowc.service.loads.run import Observer, Run, run_pipelines
from flowc.service.runs.log import RunLog
from flowc.types import Kind

_TIMES = (Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ)
MAX_SLOTS = 10_000
"""Due times of a pipeline that one command looks at."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A due time of a pipeline that nothing has succeeded for, and what is read for it."""

    pipeline: Pipeline
    since: datetime
    due_at: datetime

    @property
    def reread(self) -> Reread:
        """The part of the cursor."""
        return Reread(instant_text(self.since), instant_text(self.due_at))


def missing_slots(pipelines: Sequence[Pipeline], log: RunLog, since: datetime, upto: datetime) -> list[Slot]:
    """The due times after one instant and up to another that lack a success, of each pipeline the oldest first.

    What a pipeline reads of others is there before it begins, whenever these are due: all of theirs come first.
    Raises UsageError for a pipeline without a schedule, for a cursor that holds no times, and for more due times than
    one command looks at.
    """
    return [slot for pipeline in pipelines for slot in _missing(pipeline, log, since, min(upto, log.now()))]


def _missing(pipeline: Pipeline, log: RunLog, since: datetime, upto: datetime) -> Iterator[Slot]:
    if pipeline.timing is None:
        message = f"`{pipeline.name}` has no `schedule`, so that no time is missing"
        raise UsageError(message, code="conflicting-options", help="leave out `--missing`")
    _check_cursors(pipeline)
    schedule = Schedule(pipeline.timing.schedule, pipeline.timing.timezone)
    dues = schedule.between(since, upto, MAX_SLOTS + 1)
    if len(dues) > MAX_SLOTS:
        message = f"`{pipeline.name}` is due more than {MAX_SLOTS:,} times in that range"
        raise UsageError(message, code="unusable-option", help="give `--from` and `--to` a shorter range")
    done = log.successes(pipeline.name, since, upto)
    before = schedule.last(since) or since
    for due in dues:
        if due not in done:
            yield Slot(pipeline, before, due)
        before = due


def _check_cursors(pipeline: Pipeline) -> None:
    """Raises UsageError for one that holds no times, where a spec declares the table. Texts have too many forms."""
    for apply in pipeline.applies:
        table, incremental = apply.target.table, apply.incremental
        cursor = find_column(table.columns, incremental.column) if table and incremental else None
        if cursor is not None and cursor.type.kind not in _TIMES:
            message = f"`{pipeline.name}` reads on by `{cursor.name}`, a {cursor.type}, and no time"
            help = "leave out `--missing`, and give `--from` and `--to` values of that column"
            raise UsageError(message, code="conflicting-options", help=help)


def run_slots(run: Run, slots: Sequence[Slot], observed: Callable[[Slot], Observer]) -> RunReport:
    """Runs them in their order. One that fails keeps from running what reads that part of its pipeline's tables."""
    began, report, failed = monotonic(), RunReport(), list[Slot]()
    for slot in slots:
        name, watching = slot.pipeline.name, observed(slot)
        waits = next((each.pipeline.name for each in failed if _reads(slot, each)), None)
        if waits is None:
            identity = Identity(slot.due_at, run.checked.project.environment, slot.since)
            own = replace(
                run, pipelines=(slot.pipeline,), observer=watching, reread=slot.reread, identity=identity
            )  # fmt: skip
            done = run_pipelines(own).pipelines[0]
        else:
            done = PipelineReport(name, Status.SKIPPED, reason=f"because `{waits}` did not finish")
            watching.ended(done)
        done.due_at = slot.due_at
        report.pipelines.append(done)
        if done.status is not Status.OK:
            failed.append(slot)
    report.seconds = monotonic() - began
    return report


def _reads(slot: Slot, failed: Slot) -> bool:
    """Whether a slot is downstream of another one, and of times that this one is of."""
    return (
        failed.pipeline.name in slot.pipeline.depends_on and failed.since < slot.due_at and slot.since < failed.due_at
    )
