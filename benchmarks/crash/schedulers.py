"""Kills schedulers of which three are at work, and counts due times that ran twice, or not at all.

python -m benchmarks.crash.schedulers                            200 kills for each kind of run log
python -m benchmarks.crash.schedulers --kills 20 --only sqlite   fewer, of one kind
python -m benchmarks.crash.schedulers --executor k8s --only postgres   of schedulers and of their Jobs' workers
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from benchmarks.crash.schedulerworker import JOBS, PIPELINES, opened
from flowc.errors import FlowcError
from flowc.service.runs.decisions import Scheduled
from flowc.service.runs.log import RunLog
from tests.services import service
from tests.services.databases import Databases
from tests.services.k8s import Cluster, cluster
from tests.services.mysql import fresh_database

KINDS = ("sqlite", "duckdb", "postgres", "mysql")
_SKEWS = {"one": 0.0, "two": 0.7, "three": -0.9}
"""The schedulers, and how many seconds their clocks are wrong."""


@dataclass
class Found:
    """What a campaign found."""

    kills: int = 0
    leaders: int = 0
    workers: int = 0
    due: int = 0
    again: int = 0
    """Attempts behind one that was lost."""
    twice: int = 0
    """Attempts that began twice, and due times that two runs did."""
    missed: int = 0
    """Due times that no run did."""
    problems: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether every due time ran once."""
        return not (self.twice or self.missed)


@dataclass
class Three:
    """Three schedulers of one project."""

    kind: str
    options: Mapping[str, object]
    folder: Path
    kube: Cluster | None = None
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str) -> None:
        """Starts one, and returns when it schedules."""
        words = [self.kind, json.dumps(self.options), str(self.folder), name, str(_SKEWS[name])]
        words += [str(self.kube.kubeconfig)] if self.kube is not None else []
        with (self.folder / "errors.txt").open("ab") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.crash.schedulerworker", *words],
                stdout=subprocess.PIPE, stderr=errors,
            )  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()
        self.processes[name] = process

    def kill(self, name: str) -> None:
        """Kills one."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def kill_worker(self) -> bool:
        """Kills the worker of a Job; False where none is at work."""
        running = [*self.kube.processes] if self.kube is not None else []
        if self.kube is None or not running:
            return False
        with suppress(KeyError):  # it has just ended
            self.kube.signal(signal.SIGKILL, running[0])
        return True

    def stop(self) -> None:
        """Asks all to stop."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.wait(60)


def campaign(
    kind: str, options: Mapping[str, object], folder: Path, kills: int, seed: int, kube: Cluster | None = None
) -> Found:  # fmt: skip
    """Kills one after the other, mostly the one that leads, and has the last ones do what is left.

    In a cluster, every other kill is of a worker, if there is one.
    """
    pick, found = random.Random(seed), Found()
    three, log = Three(kind, options, folder, kube), opened(kind, options, "campaign")
    pipelines = JOBS if kube is not None else PIPELINES
    log.ensure()
    for name in _SKEWS:
        three.start(name)
    for _ in range(kills):
        time.sleep(pick.random() * 1.5)
        leader = _leader(log)
        name = leader if leader in three.processes and pick.random() < 0.8 else pick.choice([*three.processes])
        found.kills += 1
        if pick.random() < 0.5 and three.kill_worker():
            found.workers += 1
            continue
        found.leaders += name == leader
        three.kill(name)
        three.start(name)
    _finish(log, datetime.now().astimezone() + timedelta(seconds=3), pipelines)
    three.stop()
    _count(found, log, folder, pipelines)
    log.close()
    return found


def _leader(log: RunLog) -> str | None:
    try:
        leads = log.leader()
    except FlowcError:
        return None
    return leads[0].partition("@")[0] if leads is not None else None


def _finish(log: RunLog, upto: datetime, pipelines: Sequence[Scheduled]) -> None:
    """Waits until all that was due by then is done with."""
    until = time.monotonic() + 180
    while time.monotonic() < until:
        found = log.standings()
        steps = {each.name: each.schedule.last(upto) or upto for each in pipelines}
        if len(found) == len(steps) and all(at.settled_at >= steps[name] for name, at in found.items()):
            return
        time.sleep(0.5)


def _count(found: Found, log: RunLog, folder: Path, pipelines: Sequence[Scheduled]) -> None:
    lines = [json.loads(line) for line in (folder / "runs.jsonl").read_text().splitlines()]
    began = Counter((name, due, attempt) for what, name, due, attempt, _ in lines if what == "began")
    found.again = sum(attempt > 1 for _, _, attempt in began)
    found.twice += sum(count - 1 for count in began.values())
    done = Counter((run.pipeline, run.due_at) for run in log.runs(status="ok", most=1_000_000))
    found.twice += sum(count - 1 for count in done.values())
    standings = log.standings()
    for pipeline in pipelines:
        at = standings[pipeline.name]
        due = pipeline.schedule.between(at.since, at.settled_at, 1_000_000)
        missing = [each for each in due if (pipeline.name, each) not in done]
        found.due += len(due)
        found.missed += len(missing)
        found.problems += [f"{pipeline.name} at {each} did not run" for each in missing[:5]]
    found.problems += [f"{each} began {count} times" for each, count in began.items() if count > 1][:5]


@contextmanager
def place(kind: str, folder: Path) -> Iterator[Mapping[str, object]]:
    """An empty database of a kind."""
    if kind in ("sqlite", "duckdb"):
        yield {"path": str(folder / f"runs.{kind}")}
        return
    server = service(kind)
    with server as address:
        if kind == "mysql":
            with fresh_database(address) as dsn:
                yield {"url": dsn}
            return
        databases = Databases(address)
        with databases.fresh() as dsn:
            yield {"url": dsn}
        databases.drop()


@contextmanager
def _cluster(kind: str, options: Mapping[str, object], folder: Path) -> Iterator[Cluster]:
    told = {"CAMPAIGN_KIND": kind, "CAMPAIGN_OPTIONS": json.dumps(options), "CAMPAIGN_FOLDER": str(folder)}
    with cluster(folder, **told) as kube:
        kube.module = "benchmarks.crash.jobworker"
        yield kube


def main() -> int:
    """Runs the campaigns and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--only", nargs="*", choices=KINDS, default=KINDS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--executor", choices=("subprocess", "k8s"), default="subprocess")
    given = parser.parse_args()
    print("| run log | kills | of leaders | of workers | due times | tried again | twice | missed |")
    print("|---|---|---|---|---|---|---|---|")
    good = True
    for kind in given.only:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            options = stack.enter_context(place(kind, folder))
            kube = stack.enter_context(_cluster(kind, options, folder)) if given.executor == "k8s" else None
            found = campaign(kind, options, folder, given.kills, given.seed, kube)
        counts = (found.kills, found.leaders, found.workers, found.due, found.again, found.twice, found.missed)
        print(f"| {kind} | {' | '.join(map(str, counts))} |", flush=True)
        for problem in found.problems:
            print(problem, file=sys.stderr)
        good = good and found.good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
