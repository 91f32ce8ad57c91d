"""How a worker on another machine takes over the run that a scheduler has handed on to it."""

from __future__ import annotations

from collections.abc import Sequence

from flowc.errors import UsageError
from flowc.service.runs.decisions import Scheduled, Start
from flowc.service.runs.log import RunLog
from flowc.service.runs.records import RUNNING, Claim, Reason, RunRecord, Standing

TAKEN = "run-taken"
"""The code of a run that is over, or another one's."""


def take(log: RunLog, run: str, pipelines: Sequence[Scheduled]) -> tuple[Start, Claim]:
    """Makes the owner of the run log the one that does a run.

    Raises UsageError for a run that is over or another worker's, and for one of a pipeline that is not known here.
    """
    found = next((each for each in log.find(run) if each.id == run), None)
    if found is None:
        raise _refused(run, "the run log of this project does not know it")
    if found.status != RUNNING:
        raise _refused(run, f"it is over: `{found.status}`")
    if not found.awaits():
        raise _refused(run, "another worker does it")
    pipeline = next((each for each in pipelines if each.name == found.pipeline), None)
    if pipeline is None:
        message = f"run {run} is of pipeline `{found.pipeline}`, and the specs here have none of that name to schedule"
        raise UsageError(message, code="unknown-pipeline", help="give the worker the specs that the scheduler has")
    standing = log.standings().get(found.pipeline)
    if standing is None or found.due_at is None or not log.take_over(found):
        raise _refused(run, "it was given up, or another worker was faster")
    return _taken(found, standing, pipeline)


def _taken(run: RunRecord, standing: Standing, pipeline: Scheduled) -> tuple[Start, Claim]:
    reason: Reason = "retry" if run.attempt > 1 else "schedule"
    due = run.due_at or run.started_at
    claim = Claim(run.id, run.pipeline, due, run.attempt, reason)
    return Start(pipeline, standing, due, run.attempt, reason), claim


def _refused(run: str, why: str) -> UsageError:
    help = "nothing is to be done: a scheduler begins what is due anew"
    return UsageError(f"run {run} is not for this worker: {why}", code=TAKEN, help=help)
