"""The format of golden suites: Markdown files whose headings name tests and whose fences hold inputs and outputs.

A case is one heading with the blocks below it. Text outside fences, and fences without a known word, are prose.
"""

from __future__ import annotations

import fcntl
import re
from dataclasses import dataclass, field
from pathlib import Path

_FENCE = re.compile(r"^(?P<ticks>`{3,})(?P<info>[^`\n]*)$")
_HEADING = re.compile(r"^#{1,6} +(?P<title>.+)$")

INPUTS = ("yaml", "csv", "jsonl", "text", "setup")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: its words, its text, and the lines that the text occupies in the suite."""

    info: str
    text: str
    first: int
    last: int

    @property
    def word(self) -> str:
        """What kind of block it is."""
        return self.info.split(" ", 1)[0]

    @property
    def arguments(self) -> str:
        """What follows the kind."""
        return self.info.partition(" ")[2].strip()


@dataclass(frozen=True, slots=True)
class Case:
    """One test: a heading and its blocks."""

    path: Path
    title: str
    blocks: tuple[Block, ...]


@dataclass
class _Reader:
    """Walks a Markdown text line by line."""

    path: Path
    cases: list[Case] = field(default_factory=list)
    title: str = ""
    blocks: list[Block] = field(default_factory=list)

    def read(self, lines: list[str]) -> list[Case]:
        number = 0
        while number < len(lines):
            if fence := _FENCE.match(lines[number]):
                number = self._block(fence, lines, number + 1)
            elif heading := _HEADING.match(lines[number]):
                self._finish()
                self.title = heading["title"]
            number += 1
        self._finish()
        return self.cases

    def _finish(self) -> None:
        if self.blocks:
            self.cases.append(Case(self.path, self.title, tuple(self.blocks)))
        self.blocks = []

    def _block(self, fence: re.Match[str], lines: list[str], first: int) -> int:
        last = first
        while last < len(lines) and lines[last] != fence["ticks"]:
            last += 1
        if last == len(lines):
            raise ValueError(f"{self.path}:{first}: the block has no end")
        text = "".join(line + "\n" for line in lines[first:last])
        self.blocks.append(Block(fence["info"].strip(), text, first, last))
        return last


def read_cases(path: Path) -> list[Case]:
    """The cases of a Markdown file, in order; headings without blocks are left out.

    Raises ValueError when a fence has no end or two cases have the same heading.
    """
    cases = _Reader(path).read(path.read_text("utf-8").split("\n"))
    titles = [case.title for case in cases]
    if repeated := sorted({title for title in titles if titles.count(title) > 1}):
        raise ValueError(f"{path}: two cases have the same heading: {', '.join(repeated)}")
    return cases


def rewrite(case: Case, outputs: dict[int, str]) -> None:
    """Replaces the text of some of a case's blocks (by their place in the case) in its file."""
    with case.path.open("r+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # other workers rewrite other cases of the file
        current = next(c for c in read_cases(case.path) if c.title == case.title)
        lines = file.read().split("\n")
        for index in sorted(outputs, reverse=True):
            block = current.blocks[index]
            lines[block.first : block.last] = outputs[index].split("\n")[:-1]
        file.seek(0)
        file.write("\n".join(lines))
        file.truncate()
