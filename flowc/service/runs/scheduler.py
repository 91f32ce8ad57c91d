"""The scheduler: looks what is due, has it run, and records what became of it.

`flowc run-due` ticks until nothing is left to do, the daemon and `flowc scheduler` tick until they are stopped. Which
process runs a due time is decided by a compare-and-set in the run log, so that any number of them may be at work.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from flowc.errors import FlowcError
from flowc.masking import mask_addresses
from flowc.runtime.tracing import NO_SPAN, Span
from flowc.service.runs import decisions
from flowc.service.runs.decisions import Decisions, Limits, Scheduled, Start, Waiting
from flowc.service.runs.executors import Executor, Project, Running
from flowc.service.runs.log import RunLog, run_id
from flowc.service.runs.records import CANCELLED, FAILED, LOST, OK, TIMEOUT, Claim, Outcome, Standing
from flowc.service.runs.spans import end_run_span, run_span

_CLEANING = 3600.0
"""Seconds between two purges of what is too old."""
_PAUSE = 1.0
"""Seconds between two looks at what is due."""
_GLANCE = 0.1
"""Seconds between two looks at what runs."""
_PATIENCE = 15.0
"""Seconds that runs may take to stop, and to be recorded; what is left then ends with this process, and is lost."""


@dataclass(frozen=True, slots=True)
class Happened:
    """Something that a scheduler did, for a log and for alerts: `began`, or how a run ended, or `gave up`."""

    kind: str
    claim: Claim
    outcome: Outcome | None = None
    was_failing: bool = False
    next_attempt: datetime | None = None


@dataclass
class _Going:
    """A run that this process has begun."""

    start: Start
    claim: Claim
    running: Running
    began: float
    span: Span


@dataclass
class Scheduler:
    """Runs what is due of one project. `told` hears what happens, and `warned` what goes wrong around it.

    With `leads`, only the process that holds the lease of the project begins runs.
    """

    pipelines: Sequence[Scheduled]
    log: RunLog
    executor: Executor
    project: Project
    told: Callable[[Happened], None]
    warned: Callable[[str], None]
    limits: Limits = field(default_factory=Limits)
    keep: timedelta | None = timedelta(days=90)
    leads: bool = False
    chosen: frozenset[str] | None = None
    """Which of the pipelines begin here; None for all."""
    redact: Callable[[str], str] = str
    """Masks secrets in what workers say."""
    span: Span = NO_SPAN
    """Below which runs are traced."""
    now: datetime | None = None
    """What counts as now; None for the clock of the run log."""
    waiting: tuple[Waiting, ...] = ()
    failed: bool = False
    """Whether any run that this process has begun did not end well."""
    token: int | None = None
    seen: tuple[Mapping[str, Standing], datetime] | None = None
    """Where schedules were when they were looked at last, and when that was."""
    ended: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How many runs of each pipeline this process has seen end, by status."""
    took: dict[str, float] = field(default_factory=dict)
    """Seconds that the last run of each pipeline took."""
    _going: dict[str, _Going] = field(default_factory=dict)
    _sign: float = 0.0
    _purged: float = float("-inf")
    _refused: FlowcError | None = None
    """Why the run log could not be used when it was tried last."""
    _since: float = 0.0
    _looked: bool = False

    def run(self, stop: threading.Event) -> None:
        """Ticks until it is asked to stop; then what runs is stopped, and begins again with the next scheduler."""
        looked = float("-inf")
        try:
            while not stop.wait(_GLANCE):
                self._mind()
                if time.monotonic() - looked >= _PAUSE:
                    looked = time.monotonic()
                    self._guarded(self.tick)
        finally:
            self._shut()

    def run_due(self, stop: threading.Event) -> None:
        """Runs what is due now, retries too, and what waits for that; returns when nothing of it is left.

        Raises FlowcError where the run log cannot be used, and nothing runs.
        """
        try:
            while not stop.is_set():
                if not self.tick():
                    return
                while self._going and not stop.wait(_GLANCE):
                    if self._mind():
                        self._guarded(self.tick)
                    self._give_up_waiting()
        finally:
            self._shut()

    @property
    def works(self) -> bool:
        """Whether the run log could be used when it was tried last, and has been tried."""
        return self._looked and self._refused is None

    def _give_up_waiting(self) -> None:
        """Raises why the run log cannot be used, where that has been so for as long as a lease lasts."""
        if self._refused is not None and time.monotonic() - self._since > self.log.lease:
            raise self._refused

    def _present(self) -> datetime:
        return self.now or self.log.now()

    def look(self) -> tuple[Decisions, datetime]:
        """What a tick would do now; changes nothing."""
        now = self._present()
        standings = self.log.standings()
        self.seen = standings, now
        return decisions.decide(self.pipelines, standings, self.limits, now, self.chosen), now

    def tick(self) -> int:
        """Looks once at what is due and begins it; tells how many runs it began, or gave up as lost."""
        if self.leads:
            self.token = self.log.lead(self.token)
            if self.token is None:
                self.seen = None  # where schedules are, the one that leads knows
                return 0
        found, now = self.look()
        self.waiting = found.waiting
        begun = [(each.name, each.timing.schedule, each.timing.timezone) for each in found.new]
        self.log.begin_schedules(begun, now)
        for pipeline, at in found.moved:
            self.log.change(at, decisions.when_moved(pipeline, at, now))
        for at, until in found.missed:
            self.log.change(at, decisions.when_missed(until))
        for at, due in found.kept:
            self.log.change(at, {"due_at": due})
        lost = sum(self._give_up_as_lost(lost_pipeline, at, now) for lost_pipeline, at in found.lost)
        self._clean()
        return lost + sum(self._begin(start) for start in found.starts)

    def _begin(self, start: Start) -> bool:
        began = self.log.now()
        run, name = run_id(began), start.pipeline.name
        span = run_span(self.span, name, run, start.reason, start.attempt, start.due_at)
        claim = Claim(run, name, start.due_at, start.attempt, start.reason, span.traceparent)
        if not self.log.claim(start.standing, claim, began, self.token if self.leads else None):
            return False
        self.told(Happened("began", claim))
        try:
            running = self.executor.start(claim, self.project)
        except FlowcError as error:
            outcome = Outcome(FAILED, error_code=error.code, error=error.message)
            end_run_span(span, outcome)
            self._settle(start, claim, outcome)
            return True
        self._going[claim.run_id] = _Going(start, claim, running, time.monotonic(), span)
        return True

    def _collect(self) -> int:
        """Settles what has ended; tells how many runs that were. One that cannot be settled keeps no other waiting."""
        ended = [(each, outcome) for each in self._going.values() if (outcome := each.running.outcome()) is not None]
        return sum(self._guarded(partial(self._end, each, outcome)) for each, outcome in ended)

    def _end(self, each: _Going, outcome: Outcome) -> None:
        self._settle(each.start, each.claim, self._masked(outcome))
        end_run_span(each.span, outcome)
        self.ended[each.claim.pipeline, outcome.status] += 1
        self.took[each.claim.pipeline] = time.monotonic() - each.began
        del self._going[each.claim.run_id]

    def _masked(self, outcome: Outcome) -> Outcome:
        """What a worker said, without secrets; its report holds none, for the worker knows them."""
        said = mask_addresses(self.redact(str(outcome.detail.get("said", ""))))
        error = mask_addresses(self.redact(outcome.error)) if outcome.error is not None else None
        return replace(outcome, error=error, detail={**outcome.detail, "said": said})

    def _mind(self) -> int:
        """Signs of life, time-outs, and what has ended; tells how many runs that were."""
        for each in self._going.values():
            limit = each.start.pipeline.timing.timeout
            if limit is not None and time.monotonic() - each.began > limit:
                each.running.stop(TIMEOUT)
        if self._going and time.monotonic() - self._sign >= self.log.lease / 3:
            self._sign = time.monotonic()
            self._guarded(self._sign_of_life)
        return self._collect()

    def _sign_of_life(self) -> None:
        """Tells that what runs goes on, and its workers that it may; what was given up as lost is ended.

        A worker that hears nothing ends by itself before the lease does, so that no two attempts write.
        """
        held = {*self._going}
        if self.log.hold([*held]) < len(held):
            held &= {at.run_id for at in self.log.standings().values() if at.run_id is not None}
        for run, each in self._going.items():
            if run in held:
                each.running.sign()
            else:
                each.running.stop(LOST)

    def _settle(self, start: Start, claim: Claim, outcome: Outcome) -> None:
        now = self._present()
        timing = start.pipeline.timing
        if outcome.status == OK:
            after = decisions.when_settled(claim.due_at)
        elif outcome.status == CANCELLED:  # it begins again with the next scheduler, as if it had not begun
            after = {"retry_at": now, "attempt": claim.attempt - 1}
        else:
            lost = outcome.status == LOST
            after = decisions.after_failure(timing, claim.attempt, now, claim.due_at, lost=lost)
        self.failed = self.failed or outcome.status != OK
        if not self.log.settle(claim, outcome, after, self.log.now()):
            self.warned(f"run {claim.run_id} of `{claim.pipeline}` was given up as lost, and its result is not used")
            return
        again = after.get("retry_at")
        kind = outcome.status if outcome.status in (OK, CANCELLED) or again is not None else "gave up"
        retry = again if isinstance(again, datetime) else None
        self.told(Happened(kind, claim, outcome, start.standing.failing, retry))

    def _give_up_as_lost(self, pipeline: Scheduled | None, at: Standing, now: datetime) -> bool:
        """Of a run that gives no sign of life, whoever sees it first ends the record; False where it gives one now."""
        if at.run_id is None or at.due_at is None or at.run_id in self._going:
            return False
        claim = Claim(at.run_id, at.pipeline, at.due_at, at.attempt, "schedule")
        outcome = Outcome(LOST, error_code="worker-lost", error="it gave no sign of life for as long as that is waited")
        after = (
            decisions.after_failure(pipeline.timing, at.attempt, now, at.due_at, lost=True)
            if pipeline is not None
            else decisions.when_settled(at.due_at, failing=True)
        )
        if not self.log.settle(claim, outcome, after, self.log.now(), lost=True):
            return False
        again = after.get("retry_at")
        kind = LOST if again is not None else "gave up"
        self.told(Happened(kind, claim, outcome, at.failing, again if isinstance(again, datetime) else None))
        return True

    def _shut(self) -> None:
        """Stops what runs and records it, for another scheduler to begin it again."""
        for each in self._going.values():
            each.running.stop(CANCELLED)
        until = time.monotonic() + _PATIENCE
        while self._going and time.monotonic() < until:
            self._collect()
            time.sleep(_GLANCE)
        if self.token is not None:
            token = self.token
            self._guarded(lambda: self.log.resign(token))
        self.log.close()

    def _clean(self) -> None:
        if self.keep is not None and time.monotonic() - self._purged >= _CLEANING:
            self._purged = time.monotonic()
            self.log.purge(self.log.now() - self.keep)

    def _guarded(self, work: Callable[[], object]) -> bool:
        """While the run log cannot be used nothing begins; it is told once. Tells whether the work was done."""
        try:
            work()
            self._refused, self._looked = None, True
            return True
        except FlowcError as error:
            self._since = time.monotonic() if self._refused is None else self._since
            if self._refused is None or error.message != self._refused.message:
                self.warned(f"the run log cannot be used, so that nothing begins: {error.message}")
            self._refused = error
            return False
