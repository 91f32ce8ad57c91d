"""How long one look of a scheduler takes that has nothing to begin, with 5,000 schedules.

python -m benchmarks.ticks                    on each kind of run log
python -m benchmarks.ticks --only sqlite      on one
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.crash.schedulers import KINDS, place
from benchmarks.crash.schedulerworker import opened
from flowc.compiler.ir import Timing
from flowc.service.runs.decisions import Scheduled
from flowc.service.runs.executors import Project, Subprocess
from flowc.service.runs.scheduler import Scheduler

_MANY = 5_000
_ROUNDS = 7


def schedulers() -> tuple[Scheduled, ...]:
    """Pipelines of a hundred schedules, each of which waits for the one before it."""
    expressions = [f"{minute} {hour} * * *" for minute in range(0, 60, 3) for hour in range(5)]
    return tuple(
        Scheduled(f"p{n}", Timing(expressions[n % len(expressions)]), (f"p{n - 1}",) if n % 10 else ())
        for n in range(_MANY)
    )


def main() -> None:
    """Prints a table: the first look, which begins all schedules, and the median of those behind it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", choices=KINDS, default=KINDS)
    print("| run log | schedules | first look, s | each look, s |")
    print("|---|---|---|---|")
    for kind in parser.parse_args().only:
        with tempfile.TemporaryDirectory() as name, place(kind, Path(name)) as options:
            log = opened(kind, options, "one")
            scheduler = Scheduler(
                schedulers(), log, Subprocess({}), Project(()), lambda _: None, lambda _: None
            )  # fmt: skip
            times = [_look(scheduler) for _ in range(_ROUNDS + 1)]
            log.close()
        print(f"| {kind} | {_MANY:,} | {times[0]:.2f} | {median(times[1:]):.2f} |", flush=True)


def _look(scheduler: Scheduler) -> float:
    began = time.perf_counter()
    scheduler.tick()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
