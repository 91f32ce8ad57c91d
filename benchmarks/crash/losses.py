"""Ways that take targets which lose rows: dropped, or restored from an older copy, between two runs or under one.

A stream that continues must have every row at its end; else it stops with `target-behind`, and a rewind writes all rows
again. Only the targets that the rewind names may have rows twice, and at most as many as it reads again.
"""

from __future__ import annotations

import re
import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from benchmarks.crash.worker import DONE, Command, Job, ended, lives
from tests import topics

if TYPE_CHECKING:
    from benchmarks.crash.trial import Trial

_RUNS = 8
_MOVED = re.compile(r"moved; (\d+) messages are read again")
_DOUBLED = re.compile(
    r"^`(\S+)` (?:will hold the rows|was created again and has rows: it will hold those) of these messages twice",
    re.MULTILINE,
)
_DURABLE = ("checkpoint", "committed", "renamed")
"""Points behind which a target and, where there is one, the store of the stream know an epoch."""


@dataclass(frozen=True)
class Damage:
    """What can happen to a target: it is dropped; or it is copied, and the copy takes its place later."""

    drop: Callable[[], None]
    copy: Callable[[], None] | None = None
    restore: Callable[[], None] | None = None


def often() -> None:
    """Keeps checkpoints in a store of its own so often that workers of a second meet several."""
    from flowc.compiler.streamplan import state
    from flowc.stream import StatePlan

    setattr(state, "StatePlan", partial(StatePlan, every=0.1))  # noqa: B010  (a class, for those who check types)


def of_files(home: Path, name: str) -> Damage:
    """The damage of a file or a folder, with the files that belong to it."""

    def drop() -> None:
        for path in home.glob(f"{name}*"):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)

    def copy() -> None:
        for path in home.glob(f"{name}*"):
            (shutil.copytree if path.is_dir() else shutil.copy)(path, home / f"copy-{path.name}")

    def restore() -> None:
        drop()
        for path in home.glob(f"copy-{name}*"):
            path.rename(home / path.name.removeprefix("copy-"))

    return Damage(drop, copy, restore)


def of_topic(address: str, topic: str, partitions: int) -> Damage:
    """The damage of a Kafka topic; a restored topic has the records of a copy, and another ID."""
    records: list[topics.Message] = []

    def copy() -> None:
        held = topics.committed(address, topic)
        records.extend(topics.Message(each.value(), each.key(), each.partition()) for each in held)

    def restore() -> None:
        topics.remake(address, topic, partitions)
        topics.produce(address, topic, records)

    return Damage(lambda: topics.drop(address, topic), copy, restore)


def dropped(trial: Trial, job: Job) -> None:
    """A target is dropped."""
    assert trial.place.damage is not None
    _lose(trial, job, trial.place.damage.drop)


def restored(trial: Trial, job: Job) -> None:
    """A target is restored from a copy that was made between two runs."""
    assert trial.place.damage is not None
    assert trial.place.damage.restore is not None
    _lose(trial, job, trial.place.damage.restore, trial.place.damage.copy)


def target_name(spec: str) -> str:
    """The name by which commands call the target of a spec."""
    target: dict[str, Any] = yaml.safe_load(spec)
    if "table" in target:
        return f"{target['connection']}.{target['table']}"
    return f"{target['connection']}:{target.get('path', target.get('topic'))}"


def _lose(trial: Trial, job: Job, damage: Callable[[], None], before: Callable[[], None] | None = None) -> None:
    tune = job.tune
    job = replace(job, tune=lambda: (tune(), often())[-1])
    trial.kill(_at_work(trial, job))
    if before is not None:
        before()
    process = _at_work(trial, job)
    if trial.chance.random() < 0.5:
        trial.kill(process)
        damage()
    else:
        damage()
        ended(process)
    _recover(trial, job)


def _at_work(trial: Trial, job: Job) -> int:
    """A worker that has made several epochs durable, or has ended."""
    seen, durable = trial.folder / f"seen-{uuid.uuid4().hex[:8]}", trial.chance.randint(1, 6)
    process, until = replace(job, seen=seen).start(), time.monotonic() + 30
    while lives(process) and _durable(seen) < durable and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(trial.chance.uniform(0.0, 0.2))
    return process


def _durable(seen: Path) -> int:
    points = seen.read_text().split() if seen.exists() else []
    return points.count("checkpoint") or max(map(points.count, _DURABLE)) // 4


def _recover(trial: Trial, job: Job) -> None:
    """Runs the stream to its end; where it stops for the rows that are lost, a rewind comes first."""
    for _ in range(_RUNS):
        before = len(_said(job))
        if ended(job.start()) == DONE:
            return
        if "target-behind" in _said(job)[before:]:
            trial.stops += 1
            _rewind(trial, job)


def _said(job: Job) -> str:
    return job.log.read_text() if job.log.exists() else ""


def _rewind(trial: Trial, job: Job) -> None:
    """Rewinds to what the targets hold or, where these do not know it, to the beginning; notes what is announced."""
    for place in ("held", "earliest"):
        words = ("rewind", job.stream, "--to", place, "--yes")
        command = replace(Command(job.folder, job.stream, job.env, tune=job.tune), words=words)
        code, text = command.done()
        moved = _MOVED.search(text)
        if code == DONE and moved is not None:
            trial.again += int(moved[1])
            trial.doubled.update(_DOUBLED.findall(text))
            return
    raise TimeoutError(f"the rewind ended with {code}: {text}")


LOSSES: Mapping[str, Callable[[Trial, Job], None]] = {"dropped": dropped, "restored": restored}
LOSSES_ROWS: Mapping[str, int] = dict.fromkeys(LOSSES, 40)
"""How many rows an epoch has: a worker is to have something left when its target loses rows."""
