"""One of two workers that share a stream as the daemon's do: in one group, which gives each its partitions."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from benchmarks.crash.worker import DONE, FAILED, Job
from flowc.cli.opened import OpenProject
from flowc.runtime.systems.shared.target import DatabaseWriter
from flowc.service.access.sessions import Sessions
from flowc.service.daemon import job as daemon
from flowc.service.daemon.channel import Channel, Wire
from flowc.service.daemon.restart import RestartPolicy
from flowc.service.daemon.worker import Worker
from flowc.service.streams.run import Pause, plan_of
from flowc.stream import TableTarget

_RESTARTS = RestartPolicy(0.05, 0.3)
_REST = 0.02
"""Seconds after each commit: partitions are to change hands while there is something to read."""


@dataclass(frozen=True)
class Member(Job):
    """A worker that goes on, whatever fails, until all `messages` of the topic are behind the stored positions."""

    messages: int = 0

    def work(self, opened: OpenProject) -> int:
        """Runs the daemon's worker."""
        job = daemon.Job(opened.checked, opened.ir, self.stream, workers=2, policy=_RESTARTS)
        with self.log.open("ab") as log:
            worker = Worker(job, Channel(Wire(log, opened.sessions.resolver), (job,)), pause=self._slow())
            threading.Thread(target=self._until_done, args=(worker, opened), daemon=True).start()
            return FAILED if worker.run() else DONE

    def _slow(self) -> Pause:
        reached = self.reached()

        def slow(name: str) -> None:
            reached(name)
            if name == "committed":
                time.sleep(_REST)

        return slow

    def _until_done(self, worker: Worker, opened: OpenProject) -> None:
        while worker.watch.report.status != "running":
            time.sleep(_REST)  # before that there may be no table of positions
        sessions = Sessions(worker.job.checked.project.connections, opened.sessions.resolver)
        (target,) = plan_of(opened.checked, opened.ir, self.stream, sessions).targets
        assert isinstance(target, TableTarget)
        stored = DatabaseWriter(target, sessions.target(target.connection))
        while sum(map(int, stored.held().positions.values())) < self.messages:
            time.sleep(_REST)
        worker.stopping.set()
