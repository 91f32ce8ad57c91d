"""Runs that go on elsewhere: begun there, and watched until the run log says how they ended.

A worker takes its run over in the run log, and from then on it signs life and settles by itself. Until then the run's
lease is as long as a start may take, and nobody has to hold it: whoever leads meanwhile finds the run in the run log,
and asks the platform whether anybody can still come.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, runtime_checkable

from flowc.durations import duration_text
from flowc.errors import FlowcError, TransientError
from flowc.runtime.tracing import NO_SPAN, Span
from flowc.service.runs.decisions import Scheduled, Start
from flowc.service.runs.executors import Project
from flowc.service.runs.log import RunLog
from flowc.service.runs.minding import NO_SIGN, Guard, Settling
from flowc.service.runs.records import FAILED, LOST, OK, RUNNING, Claim, Outcome, RunRecord, Standing, awaits
from flowc.service.runs.spans import end_run_span

_PAUSE = 1.0
"""Seconds between two looks into the run log."""
_LOOK = 5.0
"""Seconds between two questions to the platform."""
_ENDING = 30.0
"""Seconds that a worker may take to end when its run is over."""
_WATCHED = 10_000
"""So many runs are watched."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What a platform says of a run: whether its worker is over, or will never come, and why."""

    over: bool = False
    reason: str | None = None


@runtime_checkable
class Remote(Protocol):
    """Starts runs elsewhere. Every method may raise a FlowcError, a TransientError for what may pass."""

    @property
    def place(self) -> str:
        """Where that is, as a URL without options."""

    @property
    def patience(self) -> float:
        """Seconds until a worker has to have taken its run over."""

    def begin(self, claim: Claim, project: Project, timeout: float | None) -> None:
        """Has a worker begin, which takes at most so many seconds; does no harm where that was done before."""

    def look(self) -> Mapping[str, Sight] | None:
        """All runs that the platform knows, with one question; None where it does not tell."""

    def words(self, run: str) -> str:
        """The last words of a worker; empty where the platform has none."""

    def end(self, run: str) -> None:
        """Ends a worker, if it is there."""


@dataclass
class _Watched:
    """A run that this process tells of. Where it was not begun here, it was found."""

    claim: Claim
    mine: bool = False
    span: Span = NO_SPAN
    began: float = field(default_factory=time.monotonic)


