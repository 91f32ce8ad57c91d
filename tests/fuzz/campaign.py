"""A campaign: processes that examine mutants, watched from outside, and what they found in a folder."""

from __future__ import annotations

import json
import os
import selectors
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import warm
from tests.fuzz.kinds import made
from tests.fuzz.rules import own_time

ROOT = Path(__file__).resolve().parents[2]
STUCK = 60.0
"""Seconds after which a process that told nothing is ended."""
MEMORY = Path("/dev/shm")
"""Where Linux keeps files in memory: a disk that others keep busy is no fault of a command."""
BATCH = 500
"""How many mutants one process examines: what adds up in it is not taken for what one of them needs."""
KEPT = 3
"""How many mutants are kept of each signature."""


@dataclass
class Campaign:
    """What is examined, and what came of it so far."""

    count: int
    seed: int
    only: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    folder: Path | None = None
    first_only: bool = False
    first: int = 0
    stuck: float = STUCK
    examined: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    rules: set[str] = field(default_factory=set)
    slowest: tuple[float, int] = (0.0, 0)

    def run(self, jobs: int = 1) -> Campaign:
        """Examines all of them in so many processes at once."""
        lanes = [_Lane(self, self.first + lane, jobs) for lane in range(min(jobs, self.count))]
        with selectors.DefaultSelector() as selector:
            try:
                self._watch(lanes, selector)
            finally:
                for lane in lanes:
                    lane.stop()
        return self

    def _watch(self, lanes: Sequence[_Lane], selector: selectors.BaseSelector) -> None:
        while open_lanes := [lane for lane in lanes if lane.alive(selector)]:
            for key, _ in selector.select(timeout=1.0):
                key.data.hear()
            for lane in open_lanes:
                lane.mind()
            if self.first_only and self.found:
                return

    def take(self, told: dict[str, Any]) -> None:
        """Counts what a process told of one mutant, and keeps the mutant where something is wrong with it."""
        self.examined[told["kind"]] += 1
        self.slowest = max(self.slowest, (told["took"], told["number"]))
        for finding in told["findings"]:
            self.rules.add(finding["rule"])
            self.found[finding["signature"]] += 1
            if self.found[finding["signature"]] <= KEPT:
                self._keep(told, finding)

    def _keep(self, told: dict[str, Any], finding: dict[str, str]) -> None:
        what = f"seed {self.seed}, mutant {told['number']} ({told['kind']}): {finding['rule']}"
        words = f"{what}\n$ flowc {finding['command']}\n{finding['shown']}\n"
        sys.stderr.write(words.encode("ascii", "backslashreplace").decode() + "\n")
        if self.folder is not None:
            kept = self.folder / f"{self.seed}-{told['number']}-{finding['rule']}"
            for name, content in told.get("files", {}).items():
                (kept / name).parent.mkdir(parents=True, exist_ok=True)
                (kept / name).write_bytes(content.encode("latin-1"))
            (kept / "finding.txt").write_text(words, "utf-8", errors="backslashreplace")

    def lost(self, number: int, rule: str, shown: str) -> None:
        """Keeps a mutant that ended its process, or did not end."""
        kind, mutant, _ = made(self.seed, number, self.only)
        finding = {"rule": rule, "command": "", "shown": shown, "signature": f"{rule} {kind} {shown.strip()[-60:]}"}
        files = {name: content.decode("latin-1") for name, content in mutant.files.items()}
        self.take({"number": number, "kind": kind, "took": 0.0, "findings": [finding], "files": files})


class _Lane:
    """Every `step`th mutant, in one process after the other. What they tell comes through a pipe."""

    def __init__(self, campaign: Campaign, first: int, step: int) -> None:
        self._campaign, self._next, self._step = campaign, first, step
        self._end = campaign.first + campaign.count
        self._process: warm.Process | None = None
        self._heard, self._buffer, self._stuck = 0.0, b"", False

    def alive(self, selector: selectors.BaseSelector) -> bool:
        """Whether there is something left; starts a process where none is at work."""
        if self._process is None and self._next < self._end:
            self._start()
            selector.register(self._pipe, selectors.EVENT_READ, self)
        self._selector = selector
        return self._process is not None

    def _start(self) -> None:
        end = min(self._next + BATCH * self._step, self._end)
        campaign = self._campaign
        asked = {
            "first": self._next, "end": end, "step": self._step, "seed": campaign.seed, "only": campaign.only,
            "faults": campaign.faults, "smaller": not campaign.first_only,
        }  # fmt: skip
        self._folder = tempfile.TemporaryDirectory(prefix="flowc-fuzz-", dir=MEMORY if MEMORY.is_dir() else None)
        env = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": self._folder.name}
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 -- as long as the process
        self._pipe, told = os.pipe()
        with open(told, "wb") as out, open(os.devnull) as nothing:
            files = (nothing.fileno(), out.fileno(), self._errors.fileno())
            words, server = [json.dumps(asked)], warm.server(PYTHONHASHSEED="0")
            self._process = warm.begin(server, "tests.fuzz.child", words, files, cwd=ROOT, env=env)
        self._heard = own_time(self._process.pid)

    def hear(self) -> None:
        """Reads what is there."""
        assert self._process is not None
        read = os.read(self._pipe, 1 << 20)
        self._buffer += read
        *lines, self._buffer = self._buffer.split(b"\n")
        for line in lines:
            self._heard = own_time(self._process.pid)
            told = json.loads(line)
            self._next = told["number"] + self._step
            self._campaign.take(told)
        if not read:
            self._ended()

    def mind(self) -> None:
        """Ends a process that is stuck."""
        if self._process is not None and own_time(self._process.pid) - self._heard > self._campaign.stuck:
            self._stuck = True
            self._process.kill()

    def _ended(self) -> None:
        code = self._process.wait()
        stuck = self._stuck and code == -signal.SIGKILL
        self._errors.seek(0)
        last = self._errors.read()[-2000:].decode("utf-8", "replace")
        self._close()
        if code != 0:
            self._campaign.lost(self._next, "hangs" if stuck else "died", f"{last}\nended with {code}")
            self._next += self._step

    def stop(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._close()

    def _close(self) -> None:
        self._selector.unregister(self._pipe)
        os.close(self._pipe)
        self._errors.close()
        self._folder.cleanup()
        self._process, self._buffer, self._stuck = None, b"", False
