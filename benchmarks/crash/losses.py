"""Ways that take targets which lose rows: dropped, or restored from an older copy, between two runs or under one.

A stream that goes on must have every row at its end; else it stops with `target-behind`, and a rewind brings all back.
Rows that are there twice by then were announced by the rewind.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.crash.worker import DONE, Command, Job, ended

if TYPE_CHECKING:
    from benchmarks.crash.trial import Trial

_RUNS = 8


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


def dropped(trial: Trial, job: Job) -> None:
    """A target is dropped."""
    assert trial.place.damage is not None
    _lose(trial, job, trial.place.damage.drop)


def restored(trial: Trial, job: Job) -> None:
    """A target is restored from a copy that was made between two runs."""
    assert trial.place.damage is not None
    assert trial.place.damage.restore is not None
    _lose(trial, job, trial.place.damage.restore, trial.place.damage.copy)


def _lose(trial: Trial, job: Job, damage: Callable[[], None], before: Callable[[], None] | None = None) -> None:
    tune = job.tune
    job = replace(job, tune=lambda: (tune(), often())[-1])
    trial.kill(trial.working(job))
    if before is not None:
        before()
    process = trial.working(job)
    if trial.chance.random() < 0.5:
        trial.kill(process)
        damage()
    else:
        damage()
        ended(process)
    _recover(trial, job)


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
    for place in ("held", "earliest"):
        words = ("rewind", job.stream, "--to", place, "--yes")
        command = replace(Command(job.folder, job.stream, job.env, tune=job.tune), words=words)
        code, text = command.done()
        if code == DONE:
            return
    raise TimeoutError(f"the rewind ended with {code}: {text}")


LOSSES: Mapping[str, Callable[[Trial, Job], None]] = {"dropped": dropped, "restored": restored}
