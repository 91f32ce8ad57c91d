"""Kills streams that read a queue which forgets, and counts what is lost, twice, or acknowledged too early.

python -m benchmarks.crash.queues                           200 trials for each kind of stream
python -m benchmarks.crash.queues --trials 20 --only files  fewer, of one kind
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.crash.queueworker import KINDS, Place, run
from tests.streams.broker import acknowledged, send, twice

_EVENTS = 600
_KILLS = 4


@dataclass
class Found:
    """What trials found."""

    trials: int = 0
    kills: int = 0
    lost: int = 0
    twice: int = 0
    early: int = 0
    """Messages that were acknowledged before every target held them."""
    again: int = 0
    """Messages that were delivered more than once."""

    @property
    def good(self) -> bool:
        """Whether every message is in every target once, and none was acknowledged too early."""
        return not (self.lost or self.twice or self.early)

    def look(self, place: Place, wanted: int | None = None) -> None:
        """Counts what is wrong with what targets hold now, while nobody works."""
        known = {int(each) for each in acknowledged(place.queue)}
        for ids in place.held():
            counts = Counter(ids)
            self.early += len(known - counts.keys())
            if wanted is not None:
                self.twice += sum(count - 1 for count in counts.values())
                self.lost += len(set(range(wanted)) - counts.keys())


def points_of(kind: str, folder: Path) -> list[str]:
    """The points that a stream of a kind passes, in a run that nobody disturbs."""
    points: list[str] = []
    place = filled(kind, folder, 40)
    run(place, 1, points.append, lambda _: None)
    return sorted(set(points))


def filled(kind: str, folder: Path, events: int) -> Place:
    """A queue of so many messages."""
    folder.mkdir()
    send(folder / "queue.db", ((str(number), b'{"id": %d}' % number) for number in range(events)))
    return Place(kind, folder)


def trial(found: Found, kind: str, folder: Path, ways: Sequence[tuple[str, int] | float], events: int) -> None:
    """Kills workers, each at a point or after some seconds, and has the last one finish."""
    place = filled(kind, folder, events)
    for seed, way in enumerate(ways):
        command = [sys.executable, "-m", "benchmarks.crash.queueworker", kind, str(folder), str(seed)]
        at = [] if isinstance(way, float) else [way[0], str(way[1])]
        worker = subprocess.Popen([*command, *at])
        if isinstance(way, float):
            until = time.monotonic() + 30
            while not (folder / "wh.db").exists() and time.monotonic() < until:
                time.sleep(0.005)  # the interpreter is not what is to be killed
            time.sleep(way)
            worker.kill()
        found.kills += worker.wait(120) == -signal.SIGKILL
        found.look(place)
    run(place, len(ways), lambda _: None, lambda _: None)
    found.trials += 1
    found.again += twice(place.queue)
    found.look(place, events)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the trials and prints a table; 1 when anything is wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crash.queues", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--trials", type=int, default=200, help="of each kind of stream (default: 200)")
    parser.add_argument("--only", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    print("| stream | trials | kills | lost | twice | acknowledged early | delivered again |")
    print("|---|---|---|---|---|---|---|")
    good = True
    for kind in options.only:
        found = campaign(kind, options.trials, options.seed)
        cells = kind, found.trials, found.kills, found.lost, found.twice, found.early, found.again
        print("| " + " | ".join(map(str, cells)) + " |")
        good = good and found.good
    return 0 if good else 1


def campaign(kind: str, trials: int, seed: int) -> Found:
    """So many trials of a kind of stream."""
    chance, found = random.Random(f"{seed} {kind}"), Found()
    with tempfile.TemporaryDirectory(prefix="flowc-queues-") as name:
        points = points_of(kind, Path(name) / "points")
        for number in range(trials):
            ways = [
                chance.uniform(0, 0.3) if number % 3 == 0 else (chance.choice(points), chance.randrange(6))
                for _ in range(_KILLS)
            ]
            trial(found, kind, Path(name) / str(number), ways, _EVENTS)
    return found


if __name__ == "__main__":
    sys.exit(main())
