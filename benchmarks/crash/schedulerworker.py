"""One of several schedulers: `python -m benchmarks.crash.schedulerworker KIND OPTIONS FOLDER NAME SKEW [KUBECONFIG]`.

Its runs take a moment and do nothing but tell, in a file that all share, that they began and that they ended. With a
kubeconfig they are Jobs, whose containers are `jobworker`.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flowc.compiler.ir import Timing
from flowc.runtime.interrupts import outside_handler
from flowc.runtime.systems import open_database
from flowc.service.runs import log as runlog
from flowc.service.runs.decisions import Scheduled
from flowc.service.runs.executors import Project, Running
from flowc.service.runs.k8s import JobOptions, Jobs
from flowc.service.runs.log import RunLog
from flowc.service.runs.records import OK, Claim, Outcome
from flowc.service.runs.scheduler import Scheduler

LEASE = 1.5
PROJECT = "campaign"


def _timing(expression: str) -> Timing:
    return Timing(expression, catch_up="all", attempts=1000, backoff=0.0)


def pipelines(step: int) -> tuple[Scheduled, ...]:
    """What is scheduled: the first every so many seconds, the others more rarely."""
    return (
        Scheduled("first", _timing(f"*/{step} * * * * *")),
        Scheduled("second", _timing(f"*/{2 * step} * * * * *"), upstream=("first",)),
        Scheduled("third", _timing(f"*/{3 * step} * * * * *")),
    )


PIPELINES, JOBS = pipelines(1), pipelines(5)


@dataclass(frozen=True)
class Telling:
    """Starts runs that only tell."""

    file: Path

    def start(self, claim: Claim, project: Project) -> Running:
        """Tells that it began."""
        self._tell("began", claim)
        return _Run(self, claim, time.monotonic() + random.random() * 0.3)

    def _tell(self, what: str, claim: Claim) -> None:
        line = json.dumps([what, claim.pipeline, claim.due_at.isoformat(), claim.attempt, claim.run_id])
        handle = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(handle, f"{line}\n".encode())
        os.close(handle)

    def ended(self, claim: Claim) -> None:
        """Tells that it ended."""
        self._tell("ended", claim)


@dataclass
class _Run:
    telling: Telling
    claim: Claim
    until: float
    told: bool = False

    def outcome(self) -> Outcome | None:
        if time.monotonic() < self.until:
            return None
        if not self.told:
            self.told = True
            self.telling.ended(self.claim)
        return Outcome(OK)

    def stop(self, status: str) -> None:
        self.until = 0.0

    def sign(self) -> None:
        pass


def opened(kind: str, options: Mapping[str, object], owner: str) -> RunLog:
    """The run log that all of them share."""
    return RunLog(lambda: open_database(kind, options), kind, PROJECT, owner, lease=LEASE)


def skew(seconds: float) -> None:
    """Sets the clock of this process wrong."""

    class Wrong(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:
            return datetime.now(UTC) + timedelta(seconds=seconds)

    runlog.datetime = Wrong  # type: ignore[misc]


def main() -> None:
    """Schedules until SIGTERM, or until it is killed."""
    kind, options, folder, name, wrong, *kubeconfig = sys.argv[1:]
    skew(float(wrong))
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: outside_handler(stop.set))
    log = opened(kind, json.loads(options), name)
    jobs = Jobs.of(JobOptions("etl", "x", kubeconfig=kubeconfig[0], patience=20), PROJECT) if kubeconfig else None
    scheduler = Scheduler(
        JOBS if jobs else PIPELINES, log, jobs or Telling(Path(folder) / "runs.jsonl"), Project(()),
        told=lambda _: None, warned=lambda words: print(words, file=sys.stderr), leads=True,
    )  # fmt: skip
    print("ready", flush=True)
    scheduler.run(stop)


if __name__ == "__main__":
    main()
