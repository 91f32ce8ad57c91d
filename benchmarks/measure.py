"""Timing whole processes, flowc and what it is measured against in turn, so that both meet the same machine."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

LAUNCHER = Path(__file__).with_name("launch.py")


class SideFailed(Exception):
    """A measured command ended with an error; the message holds the end of what it said."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of one command."""

    seconds: float
    peak_mib: float
    output: str


@dataclass(frozen=True, slots=True)
class Side:
    """One way to do a piece of work: a command, and what makes its starting point (not timed)."""

    name: str
    command: Sequence[str]
    prepare: Callable[[], None] = lambda: None
    cwd: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)

    def run(self) -> Sample:
        """Prepares and runs it once. Raises `SideFailed`."""
        self.prepare()
        return run(self.name, self.command, cwd=self.cwd, env=self.env)


@dataclass(frozen=True, slots=True)
class Result:
    """The runs of one side."""

    name: str
    samples: tuple[Sample, ...]

    @property
    def seconds(self) -> float:
        return statistics.median(sample.seconds for sample in self.samples)

    @property
    def peak_mib(self) -> float:
        return max(sample.peak_mib for sample in self.samples)


def run(name: str, command: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Sample:
    """Runs a command once, as a process of its own.

    Raises:
        SideFailed: when it does not end with 0.
    """
    with tempfile.TemporaryDirectory(prefix="flowc-sample-") as folder:
        report = Path(folder, "report")
        # Compiled modules are kept, as they are where flowc is installed.
        given = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        launched = [sys.executable, "-I", "-S", str(LAUNCHER), str(report), *command]
        done = subprocess.run(
            launched, cwd=cwd, env={**given, **(env or {})}, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SideFailed(f"{name} ended with {done.returncode}: {_end(done.stdout + done.stderr)}")
        seconds, peak = report.read_text("utf-8").split()
    return Sample(float(seconds), float(peak), done.stdout)


def shell(pipeline: str) -> list[str]:
    """The command that runs a pipeline of the shell, failing when any part of it fails."""
    return ["bash", "-o", "pipefail", "-c", pipeline]


def compare(
    flowc: Side, others: Sequence[Side], rounds: int, check: Callable[[str], None] | None = None
) -> list[Result]:
    """Runs all in turn, `rounds` times; after the first round only the fastest of the others goes on.

    `check` is called with a side's name after its first run and raises when the work was not done.

    Returns:
        flowc's result, then the best other's.
    """
    samples: dict[str, list[Sample]] = {side.name: [] for side in (flowc, *others)}
    rivals = list(others)
    for round_number in range(rounds):
        for side in (flowc, *rivals):
            samples[side.name].append(side.run())
            if check and round_number == 0:
                check(side.name)
        rivals = sorted(rivals, key=lambda side: samples[side.name][0].seconds)[:1]
    return [Result(side.name, tuple(samples[side.name])) for side in (flowc, *rivals)]


def _end(text: str) -> str:
    return " ".join(text.split())[-600:]
