"""Runs that go on in processes of this one: signs of life, time-outs, and what became of them in the run log."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from threading import Event

from flowc.compiler.ir import Timing
from flowc.errors import FlowcError
from flowc.runtime.tracing import NO_SPAN, Span
from flowc.service.runs import decisions
from flowc.service.runs.decisions import Start
from flowc.service.runs.executors import Executor, Project, Running
from flowc.service.runs.log import RunLog
from flowc.service.runs.records import CANCELLED, FAILED, LOST, OK, TIMEOUT, Claim, Outcome, Standing
from flowc.service.runs.spans import end_run_span

GLANCE = 0.1
"""Seconds between two looks at what runs."""
_PATIENCE = 15.0
"""Seconds that runs may take to stop, and to be recorded; what is left then ends with this process, and is lost."""
NO_SIGN = "it gave no sign of life for as long as that is waited"


@dataclass(frozen=True, slots=True)
class Happened:
    """Something that a scheduler did, for a log and for alerts: `began`, or how a run ended, or `gave up`."""

    kind: str
    claim: Claim
    outcome: Outcome | None = None
    next_attempt: datetime | None = None


@dataclass
class Guard:
    """Does work with something that may be away, which is `warned` of once: `words` say what comes of that."""

    warned: Callable[[str], None]
    words: str = "the run log cannot be used, so that nothing begins"
    refused: FlowcError | None = None
    """Why it could not be used when it was tried last."""
    tried: bool = False
    """Whether it could ever be used."""
    noted: Callable[[str], None] | None = None
    """Hears that it can be used again."""
    again: str = "the run log can be used again"
    _since: float = 0.0

    def __call__(self, work: Callable[[], object]) -> bool:
        """Tells whether the work was done."""
        try:
            work()
            if self.refused is not None and self.noted is not None:
                self.noted(self.again)
            self.refused, self.tried = None, True
            return True
        except FlowcError as error:
            self._since = time.monotonic() if self.refused is None else self._since
            if self.refused is None or error.message != self.refused.message:
                self.warned(f"{self.words}: {error.message}")
            self.refused = error
            return False

    def give_up(self, seconds: float) -> None:
        """Raises why it cannot be used, where that has been so for that long."""
        if self.refused is not None and time.monotonic() - self._since > seconds:
            raise self.refused


@dataclass
class Settling:
    """Records how runs have ended and what becomes of their due times, and tells it."""

    log: RunLog
    told: Callable[[Happened], None]
    warned: Callable[[str], None]
    redact: Callable[[str], str] = str
    """Masks secrets in what workers say."""
    present: Callable[[], datetime] | None = None
    """What counts as now; None for the clock of the run log."""
    failed: bool = False
    """Whether any run of this process did not end well."""
    ended: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How many runs of each pipeline this process has told the end of, by status."""
    took: dict[str, float] = field(default_factory=dict)
    """Seconds that the last run of each pipeline took."""

    def settle(self, start: Start, claim: Claim, outcome: Outcome) -> None:
        """Ends a run of this process."""
        self.failed = self.failed or outcome.status != OK
        if not self.end(claim, start.pipeline.timing, self.masked(outcome)):
            self.warned(f"run {claim.run_id} of `{claim.pipeline}` was given up as lost, and its result is not used")

    def end(
        self, claim: Claim, timing: Timing | None, outcome: Outcome, *, expired: bool = False,
        owner: str | None = None,
    ) -> bool:  # fmt: skip
        """Ends a run, whoever began it; without `timing` nobody knows how often it is tried. False where others have.

        With `expired`, also where it gives signs of life by now; with `owner`, also where that is another one.
        """
        after = self._after(claim, timing, outcome.status)
        if not self.log.settle(claim, outcome, after, self.log.now(), lost=expired, owner=owner):
            return False
        again = after.get("retry_at")
        self.tell(claim, outcome, again=again if isinstance(again, datetime) else None)
        return True

    def tell(self, claim: Claim, outcome: Outcome, *, again: datetime | None, open: bool = False) -> None:
        """Tells how a run ended; its due time is tried `again` then, or is `open` for other reasons."""
        self.ended[claim.pipeline, outcome.status] += 1
        goes_on = outcome.status in (OK, CANCELLED) or again is not None or open
        self.told(Happened(outcome.status if goes_on else "gave up", claim, outcome, again))

    def _after(self, claim: Claim, timing: Timing | None, status: str) -> Mapping[str, object]:
        now = self.present() if self.present is not None else self.log.now()
        if status == OK:
            return decisions.when_settled(claim.due_at)
        if status == CANCELLED:  # it begins again with the next scheduler, as if it had not begun
            return {"retry_at": now, "attempt": claim.attempt - 1}
        if timing is None:  # its specs are wrong just now, or it is gone, and then nobody asks
            return {"retry_at": now, "failing": 1}
        return decisions.after_failure(timing, claim.attempt, now, claim.due_at, lost=status == LOST)

    def learn(self) -> None:
        """Has the secrets of now masked from now on: a run may say them at its end, when others hold in their place."""
        self.redact("a run begins")

    def masked(self, outcome: Outcome) -> Outcome:
        """What a worker said, without secrets; its report holds none, for the worker knows them."""
        said = self.redact(str(outcome.detail.get("said", "")))
        error = self.redact(outcome.error) if outcome.error is not None else None
        return replace(outcome, error=error, detail={**outcome.detail, "said": said})


