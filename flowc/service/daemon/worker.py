"""A worker: runs one stream in a thread of its process, and begins again when the world fails."""

from __future__ import annotations

import threading
import traceback
from dataclasses import dataclass, field

from flowc.compiler.dialects import dialect_of
from flowc.compiler.front.streamkinds import source_kind
from flowc.errors import FlowcError, TransientError, UsageError
from flowc.runtime.contracts.target import Fenced
from flowc.runtime.streams.group import GroupReader
from flowc.runtime.streams.reader import SourceReader
from flowc.runtime.streams.run import StreamRun
from flowc.service.access.sessions import Sessions
from flowc.service.daemon.careful import Careful
from flowc.service.daemon.channel import Channel
from flowc.service.daemon.job import FINAL, Job
from flowc.service.daemon.restart import Backoff
from flowc.service.daemon.watch import Watch
from flowc.service.streams.run import Pause, StreamReport, assembled, no_pause, plan_of, require_own
from flowc.service.streams.targets import writer_of
from flowc.stream import StreamPlan

_EVERY = 1.0


@dataclass
class Worker:
    """Runs the stream of a job until it is stopped, or cannot go on."""

    job: Job
    channel: Channel
    watch: Watch = field(default_factory=Watch)
    stopping: threading.Event = field(default_factory=threading.Event)
    pause: Pause = no_pause
    """Campaigns of crashes hook in here."""
    _done: threading.Event = field(default_factory=threading.Event)
    _worked: bool = False
    """Whether any attempt has got on."""
    _careful: Careful = field(init=False)

    def __post_init__(self) -> None:
        self.watch.sampling.share, self.watch.sampling.tell = self.job.sample, self.channel.epoch
        self._careful = Careful(self.job.care, self.channel.hand)

    def run(self) -> int:
        """The exit code: 0 when it was stopped, `FINAL` when it gave up."""
        self.stopping.wait(self.job.wait)
        telling = threading.Thread(target=self._tell_on, name="flowc-tell", daemon=True)
        telling.start()
        error = self._attempts()
        self._done.set()
        telling.join()
        self._tell()
        if error is None:
            return 0
        self.channel.failure(error)
        return FINAL

    def _attempts(self) -> FlowcError | None:
        """Begins again and again; why it gave up, None when it was stopped."""
        backoff = Backoff(self.job.policy)
        while not self.stopping.is_set():
            error = self._attempt()
            if error is None or self.stopping.is_set():
                break  # what was not committed is read again by the next one
            if self.watch.progressed:
                self._worked = True
                backoff.reset()
                self.watch.progressed = False  # the next attempt may fail before it is watched
            self.watch.report.counts.errors += 1
            wait = backoff.next() if self._may_pass(error) else None
            if wait is None:
                return error
            self._wait(error, wait)
        return None

    def _may_pass(self, error: FlowcError) -> bool:
        """Whether another attempt may help. A login that was good before may be one whose password changes just now."""
        return isinstance(error, TransientError | Fenced) or (self._worked and error.code == "access-denied")

    def _wait(self, error: FlowcError, seconds: float) -> None:
        self.watch.degraded(error.message)
        self.watch.report.counts.retries += 1
        self.channel.event("warning", error.message, {"code": error.code, "retry_in": round(seconds, 2)})
        self._tell()
        self.stopping.wait(seconds)

    def _attempt(self) -> FlowcError | None:
        """One run, with sessions of its own; what ended it, if it was no stop."""
        project = self.job.checked.project
        given = project.connections, self.channel.wire.resolver, project.name
        sessions, others = Sessions(*given), Sessions(*given)
        try:
            run = self._assembled(sessions, others)
            try:
                run.run()
            finally:
                run.close()
        except FlowcError as error:
            return sessions.redacted(error)
        except BaseException as error:  # of any sort: others in this process are to go on
            self.channel.event("error", traceback.format_exc())
            return sessions.redacted(
                TransientError(f"the worker failed with {type(error).__name__}", code="worker-lost")
            )
        finally:
            self._careful.empties()
            sessions.close()
            others.close()
        return None

    def _assembled(self, sessions: Sessions, others: Sessions) -> StreamRun:
        require_own(self.job.ir, self.job.stream, sessions)
        plan = plan_of(self.job.checked, self.job.ir, self.job.stream, sessions)
        report = StreamReport(self.job.stream)
        run = assembled(plan, sessions, report, once=False, pause=self.pause)
        run.stopping = self.stopping
        if self.job.workers > 1:
            _share(run, plan, others)
        self.watch.attach(run, report)
        self._careful.attach(run)
        return run

    def _tell(self) -> None:
        self.channel.report(self.watch.report)

    def _tell_on(self) -> None:
        """Tells about once a second how it goes."""
        status = ""
        while not self._done.is_set():
            if self.watch.report.status != status:
                status = self.watch.report.status
                self.channel.event("info", status)
            while self.watch.examples:
                self.channel.event("warning", f"bad message: {self.watch.examples.popleft()}")
            self.watch.mind()
            self._tell()
            self._done.wait(_EVERY if status == "running" else _EVERY / 10)


def _share(run: StreamRun, plan: StreamPlan, others: Sessions) -> None:
    """Has a run read what the group gives it. Raises UsageError for a stream that workers cannot share."""
    target = plan.targets[0]
    reasons = ["it keeps state"] if plan.state is not None or plan.stateful else []
    reasons += ["it has several targets"] if len(plan.targets) > 1 else []
    reasons += [f"it writes `{target.kind}`"] if not dialect_of(target.kind).sharing.side_by_side else []
    reasons += [f"it reads `{source.kind}`" for source in plan.sources if not source_kind(source.kind).shared]
    if reasons:
        message = f"several workers cannot share stream `{plan.name}`: {reasons[0]}"
        help = "use `parallelism: 1`; workers share Kafka topics, without state, into one table of postgres or mysql"
        raise UsageError(message, code="not-runnable-yet", help=help)
    positions = writer_of(target, plan, others)
    readers = {name: reader for name, reader in run.readers.items() if isinstance(reader, SourceReader)}
    run.alone = False
    run.readers = {
        name: GroupReader(reader.source, plan.batch, lambda: positions.look().positions)
        for name, reader in readers.items()
    }
