"""One worker as the daemon sees it: its state, what it counted, and when it may be started again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from flowc.runtime.tracing import NO_SPAN, Span
from flowc.service.daemon.job import Job
from flowc.service.daemon.restart import Backoff
from flowc.service.daemon.sampling import trace_epoch
from flowc.service.daemon.stats import Counts, Event, Failure, InHand, Line, Report
from flowc.service.daemon.suspects import Suspects


@dataclass
class WorkerState:
    """One worker. `status` is starting, running, degraded, restarting, failed or stopped."""

    job: Job
    log: Callable[[Event], None]
    status: str = "starting"
    pid: int | None = None
    """The process that it is in; others may be in it too."""
    restarts: int = 0
    """How many times it was started again with its process."""
    failure: Failure | None = None
    report: Report = field(default_factory=Report)
    suspects: Suspects = field(default_factory=Suspects)
    """Those of its stream."""
    hand: InHand = field(default_factory=InHand)
    """What it has read and not written."""
    span: Span = NO_SPAN
    """Below which its epochs are traced."""
    _past: Counts = field(default_factory=Counts)
    """What it counted in earlier processes."""
    _backoff: Backoff = field(init=False)

    def __post_init__(self) -> None:
        self._backoff = Backoff(self.job.policy)

    @property
    def counts(self) -> Counts:
        """What it counted in all processes."""
        return self._past.plus(self.report.counts)

    def begin(self, pid: int) -> None:
        """It starts in a process."""
        self.restarts += self.status == "restarting"
        self._past, self.report, self.pid, self.hand = self.counts, Report(), pid, InHand()

    def hear(self, line: Line) -> None:
        """Takes in what it tells."""
        if line.report is not None:
            self.report, self.status = line.report, line.report.status
        if line.hand is not None:
            self.hand = line.hand
            self.suspects.wrote(line.hand)
        if line.failure is not None:
            self._fail(line.failure)
        if line.epoch is not None:
            trace_epoch(self.span, self.job.stream, self.job.worker, line.epoch)

    def lost(self, how: str, seconds: float, killed: int = 0) -> float | None:
        """Its process ended, seconds after it began there; the wait for the next one, None when it stays down.

        `killed` is the signal that ended it, where what this worker had in hand may be why.
        """
        self.pid = None
        if self.failure is not None:
            return None
        told = self.suspects.died(self.hand, killed) if killed else None
        if (told is not None and told.nearer) or self.report.counts.epochs or seconds > self.job.policy.max_backoff:
            self._backoff.reset()
        wait = self._backoff.next()
        if wait is None:
            self._fail(Failure("worker-lost", f"the worker {how}, {self._backoff.attempts} times in a row"))
            return None
        self.status = "restarting"
        more = [told.words] if told is not None else []
        self._say("warning", "; ".join((f"the worker {how}", *more, f"it starts again in {wait:.1f} s")))
        return wait

    def end(self) -> None:
        """Nobody minds it any more."""
        self.pid, self.status = None, "failed" if self.failure is not None else "stopped"

    def _fail(self, failure: Failure) -> None:
        self.failure, self.status, self.pid = failure, "failed", None
        fields: dict[str, str | int | float | None] = {"code": failure.code}
        fields |= {"help": failure.help} if failure.help else {}
        self._say("error", "\n  ".join([failure.message, *failure.details]), **fields)

    def _say(self, level: str, message: str, **fields: str | int | float | None) -> None:
        self.log(Event(level, message, self.job.stream, self.job.worker, fields))
