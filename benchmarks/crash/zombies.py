"""Workers that sleep while a stream of files is edited or rewound, and wake up at any step of that, or behind it.

python -m benchmarks.crash.zombies                    400 trials
python -m benchmarks.crash.zombies --first 17 --trials 1   that trial again

A trial is a stream over files that are there at once. One worker sleeps at a step; its spec is edited (also `path`) and
run, or the stream is rewound; that is cut off at a step, or not, and the edit is undone, or not. All of it is in this
process: what is cut off closes its sessions, which a killed worker does not.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.crash.zombieplaces import Plan, Stream, Target
from flowc.errors import FlowcError
from flowc.service.streams import rewinding

_SHM = Path("/dev/shm")
_STEPS = ("intended", "refused", "target 0", "target 0", "target 1", "checkpoint", "committed")
_WAKING = {
    "edit": (*_STEPS, "standing", "fenced"),
    "rewind": ("shut", "moved in the store", "committed"),
}
"""Steps of what is done meanwhile at which no transaction is open, so that a worker can go on."""
_CUTS = {**_WAKING, "rewind": ("shut", "moved in the store", "positions", "rows", "committed")}
_EDITS: Sequence[Mapping[str, object]] = (
    {"code": 100}, {"factor": 2}, {"path": "a*.jsonl"}, {"path": "[a]*.jsonl", "code": 100},
    {"path": "a*.jsonl", "factor": 3}, {"path": "b*.jsonl"}, {"path": "[!a]*.jsonl", "factor": 2},
)  # fmt: skip
_FILES = ("a1", "b1", "a2")
_ALL = Plan().path
_ATTEMPTS = 7


class Cut(BaseException):
    """Ends what is done at a step."""


@dataclass
class Sleeper:
    """A worker in a thread of its own that sleeps when it comes to a step the `count`th time."""

    stream: Stream
    step: str
    count: int
    reached: threading.Event = field(default_factory=threading.Event)
    wake: threading.Event = field(default_factory=threading.Event)

    def start(self) -> bool:
        """Whether it sleeps; else it has ended."""
        self._thread = threading.Thread(target=self.stream.run, args=(self._pause,), daemon=True)
        self._thread.start()
        while self._thread.is_alive() and not self.reached.wait(0.01):
            pass
        return self.reached.is_set()

    def _pause(self, step: str) -> None:
        self.count -= step == self.step
        if not self.count and not self.reached.is_set():
            self.reached.set()
            self.wake.wait(60)

    def end(self) -> None:
        """Lets it go on until it ends."""
        self.wake.set()
        self._thread.join(60)


@dataclass
class Trial:
    """One trial in a folder."""

    folder: Path
    chance: random.Random
    story: list[str] = field(default_factory=list)

    def run(self) -> str:
        """Carries it out; what was wrong, or nothing."""
        self.stream = Stream.drawn(self.folder, self.chance)
        self.names = ["a0"] if self.chance.random() < 0.5 else []
        self.stream.put(*self.names)
        if self.names:
            self.stream.run()
        self.stream.put(*_FILES)
        self.sleeper = Sleeper(self.stream, self.chance.choice(_STEPS), self.chance.randint(1, 3))
        if not self.sleeper.start():
            return ""
        self.names += [*_FILES, "a3"]
        try:
            return (self._edited if self.chance.random() < 0.5 else self._rewound)()
        finally:
            self.sleeper.end()

    def _meanwhile(self, kind: str, work: Callable[[Callable[[str], None]], object]) -> bool:
        """Does something while the worker sleeps; whether it was cut off."""
        wake = self.chance.choice((None, *_WAKING[kind]))
        cut = self.chance.choice((None, None, *_CUTS[kind]))

        def pause(step: str) -> None:
            if step == wake:
                self.sleeper.end()
            if step == cut:
                raise Cut

        self.story.append(f"{kind}, the worker wakes up at {wake}")
        try:
            work(pause)
        except Cut:
            self.story.append(f"cut off at {cut}")
            return True
        return False

    def _edited(self) -> str:
        before, change = self.stream.plan, self.chance.choice(_EDITS)
        self.stream.edit(**change)
        edited = self.stream.plan
        self.story.append(f"edit {change}")
        self._meanwhile("edit", self.stream.run)
        if self.chance.random() < 0.5:
            self.stream.plan = before
            self.story.append("undo")
        if self.chance.random() < 0.5:
            self.sleeper.end()
        self.stream.put("a3")
        return self._run_on((before, edited)) or self._judged({target: Counter() for target in self.stream.targets})

    def _rewound(self) -> str:
        if self.chance.random() < 0.4:
            change = self.chance.choice(_EDITS)
            before = self.stream.plan
            self.stream.edit(**change)
            self.story.append(f"edit {change}")
        else:
            before = self.stream.plan
        place = self.chance.choice(("earliest", "current", "held"))
        try:
            cut = self._meanwhile("rewind", lambda pause: self.stream.rewind(place, pause))
            if cut:
                if self.chance.random() < 0.5:
                    self.stream.run()
                self.stream.rewind(place)
        except FlowcError as error:
            self.story.append(f"rewind to {place}: {error.code}")
            if error.code in ("unknown-selection", "unreadable-argument"):
                return ""
            return f"no rewind to {place}: {error.message}"
        self.sleeper.end()
        self.story.append(f"rewound to {place}")
        there = {target: self.stream.rows(target) for target in self.stream.targets}
        self.stream.put("a3")
        return self._run_on((before, self.stream.plan)) or self._judged(there, place)

    def _run_on(self, plans: Sequence[Plan]) -> str:
        """Workers until one has read all files; epochs that another plan has to finish are finished by that."""
        for _ in range(_ATTEMPTS):
            error = self.stream.run().error
            self.story.append(f"run: {error and error.code}")
            if error is None:
                if self.stream.plan.path == _ALL:
                    return ""
                self.stream.edit(path=_ALL)
                self.story.append("every file is named again")
            elif error.code == "unfinished-epochs":
                self.stream.plan = next(plan for plan in plans if plan != self.stream.plan)
        return "it does not end well"

    def _judged(self, there: Mapping[Target, Counter[tuple[str, int]]], place: str = "") -> str:
        """Whether each target has each row once, behind what a rewind to a place has left there."""
        wrong = []
        for target, rows in self.stream.held().items():
            for name in self.names:
                had = sum(count for (id_, _), count in there[target].items() if id_ == name)
                found = sum(count for (id_, _), count in rows.items() if id_ == name)
                right = {0} if name in self.stream.aside else self._right(had, place, name)
                if found not in right:
                    wrong.append(f"{target} has {name} {found} times, and had it {had} times")
        if self.stream.letters and (count := self.stream.letter_count()) != len(self.stream.aside):
            wrong.append(f"there are {count} letters")
        held = list(self.stream.held().values())
        if not place and any(rows != held[0] for rows in held):
            wrong.append(f"targets differ: {held}")
        return "; ".join(wrong)

    def _right(self, had: int, place: str, name: str) -> set[int]:
        once = {"earliest": {had + 1}, "": {1}}.get(place, {max(had, 1)})
        if place in ("current", "held"):  # a worker that woke up may have read on from there, or one target alone
            once |= {had + 1}
        return once


def campaign(numbers: Sequence[int], seed: int) -> list[str]:
    """So many trials; what was wrong."""
    wrong, patience = [], rewinding._PATIENCE
    rewinding._PATIENCE = 0.0
    try:
        for number in numbers:
            with tempfile.TemporaryDirectory(dir=_SHM if _SHM.is_dir() else None, prefix="flowc-zombies-") as folder:
                trial = Trial(Path(folder), random.Random(f"{seed} {number}"))
                if problem := trial.run():
                    wrong.append(f"{number}: {trial.stream.targets} {problem}\n  " + "\n  ".join(trial.story))
                    sys.stderr.write(f"{wrong[-1]}\n")
    finally:
        rewinding._PATIENCE = patience
    return wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the campaign; 1 when a target has rows that it should not have, or lacks some."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crash.zombies", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--trials", type=int, default=400, help="how many (default: 400)")
    parser.add_argument("--first", type=int, default=0, help="the number of the first trial (default: 0)")
    parser.add_argument("--seed", type=int, default=1, help="of the steps and edits (default: 1)")
    given = parser.parse_args(arguments)
    wrong = campaign(range(given.first, given.first + given.trials), given.seed)
    print(f"{given.trials} trials, {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
