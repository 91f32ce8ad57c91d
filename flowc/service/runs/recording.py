"""Records runs of pipelines that no schedule asked for, as they go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from flowc.errors import FlowcError
from flowc.runtime.loads.load import LoadProgress
from flowc.runtime.tracing import NO_SPAN, Span
from flowc.service.loads.report import PipelineReport
from flowc.service.loads.run import Observer
from flowc.service.runs.executors import outcome_of_pipelines
from flowc.service.runs.log import RunLog, run_id
from flowc.service.runs.records import CANCELLED, OK, RUNNING, Outcome, Reason, RunRecord
from flowc.service.runs.spans import end_run_span, run_span


@dataclass
class Recorded:
    """Tells a run log what an observer of a run is told. `describe` makes the report of a pipeline plain.

    A run log that cannot be written is `warned` of once, and the work goes on.
    """

    observer: Observer
    log: RunLog
    describe: Callable[[PipelineReport], Mapping[str, Any]]
    warned: Callable[[FlowcError], None]
    reason: Reason = "manual"
    whole: bool = True
    """Whether runs read all that is new, so that nothing which was due before they began is left to do."""
    part: tuple[datetime, datetime] | None = None
    """Of runs that read what one due time is about: the one before, and itself."""
    span: Span = NO_SPAN
    """Below which runs are traced."""
    _spans: dict[str, Span] = field(default_factory=dict)
    _begun: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    _silent: bool = False

    def started(self, pipeline: str, target: str) -> None:
        """A load begins, the first of a pipeline or a further one."""
        self.observer.started(pipeline, target)
        if pipeline not in self._begun:
            self._begin(pipeline)

    def progressed(self, progress: LoadProgress) -> None:
        """Rows have moved."""
        self.observer.progressed(progress)

    def ended(self, pipeline: PipelineReport) -> None:
        """A pipeline is done, or was not begun at all."""
        self.observer.ended(pipeline)
        if pipeline.name not in self._begun:
            self._begin(pipeline.name)
        run, began = self._begun.pop(pipeline.name)
        outcome = outcome_of_pipelines([self.describe(pipeline)], str(pipeline.status))

        end_run_span(self._spans.pop(pipeline.name), outcome)

        def end() -> None:
            self.log.end(run, outcome, self.log.now())
            if outcome.status == OK and self.whole:
                self.log.succeeded(pipeline.name, began)
            elif outcome.status == OK and self.part is not None:
                after, due = self.part
                self.log.succeeded(pipeline.name, due, after=after)

        self._record(end)

    def close(self) -> None:
        """Ends the session of the run log; a run that was interrupted is recorded so."""
        for span in self._spans.values():
            end_run_span(span, Outcome(CANCELLED))
        for run, _ in self._begun.values():
            self._record(lambda run=run: self._cancel(run))  # type: ignore[misc]
        self.log.close()

    def _cancel(self, run: str) -> None:
        self.log.end(run, Outcome(CANCELLED, error="it was interrupted"), self.log.now())

    def _begin(self, pipeline: str) -> None:
        now = datetime.now(UTC)
        self._begun[pipeline] = run_id(now), now

        def begin() -> None:
            now = self.log.now()
            due = None if self.part is None else self.part[1]
            run = RunRecord(
                run_id(now),
                pipeline,
                1,
                reason=self.reason,
                status=RUNNING,
                owner=self.log.owner,
                started_at=now,
                due_at=due,
            )
            self._begun[pipeline] = run.id, now
            self.log.begin(run)

        self._record(begin)
        self._spans[pipeline] = run_span(self.span, pipeline, self._begun[pipeline][0], reason=self.reason)

    def span_of(self, pipeline: str) -> Span:
        """That of a run that goes on."""
        return self._spans[pipeline]

    def _record(self, work: Callable[[], None]) -> None:
        if self._silent:
            return
        try:
            work()
        except FlowcError as error:
            self._silent = True
            self.warned(error)
