"""Random histories of a folder whose `path` is edited: workers are killed, wake up late, and the stream is rewound.

Whatever happens, each file that `path` names has each of its rows once among what was committed and not read again.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from flowc.errors import FlowcError
from flowc.runtime.systems.files.registry import SHIFT
from flowc.runtime.systems.files.source import FileSource
from tests.extended import amount
from tests.streams.filefolder import Memory, aged, source

NAMES = "abcd"
PATHS = ("*.jsonl", "[ab]*.jsonl", "[bc]*.jsonl", "a*.jsonl", "d*.jsonl", "**/*.jsonl", "./a*.jsonl")
ROWS = 3


@dataclass
class Worker:
    """A source as it was when its worker began, which need not know of later epochs."""

    path: str
    source: FileSource
    epoch: int


@dataclass
class History:
    """What is stored of one stream: the place that the last epoch left, and what epochs have read before it."""

    folder: Path
    chance: random.Random
    facts: Memory = field(default_factory=Memory)
    files: int = 0
    path: str = PATHS[0]
    epoch: int = 0
    place: tuple[int, str] | None = None
    read: list[tuple[int, str, int]] = field(default_factory=list)
    """Of each row its offset, its file and its line."""
    places: list[int] = field(default_factory=lambda: [0])
    left: set[str] = field(default_factory=set)
    """Files of which the rest was left out."""
    zombies: list[Worker] = field(default_factory=list)
    story: list[str] = field(default_factory=list)

    def add(self) -> None:
        name = f"{self.chance.choice(NAMES)}{self.files}.jsonl"
        (self.folder / name).write_text("".join(f"{line}\n" for line in range(ROWS)))
        aged(self.folder / name, self.files)
        self.files += 1
        self.story.append(f"add {name}")

    def replace(self) -> None:
        """Another file of the same name, where the one before was left out, or was never found."""
        waiting = {found["path"] for found in self.found[(self.place or (0, ""))[0] >> SHIFT :]}
        there = {path.name for path in self.folder.iterdir()} - {name for _, name, _ in self.read} - waiting
        if there:
            name = self.chance.choice(sorted(there))
            self.files += 1
            aged(self.folder / name, self.files)
            self.story.append(f"replace {name}")

    @property
    def found(self) -> list[dict[str, Any]]:
        """The files that have numbers."""
        keys = sorted((key for key in self.facts.kept if key.split(".")[2].isdigit()), key=lambda key: int(key[13:]))
        return [json.loads(self.facts.kept[key]) for key in keys]

    @property
    def is_whole(self) -> bool:
        """Whether each file with a number is what it was when it was found last."""
        newest = {found["path"]: found["mtime"] for found in self.found}
        return all((self.folder / name).stat().st_mtime_ns == mtime for name, mtime in newest.items())

    def begin(self) -> Worker:
        of = source(self.folder, self.facts, self.path)
        of.open()
        if self.place is not None:
            position, log = self.place
            of.stand({0: position}, {0: log})
        of.assign({} if self.place is None else {0: self.place[0]})
        return Worker(self.path, of, self.epoch)

    def step(self, worker: Worker, rows: int) -> bool:
        """Polls once and commits that; whether there is more to come."""
        polled = worker.source.poll(rows, 0.0)
        if polled is None:
            return not worker.source.caught_up
        (range_,) = polled.ranges
        if worker.epoch != self.epoch:
            return False
        self.epoch = worker.epoch = self.epoch + 1
        found = polled.messages.to_pydict()
        for offset, name in zip(found["_offset"], found["_topic"], strict=True):
            self.read.append((offset, name, offset & ((1 << SHIFT) - 1)))
        self._note_left(int(range_.start), worker.path)
        self.place = int(range_.end), range_.log
        self.places.append(int(range_.end))
        return not worker.source.caught_up

    def _note_left(self, start: int, path: str) -> None:
        """A file that was begun, and is not named by the path that the next epoch has, has no more rows."""
        begun = {name for offset, name, _ in self.read if offset >> SHIFT == start >> SHIFT and offset < start}
        self.left |= {name for name in begun if not fnmatch(name, path.split("/")[-1])}

    def rewind(self) -> None:
        if self.place is None or not self.is_whole:
            return
        place = self.chance.choice([at for at in self.places if at <= self.place[0]])
        self.place, self.epoch = (place, self.place[1]), self.epoch + 1
        self.read = [row for row in self.read if row[0] < place]
        self.left = {name for name in self.left if any(name == row[1] for row in self.read)}
        self.story.append(f"rewind to {place >> SHIFT}:{place & 0xFFFF}")

    def run(self) -> None:
        """A worker that reads all, that is killed, or that sleeps while others go on."""
        self.path = self.chance.choice((self.path, *PATHS))
        end = self.chance.choice(("all", "killed", "sleeps", "sleeps"))
        worker, rows = self.begin(), self.chance.randint(1, 5)
        self.story.append(f"{self.path} {end}")
        left = -1 if end == "all" else self.chance.choice((0, 0, 1, 2))
        while left and self.step(worker, rows):
            left -= 1
        if end == "sleeps":
            self.zombies.append(worker)

    def wake(self) -> None:
        """A worker that others have overtaken reads on."""
        if self.zombies:
            worker = self.zombies.pop(self.chance.randrange(len(self.zombies)))
            self.story.append(f"{worker.path} wakes up")
            for _ in range(2):
                try:
                    worker.source.poll(10, 0.0)
                    worker.source._registry.look()
                except FlowcError:  # it is fenced, or a file is another one by now
                    return

    def check(self) -> None:
        worker = self.begin()
        while self.step(worker, 4):
            pass
        rows = Counter((name, line) for _, name, line in self.read)
        named = {path.name for path in self.folder.iterdir() if fnmatch(path.name, self.path.split("/")[-1])}
        missing = {(name, line) for name in named - self.left for line in range(ROWS)} - rows.keys()
        assert (missing, max(rows.values(), default=1)) == (set(), 1), (self.path, rows, self.story)


@pytest.mark.parametrize("seed", range(1300, 1300 + amount(40, 100)))
def test_each_file_that_path_names_is_read_once(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    history = History(tmp_path, chance)
    for _ in range(4):
        history.add()
    for _ in range(14):
        getattr(history, chance.choice(("run", "run", "run", "add", "add", "replace", "wake", "rewind")))()
    history.check()
    history.path = PATHS[0]
    history.check()
