"""Kills schedulers of which three are at work, and counts due times that ran twice, or not at all.

python -m benchmarks.crash.schedulers                            200 kills for each kind of run log
python -m benchmarks.crash.schedulers --kills 20 --only sqlite   fewer, of one kind
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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from benchmarks.crash.schedulerworker import PIPELINES, opened
from flowc.errors import FlowcError
from flowc.service.runs.log import RunLog
from tests.services import service
from tests.services.databases import Databases
from tests.services.mysql import fresh_database

KINDS = ("sqlite", "duckdb", "postgres", "mysql")
_SKEWS = {"one": 0.0, "two": 0.7, "three": -0.9}
"""The schedulers, and how many seconds their clocks are wrong."""


@dataclass
class Found:
    """What a campaign found."""

    kills: int = 0
    leaders: int = 0
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
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str) -> None:
        """Starts one, and returns when it schedules."""
        words = [self.kind, json.dumps(self.options), str(self.folder), name, str(_SKEWS[name])]
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

    def stop(self) -> None:
        """Asks all to stop."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.wait(60)


def campaign(kind: str, options: Mapping[str, object], folder: Path, kills: int, seed: int) -> Found:
    """Kills one after the other, mostly the one that leads, and has the last ones do what is left."""
    pick, found = random.Random(seed), Found()
    three, log = Three(kind, options, folder), opened(kind, options, "campaign")
    log.ensure()
    for name in _SKEWS:
        three.start(name)
    for _ in range(kills):
        time.sleep(pick.random() * 1.5)
        leader = _leader(log)
        name = leader if leader in three.processes and pick.random() < 0.8 else pick.choice([*three.processes])
        found.kills += 1
        found.leaders += name == leader
        three.kill(name)
        three.start(name)
    _finish(log, datetime.now().astimezone() + timedelta(seconds=3))
    three.stop()
    _count(found, log, folder)
    log.close()
    return found


def _leader(log: RunLog) -> str | None:
    try:
        leads = log.leader()
    except FlowcError:
        return None
    return leads[0] if leads is not None else None


def _finish(log: RunLog, upto: datetime) -> None:
    """Waits until all that was due by then is done with."""
    until = time.monotonic() + 180
    while time.monotonic() < until:
        found = log.standings()
        if len(found) == len(PIPELINES) and all(at.settled_at >= upto for at in found.values()):
            return
        time.sleep(0.5)


def _count(found: Found, log: RunLog, folder: Path) -> None:
    lines = [json.loads(line) for line in (folder / "runs.jsonl").read_text().splitlines()]
    began = Counter((name, due, attempt) for what, name, due, attempt, _ in lines if what == "began")
    found.again = sum(attempt > 1 for _, _, attempt in began)
    found.twice += sum(count - 1 for count in began.values())
    done = Counter((run.pipeline, run.due_at) for run in log.runs(status="ok", most=1_000_000))
    found.twice += sum(count - 1 for count in done.values())
    standings = log.standings()
    for pipeline in PIPELINES:
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


def main() -> int:
    """Runs the campaigns and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--only", nargs="*", choices=KINDS, default=KINDS)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print("| run log | kills | of leaders | due times | tried again | twice | missed |")
    print("|---|---|---|---|---|---|---|")
    good = True
    for kind in given.only:
        with tempfile.TemporaryDirectory() as name, place(kind, Path(name)) as options:
            found = campaign(kind, options, Path(name), given.kills, given.seed)
        counts = (found.kills, found.leaders, found.due, found.again, found.twice, found.missed)
        print(f"| {kind} | {' | '.join(map(str, counts))} |", flush=True)
        for problem in found.problems:
            print(problem, file=sys.stderr)
        good = good and found.good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
