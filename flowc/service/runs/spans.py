"""The span of a run of a pipeline: what is said of it."""

from __future__ import annotations

from datetime import datetime

from flowc.runtime.tracing import Span
from flowc.service.runs.records import OK, Outcome, Reason


def run_span(
    above: Span, pipeline: str, run: str, *, reason: Reason, attempt: int = 1, due_at: datetime | None = None
) -> Span:
    """A run begins."""
    said: dict[str, str | int] = {
        "flowc.pipeline": pipeline, "flowc.run.id": run, "flowc.run.reason": reason, "flowc.run.attempt": attempt,
    }  # fmt: skip
    if due_at is not None:
        said["flowc.run.due"] = due_at.isoformat()
    return above.child(f"run {pipeline}", said)


def end_run_span(span: Span, outcome: Outcome) -> None:
    """A run has ended. What its error says may hold values of rows: the run log has it, the trace its code alone."""
    counts = {f"flowc.{name}": number for name, number in outcome.counts.items()}
    error = None if outcome.status == OK else outcome.error_code or outcome.status
    span.end({"flowc.run.status": outcome.status, **counts}, error)