@dataclass
class Watcher:
    """Begins runs elsewhere, and watches all of them that the run log knows. The owner of that names the place.

    With `adopts` this process leads: it tells how any of them ended. Else it tells of those that it has begun, unless
    somebody leads who does.
    """

    settling: Settling
    guarded: Guard
    executor: Remote
    project: Project
    pipelines: Sequence[Scheduled]
    adopts: bool = False
    _watched: dict[str, _Watched] = field(default_factory=dict)
    _unstarted: dict[str, tuple[Start, Claim]] = field(default_factory=dict)
    """Runs whose worker may have been begun, or not: the platform gave no answer."""
    _looked: float = float("-inf")
    _asked: float = float("-inf")
    _leads: bool = False

    def __post_init__(self) -> None:
        self._platform = Guard(self.settling.warned, "what runs elsewhere is not seen, and nothing begins there")
        self._ending = Guard(self.settling.warned, "a worker whose run is over goes on")
        self._pipelines = {each.name: each for each in self.pipelines}

    @property
    def patience(self) -> float | None:
        """Seconds that a run may take to begin without a sign of life."""
        return self.executor.patience

    @property
    def busy(self) -> bool:
        """Whether anything goes on that this process has begun."""
        return any(each.mine for each in self._watched.values())

    @property
    def able(self) -> bool:
        """Whether the platform answers, so that runs can begin."""
        return self._platform.refused is None and not self._unstarted

    def begin(self, start: Start, claim: Claim, span: Span = NO_SPAN) -> None:
        """Begins a run, which `span` traces.

        One that the platform refuses has failed; where it does not answer, it is asked again.
        """
        self.settling.learn()
        self._watched[claim.run_id] = _Watched(claim, mine=True, span=span)
        self._unstarted[claim.run_id] = start, claim
        self._start(claim.run_id)

    def mind(self) -> int:
        """Looks what became of runs; tells how many have ended."""
        if time.monotonic() - self._looked < _PAUSE or (self.adopts and not self._leads):
            return 0
        ended: list[int] = []
        self.guarded(lambda: ended.append(self._look()))
        self._looked = time.monotonic()
        return sum(ended)

    def lead(self) -> None:
        """This process leads."""
        self._leads = True

    def drop(self) -> None:
        """Another scheduler leads, and tells from now on."""
        self._leads = False
        self.shut()
        self._watched.clear()
        self._unstarted.clear()

    def lost(self, at: Standing) -> Outcome | None:
        """How a run has ended that gives no sign of life, with what the platform knows of it."""
        run = str(at.run_id)
        found = self._log.find(run)
        if not found:
            return Outcome(LOST, error_code="worker-lost", error=NO_SIGN)
        why = NO_SIGN
        if found[0].awaits():
            why = f"no worker has begun it within {duration_text(int(self.executor.patience * 1e6))}"
        sight = self._asked_now().get(run, Sight())
        error = f"{why}: {sight.reason}" if sight.reason else why
        return self.settling.masked(self._worker_lost(LOST, error, run))

    def over(self, run: str) -> None:
        """A run was given up as lost: so that no two attempts write, its worker is ended."""
        self._end(run)
        self._unstarted.pop(run, None)
        if (watched := self._watched.pop(run, None)) is not None:
            self.settling.failed = self.settling.failed or watched.mine
            end_run_span(watched.span, Outcome(LOST))

    def shut(self) -> None:
        """Leaves what runs alone: it goes on, and who leads next finds it. What is traced of it ends here."""
        for each in self._watched.values():
            each.span.end({"flowc.run.status": RUNNING})

    @property
    def _log(self) -> RunLog:
        return self.settling.log

    def _look(self) -> int:
        running = {run.id: run for run in self._log.runs(status=RUNNING, most=_WATCHED) if run.due_at is not None}
        standings = self._log.standings()
        over = [each for run, each in self._watched.items() if run not in running]
        for each in over:
            self._tell(each, standings.get(each.claim.pipeline))
            self._watched.pop(each.claim.run_id)
            self._unstarted.pop(each.claim.run_id, None)
        if self.adopts:
            new = (run for run in running.values() if run.id not in self._watched)
            self._watched |= {run.id: _Watched(_claim(run)) for run in new}
        self._start_again(running)
        if time.monotonic() - self._asked >= _LOOK and (running or self.adopts):
            self._platform(lambda: self._judge(running))
        return len(over) + sum(at.expired and at.run_id in self._watched for at in standings.values())

    def _start_again(self, running: Mapping[str, RunRecord]) -> None:
        for run in [*self._unstarted]:
            if run not in running or not running[run].awaits():
                self._unstarted.pop(run)
            elif not self._start(run):
                break

    def _start(self, run: str) -> bool:
        """Has a worker begin; False where the platform does not answer."""
        start, claim = self._unstarted[run]
        try:
            self.executor.begin(claim, self.project, start.pipeline.timing.timeout)
        except TransientError as error:
            self._platform(_raising(error))
            return False
        except FlowcError as error:
            failed = Outcome(FAILED, error_code=error.code, error=error.message)
            self._unstarted.pop(run)
            self._fail(claim, failed, self._log.owner)
            return True
        self._platform.refused = None
        self._unstarted.pop(run)
        return True

    def _judge(self, running: Mapping[str, RunRecord]) -> None:
        """Ends runs whose worker will never come, and workers whose run is over."""
        self._asked = time.monotonic()
        sights = self.executor.look()
        if sights is None:
            return
        now = self._log.now()
        for run in running.values():
            sight = sights.get(run.id)
            if not run.awaits(self.executor.place) or run.id in self._unstarted:
                continue
            if sight is None and (now - run.started_at).total_seconds() > self._log.lease:
                self._never_began(run, LOST, "its worker was not begun, or was taken away")
            elif sight is not None and sight.over:
                self._never_began(run, FAILED, sight.reason or "its worker ended before it began the run")
        for name, sight in sights.items():
            if not sight.over and name not in running:
                self._end_late(name, now)

    def _never_began(self, run: RunRecord, status: str, why: str) -> None:
        if self._fail(_claim(run), self._worker_lost(status, why, run.id), run.owner):
            self._end(run.id)

    def _fail(self, claim: Claim, outcome: Outcome, owner: str) -> bool:
        """Ends a run; False where a worker has taken it over by now."""
        pipeline, watched = self._pipelines.get(claim.pipeline), self._watched.get(claim.run_id)
        timing = pipeline.timing if pipeline is not None else None
        outcome = self.settling.masked(outcome)
        if not self.settling.end(claim, timing, outcome, owner=owner):
            return False
        self._watched.pop(claim.run_id, None)
        if watched is not None:
            end_run_span(watched.span, outcome)
        self.settling.failed = self.settling.failed or (watched is not None and watched.mine)
        return True

    def _end_late(self, run: str, now: datetime) -> None:
        """Ends a worker that goes on though its run is over; those that this run log does not know are others'."""
        found = self._log.find(run)
        if not found or found[0].status == RUNNING:
            return
        over = found[0].finished_at
        if found[0].status == LOST or (over is not None and (now - over).total_seconds() > _ENDING):
            self._end(run)

    def _end(self, run: str) -> None:
        """Ends a worker; where that cannot be done now, it is tried again while the platform shows it."""
        self._ending(lambda: self.executor.end(run))

    def _tell(self, each: _Watched, at: Standing | None) -> None:
        """Tells of a run that its worker has settled; of any other one, who settled it has told."""
        claim = each.claim
        found = self._log.find(claim.run_id)
        if not found:
            return
        run = found[0]
        self.settling.failed = self.settling.failed or (each.mine and run.status != OK)
        if not run.taken_over or run.status == LOST:
            return
        self.settling.took[run.pipeline] = time.monotonic() - each.began
        outcome = Outcome(run.status, run.counts, run.error_code, error=run.error, plan=run.plan, detail=run.detail)
        end_run_span(each.span, outcome)
        if not self.adopts and (leader := self._log.leader()) is not None and awaits(leader[0], self.executor.place):
            return
        goes_on = at is not None and at.due_at == claim.due_at
        again = at.retry_at if at is not None and goes_on else None
        self.settling.tell(claim, outcome, again=again, open=goes_on)

    def _asked_now(self) -> Mapping[str, Sight]:
        with suppress(FlowcError):
            return self.executor.look() or {}
        return {}

    def _worker_lost(self, status: str, why: str, run: str) -> Outcome:
        words = ""
        with suppress(FlowcError):
            words = self.executor.words(run)
        return Outcome(status, error_code="worker-lost", error=why, detail={"said": words})


def _claim(run: RunRecord) -> Claim:
    due = run.due_at or run.started_at
    return Claim(run.id, run.pipeline, due, run.attempt, "retry" if run.attempt > 1 else "schedule")


def _raising(error: FlowcError) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work
