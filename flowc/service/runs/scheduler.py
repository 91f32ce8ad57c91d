"""The scheduler: looks what is due, has it run, and records what became of it.

`flowc run-due` ticks until nothing is left to do, the daemon and `flowc scheduler` tick until they are stopped. Which
process runs a due time is decided by a compare-and-set in the run log, so that any number of them may be at work.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from flowc.runtime.tracing import NO_SPAN, Span
from flowc.service.runs import decisions
from flowc.service.runs.decisions import Decisions, Limits, Scheduled, Start, Waiting
from flowc.service.runs.executors import Executor, Project
from flowc.service.runs.log import RunLog, run_id
from flowc.service.runs.minding import GLANCE, Guard, Happened, Minder, Settling
from flowc.service.runs.records import Claim, Standing, awaiting_name
from flowc.service.runs.spans import run_span
from flowc.service.runs.watching import Remote, Watcher

__all__ = ["Happened", "Scheduler"]

_CLEANING = 3600.0
"""Seconds between two purges of what is too old."""
_PAUSE = 1.0
"""Seconds between two looks at what is due."""


@dataclass
class Scheduler:
    """Runs what is due of one project. `told` hears what happens, and `warned` what goes wrong around it.

    With `leads`, only the process that holds the lease of the project begins runs.
    """

    pipelines: Sequence[Scheduled]
    log: RunLog
    executor: Executor | Remote
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
    noted: Callable[[str], None] | None = None
    """Hears of what is no fault: who leads, and that troubles are over."""
    now: datetime | None = None
    """What counts as now; None for the clock of the run log."""
    waiting: tuple[Waiting, ...] = ()
    token: int | None = None
    seen: tuple[Mapping[str, Standing], datetime] | None = None
    """Where schedules were when they were looked at last, and when that was."""
    _until: datetime | None = None
    """The last due time that is run; None for what comes due as long as it works."""
    _purged: float = float("-inf")
    _led: bool | None = None
    _held: float = float("-inf")
    """When the lease was asked for that this process has got last, by a clock of its own."""

    def __post_init__(self) -> None:
        self._guarded = Guard(self.warned, noted=self.noted)
        self._settling = Settling(self.log, self.told, self.warned, lambda text: self.redact(text), self._present)
        if isinstance(self.executor, Remote):
            self.log.owner = awaiting_name(self.log.owner, self.executor.place)
        self._keeper: Minder | Watcher = (
            Watcher(self._settling, self._guarded, self.executor, self.project, self.pipelines, adopts=self.leads)
            if isinstance(self.executor, Remote)
            else Minder(self._settling, self._guarded, self.executor, self.project)
        )

    @property
    def failed(self) -> bool:
        """Whether any run that this process has begun did not end well."""
        return self._settling.failed

    @property
    def ended(self) -> Counter[tuple[str, str]]:
        """How many runs of each pipeline this process has seen end, by status."""
        return self._settling.ended

    @property
    def took(self) -> Mapping[str, float]:
        """Seconds that the last run of each pipeline took."""
        return self._settling.took

    @property
    def works(self) -> bool:
        """Whether the run log could be used when it was tried last, and has been tried."""
        return self._guarded.tried and self._guarded.refused is None

    def run(self, stop: threading.Event) -> None:
        """Ticks until it is asked to stop; then what runs here is stopped, and begins again with the next scheduler."""
        looked = float("-inf")
        try:
            while not stop.wait(GLANCE):
                if self.leads and time.monotonic() - self._held >= self.log.lease:
                    self._keeper.drop()  # it was stopped, or cut off: another one may lead, and has told
                self._keeper.mind()
                if time.monotonic() - looked >= _PAUSE:
                    looked = time.monotonic()
                    self._guarded(self.tick)
        finally:
            self._shut()

    def run_due(self, stop: threading.Event) -> None:
        """Runs what is due now, retries too, and what waits for that; returns when nothing of it is left.

        What comes due meanwhile is left to the next tick. Raises FlowcError where the run log cannot be used, and
        nothing runs.
        """
        try:
            self._until = self._present()
            while not stop.is_set():
                if not self.tick():
                    return
                while self._keeper.busy and not stop.wait(GLANCE):
                    if self._keeper.mind():
                        self._guarded(self.tick)
                    self._guarded.give_up(self.log.lease)
        finally:
            self._shut()

    def _present(self) -> datetime:
        return self.now or self.log.now()

    def look(self) -> tuple[Decisions, datetime]:
        """What a tick would do now; changes nothing."""
        now = self._present()
        standings = self.log.standings()
        self.seen = standings, now
        sound = {name: at for name, at in standings.items() if not at.damaged}
        return decisions.decide(self.pipelines, sound, self.limits, now, self.chosen, until=self._until), now

    def tick(self) -> int:
        """Looks once at what is due and begins it; tells how many runs it began, or gave up as lost."""
        if self.leads:
            asked = time.monotonic()
            self.token = self.log.lead(self.token)
            self._held = asked if self.token is not None else float("-inf")
            self._note_lead(self.token is not None)
            if self.token is None:
                self.seen = None  # where schedules are, the one that leads knows
                self._keeper.drop()
                return 0
            self._keeper.lead()
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
        lost = sum(self._give_up_as_lost(lost_pipeline, at) for lost_pipeline, at in found.lost)
        self._clean()
        return lost + sum(self._begin(start) for start in found.starts if self._keeper.able)

    def _note_lead(self, leads: bool) -> None:
        if self.noted is not None and leads is not self._led:
            self.noted("this scheduler leads" if leads else "another scheduler leads, and this one waits")
        self._led = leads

    def _begin(self, start: Start) -> bool:
        began = self.log.now()
        run, name = run_id(began), start.pipeline.name
        span = run_span(self.span, name, run, reason=start.reason, attempt=start.attempt, due_at=start.due_at)
        claim = Claim(run, name, start.due_at, attempt=start.attempt, reason=start.reason, traceparent=span.traceparent)
        if not self.log.claim(start.standing, claim, began, self.token if self.leads else None, self._keeper.patience):
            return False
        self.told(Happened("began", claim))
        self._keeper.begin(start, claim, span)
        return True

    def _give_up_as_lost(self, pipeline: Scheduled | None, at: Standing) -> bool:
        """Of a run that gives no sign of life, whoever sees it first ends the record; False where it gives one now."""
        if at.run_id is None or at.due_at is None or (outcome := self._keeper.lost(at)) is None:
            return False
        claim = Claim(at.run_id, at.pipeline, at.due_at, at.attempt, "schedule")
        timing = pipeline.timing if pipeline is not None else None
        if not self._settling.end(claim, timing, outcome, expired=True):
            return False
        self._keeper.over(at.run_id)
        return True

    def _shut(self) -> None:
        self._keeper.shut()
        if self.token is not None:
            token = self.token
            self._guarded(lambda: self.log.resign(token))
        self.log.close()

    def _clean(self) -> None:
        if self.keep is not None and time.monotonic() - self._purged >= _CLEANING:
            self._purged = time.monotonic()
            self.log.purge(self.log.now() - self.keep)