@dataclass
class _Going:
    """A run that this process has begun."""

    start: Start
    claim: Claim
    running: Running
    began: float
    span: Span


@dataclass
class Minder:
    """Begins runs in processes of this one, and minds them to their end."""

    settling: Settling
    guarded: Guard
    executor: Executor
    project: Project
    most: float | None = None
    """Seconds that any run may take, for reasons that are not the pipeline's."""
    able: bool = True
    patience: float | None = None
    """Seconds that a run may take to begin without a sign of life; None for as long as any other sign is waited for."""
    _going: dict[str, _Going] = field(default_factory=dict)
    _sign: float = 0.0

    @property
    def busy(self) -> bool:
        """Whether anything runs."""
        return bool(self._going)

    def begin(self, start: Start, claim: Claim, span: Span = NO_SPAN) -> None:
        """Begins a run, which `span` traces; one that cannot be begun has failed."""
        self.settling.learn()
        try:
            running = self.executor.start(claim, self.project)
        except FlowcError as error:
            outcome = Outcome(FAILED, error_code=error.code, error=error.message)
            end_run_span(span, outcome)
            self.settling.settle(start, claim, outcome)
            return
        self._going[claim.run_id] = _Going(start, claim, running, time.monotonic(), span)

    def mind(self) -> int:
        """Signs of life, time-outs, and what has ended; tells how many runs that were."""
        for each in self._going.values():
            limits = [limit for limit in (each.start.pipeline.timing.timeout, self.most) if limit is not None]
            if limits and time.monotonic() - each.began > min(limits):
                each.running.stop(TIMEOUT)
        if self._going and time.monotonic() - self._sign >= self._log.lease / 3:
            self._sign = time.monotonic()
            self.guarded(self._sign_of_life)
        return self._collect()

    def lost(self, at: Standing) -> Outcome | None:
        """How a run has ended that gives no sign of life; None for one that goes on here."""
        return None if at.run_id in self._going else Outcome(LOST, error_code="worker-lost", error=NO_SIGN)

    def over(self, run: str) -> None:
        """A run of others was given up as lost."""

    def lead(self) -> None:
        """This process leads."""

    def drop(self) -> None:
        """Another scheduler leads: what runs here is minded to its end, for it is this process's own."""

    def mind_all(self, stop: Event) -> None:
        """Minds what runs until nothing does, or until it is asked to stop. Raises why the run log stays away."""
        try:
            while self._going and not stop.wait(GLANCE):
                self.mind()
                self.guarded.give_up(self._log.lease)
        finally:
            self.shut()

    def shut(self) -> None:
        """Stops what runs and records it, for another scheduler to begin it again."""
        for each in self._going.values():
            each.running.stop(CANCELLED)
        until = time.monotonic() + _PATIENCE
        while self._going and time.monotonic() < until:
            self._collect()
            time.sleep(GLANCE)

    @property
    def _log(self) -> RunLog:
        return self.settling.log

    def _collect(self) -> int:
        """Settles what has ended; tells how many runs that were. One that cannot be settled keeps no other waiting."""
        ended = [(each, outcome) for each in self._going.values() if (outcome := each.running.outcome()) is not None]
        return sum(self.guarded(partial(self._end, each, outcome)) for each, outcome in ended)

    def _end(self, each: _Going, outcome: Outcome) -> None:
        self.settling.settle(each.start, each.claim, outcome)
        end_run_span(each.span, outcome)
        self.settling.took[each.claim.pipeline] = time.monotonic() - each.began
        del self._going[each.claim.run_id]

    def _sign_of_life(self) -> None:
        """Tells that what runs goes on, and its workers that it may; what was given up as lost is ended.

        A worker that hears nothing ends by itself before the lease does, so that no two attempts write.
        """
        held = {*self._going}
        if self._log.hold([*held]) < len(held):
            held &= {at.run_id for at in self._log.standings().values() if at.run_id is not None}
        for run, each in self._going.items():
            if run in held:
                each.running.sign()
            else:
                each.running.stop(LOST)
