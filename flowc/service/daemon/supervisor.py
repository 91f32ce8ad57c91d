"""The daemon itself: all workers, and the processes that they are in."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from flowc.runtime.tracing import NO_SPAN, Span
from flowc.service.daemon.job import Job
from flowc.service.daemon.process import Process
from flowc.service.daemon.stats import Event
from flowc.service.daemon.suspects import Suspects
from flowc.service.daemon.workerstate import WorkerState

_PATIENCE = 10.0
"""Seconds that workers may take to stop."""


@dataclass
class Daemon:
    """All workers. `shared` are the numbers of those of each process; `log` is told what happens."""

    jobs: Sequence[Job]
    shared: Sequence[Sequence[int]]
    log: Callable[[Event], None]
    span: Span = NO_SPAN
    workers: list[WorkerState] = field(init=False)
    began: float = field(default_factory=time.time)
    _processes: list[Process] = field(init=False)

    def __post_init__(self) -> None:
        suspects = {job.stream: Suspects() for job in self.jobs}
        self.workers = [WorkerState(job, self.log, suspects=suspects[job.stream], span=self.span) for job in self.jobs]
        self._processes = [Process([self.workers[number] for number in each], self.log) for each in self.shared]

    @property
    def ready(self) -> bool:
        """Whether every worker reads and writes."""
        return all(worker.status == "running" for worker in self.workers)

    @property
    def failed(self) -> bool:
        """Whether a stream has given up."""
        return any(worker.failure is not None for worker in self.workers)

    @property
    def alive(self) -> bool:
        """Whether any worker is still minded."""
        return any(process.alive for process in self._processes)

    def start(self) -> None:
        """Starts all workers."""
        for process in self._processes:
            process.start()

    def stop(self) -> None:
        """Asks all to finish their epochs, and waits for it; who takes too long is ended and rolled back."""
        until = time.monotonic() + _PATIENCE
        for process in self._processes:
            process.stop()
        for process in self._processes:
            if not process.join(until):
                for worker in process.workers:
                    message = "did not stop in time and was ended"
                    self.log(Event("warning", message, worker.job.stream, worker.job.worker))
                process.kill()
                process.join(time.monotonic() + 1)

    def kill(self) -> None:
        """Ends all at once."""
        for process in self._processes:
            process.kill()
