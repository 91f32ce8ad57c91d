"""How the streams of a daemon are, as alerts see them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from flowc.service.daemon.supervisor import Daemon
from flowc.service.daemon.workerstate import WorkerState

_WINDOW = 600.0
"""Seconds within which restarts are counted."""
_WAITING = ("starting", "degraded", "restarting")


@dataclass(frozen=True, slots=True)
class StreamState:
    """One stream. `behind` is for how many seconds messages wait for their commit, or it has not run at all."""

    name: str
    running: bool
    behind: float
    restarts: int
    """How many times it began anew within ten minutes."""
    failure: tuple[str, str] | None = None
    """The code and the message of why it gave up."""
    trouble: str | None = None


@dataclass
class StreamLooks:
    """Looks at the workers of a daemon, again and again."""

    daemon: Daemon
    clock: Callable[[], float] = time.monotonic
    _waiting: dict[int, float] = field(default_factory=dict)
    """Since when workers do not run."""
    _begun: dict[str, deque[tuple[float, int]]] = field(default_factory=dict)
    """How often streams had begun anew, and when that was."""

    def look(self) -> list[StreamState]:
        """All streams as they are now."""
        now = self.clock()
        streams: dict[str, list[tuple[int, WorkerState]]] = {}
        for number, worker in enumerate(self.daemon.workers):
            streams.setdefault(worker.job.stream, []).append((number, worker))
        return [self._state(name, workers, now) for name, workers in streams.items()]

    def _state(self, name: str, workers: Sequence[tuple[int, WorkerState]], now: float) -> StreamState:
        each = [worker for _, worker in workers]
        failure = next((worker.failure for worker in each if worker.failure is not None), None)
        return StreamState(
            name,
            running=all(worker.status == "running" for worker in each),
            behind=max(self._behind(number, worker, now) for number, worker in workers),
            restarts=self._restarts(name, sum(worker.restarts + worker.counts.retries for worker in each), now),
            failure=(failure.code, failure.message) if failure is not None else None,
            trouble=next((worker.report.trouble for worker in each if worker.report.trouble), None),
        )

    def _behind(self, number: int, worker: WorkerState, now: float) -> float:
        if worker.status not in _WAITING:
            self._waiting.pop(number, None)
            return worker.report.behind if worker.status == "running" else 0.0
        return max(now - self._waiting.setdefault(number, now), worker.report.behind)

    def _restarts(self, name: str, total: int, now: float) -> int:
        begun = self._begun.setdefault(name, deque([(now, 0)]))
        begun.append((now, total))
        while len(begun) > 1 and begun[1][0] <= now - _WINDOW:
            begun.popleft()
        return total - begun[0][1]
