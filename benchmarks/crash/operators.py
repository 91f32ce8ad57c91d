"""Ways that take what operators do beside a busy worker: real commands and real daemons, at any moment.

What a command says that it does is what has to be there at the end: so many messages twice, so many not at all.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from benchmarks.crash.worker import DONE, Command, Job, Steady, ended
from tests.topics import FIRST_MS

if TYPE_CHECKING:
    from benchmarks.crash.trial import Trial

_MOVED = re.compile(r"moved; (\d+) messages are read again(?:, (\d+) are not read)?")
_REFUSED = ("has read nothing yet", "not every target of stream")
"""What a rewind may say when it moves nothing: the stream has not begun, or a target lacks what another one holds."""
_PATIENCE = 300.0


def rewound(trial: Trial, job: Job) -> None:
    """A worker is rewound while it works, to any place before it or behind it, or twice to the same end."""
    worker = Steady(job.folder, job.stream, job.env, tune=job.tune).start()
    places = trial.chance.choice(((any_place(trial),), (any_place(trial),), ("earliest",) * 2, ("latest",) * 2))
    for place in places:
        time.sleep(trial.chance.uniform(0.0, 0.8))
        moved(trial, job, place)
    ended(worker)


def moved(trial: Trial, job: Job, place: str) -> None:
    """Rewinds a stream, and takes down what the command announces."""
    moving = Command(job.folder, job.stream, job.env, tune=job.tune)
    moving = replace(moving, words=("rewind", job.stream, "--to", place, "--yes"))
    code, text = moving.done()
    found = _MOVED.search(text)
    if found is not None:
        trial.again += int(found[1])
        trial.skipped += int(found[2] or 0)
    elif code == DONE or not any(words in text for words in _REFUSED):
        raise TimeoutError(f"the rewind ended with {code}: {text}")


def any_place(trial: Trial) -> str:
    """Anywhere in the topic."""
    chance, each = trial.chance, trial.messages // trial.partitions
    instant = datetime.fromtimestamp(FIRST_MS / 1000, UTC) + timedelta(milliseconds=chance.randrange(trial.messages))
    some = chance.sample(range(trial.partitions), chance.randint(1, trial.partitions))
    offsets = ",".join(f"{partition}:{chance.randrange(each)}" for partition in some)
    return chance.choice(("earliest", "latest", instant.isoformat().replace("+00:00", "Z"), offsets, offsets))


def replayed(trial: Trial, job: Job) -> None:
    """Dead letters go through SQL that was mended, while the worker with the old one leaves more; some are cut off."""
    worker = Steady(job.folder, job.stream, job.env, tune=job.tune).start()
    replay = Command(job.folder, job.stream, job.env, tune=job.tune, words=("dlq", "replay", "mended", job.stream))
    for _ in range(trial.chance.randint(1, 3)):
        time.sleep(trial.chance.uniform(0.0, 0.8))
        process = replay.start()
        if trial.chance.random() < 0.5:
            time.sleep(trial.chance.uniform(0.3, 1.2))
            trial.kill(process)
        else:
            ended(process)
    ended(worker)
    trial.finish(job)
    for _ in range(10):
        code, text = replay.done()
        if code == DONE and "0 replayed" in text:
            return
    raise TimeoutError(f"dead letters are left: {text}")


def second_daemon(trial: Trial, job: Job) -> None:
    """A daemon is started twice; one of them is killed or stopped, and the other one goes on."""
    daemons = [_daemon(trial, job), _daemon(trial, job)]
    gone = trial.chance.randrange(2)
    trial.kills += 1
    os.kill(daemons[gone], trial.chance.choice((signal.SIGKILL, signal.SIGTERM)))
    _check(ended(daemons[gone]), -signal.SIGKILL)
    _until_done(trial, daemons[1 - gone])


def rolling(trial: Trial, job: Job) -> None:
    """A new daemon is started before the old one is stopped, again and again."""
    running = _daemon(trial, job)
    for _ in range(trial.chance.randint(1, 3)):
        new = _daemon(trial, job)
        _stopped(running)
        running = new
    _until_done(trial, running)


def _daemon(trial: Trial, job: Job) -> int:
    """Starts one, and waits for a moment of its life: most often one in which it works."""
    daemon = Command(job.folder, job.stream, job.env, tune=job.tune, words=("run", job.stream))
    before = _begun(daemon)
    process = daemon.start()
    until = time.monotonic() + _PATIENCE
    while trial.chance.random() < 0.999 and _begun(daemon) == before and time.monotonic() < until:
        time.sleep(0.02)
    time.sleep(trial.chance.uniform(0.0, 2.0))
    return process


def _begun(daemon: Command) -> int:
    """How often a worker said that it runs."""
    return daemon.said.read_text().count(": running") if daemon.said.exists() else 0


def _stopped(daemon: int) -> None:
    os.kill(daemon, signal.SIGTERM)
    _check(ended(daemon))


def _check(code: int, *others: int) -> None:
    """One that has only just begun does not listen to signals yet."""
    if code not in (DONE, -signal.SIGTERM, *others):
        raise TimeoutError(f"a daemon ended with exit code {code}")


def _until_done(trial: Trial, daemon: int) -> None:
    """Lets a daemon go on until all is there, or nothing has come for long, or it has given up."""
    missing, until = _missing(trial), time.monotonic() + _PATIENCE
    while missing:
        if os.waitpid(daemon, os.WNOHANG)[0]:
            raise TimeoutError("a daemon gave up")
        if time.monotonic() > until:
            os.kill(daemon, signal.SIGTERM)
            raise TimeoutError("a daemon does not go on")
        time.sleep(0.5)
        before, missing = missing, _missing(trial)
        until = time.monotonic() + _PATIENCE if missing < before else until
    _stopped(daemon)


def _missing(trial: Trial) -> int:
    """How many rows the targets lack."""
    return sum(len(set(trial.wanted) - set(counts)) for counts in trial.counted())


OPERATORS: Mapping[str, Callable[[Trial, Job], None]] = {
    "rewind": rewound,
    "dlq-replay": replayed,
    "second-daemon": second_daemon,
    "rolling": rolling,
}
"""What takes commands of operators."""
OPERATORS_ROWS: Mapping[str, int] = {"rewind": 30, "dlq-replay": 30, "second-daemon": 2, "rolling": 2}
"""How many rows an epoch has in each."""
