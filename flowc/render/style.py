"""Colours, and text made safe for a terminal."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING

from flowc.controls import UNSAFE, printable
from flowc.diagnostics import Severity

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["COLUMNS", "Style", "comment", "harmless", "printable", "printable_lines", "width"]

COLUMNS = 100
"""How many characters a line may have where no terminal says it."""
_LEAST = 20
"""So many columns are drawn for a terminal that has fewer, and breaks its lines itself."""
_CODES = {
    "error": "1;31", "warning": "1;33", "info": "1;34", "help": "1;36", "note": "1;32",
    "frame": "1;34", "bold": "1", "dim": "2", "good": "32", "bad": "31",
}  # fmt: skip
# What nobody else can write begins the colours of a `Style`, until a terminal gets them.
_OWN = "\x1b" + "".join(chr(0xE000 + byte) for byte in os.urandom(8))
_ACTING = re.compile(rf"(?P<own>{_OWN})|(?![\n\t]){UNSAFE.pattern}")


@dataclass(frozen=True, slots=True)
class Style:
    """How text is shown: with colour where that has its place, and in how many columns."""

    color: bool = False
    columns: int = COLUMNS
    terminal: bool = False
    """Whether there is something that has these columns, so that what is wider is to be folded."""
    conceal: Callable[[str], str] = str
    """Masks secrets, which is to be done before a text is cut or folded."""

    def paint(self, role: str | None, text: str) -> str:
        """`text` in the colour of `role`, once it is `harmless`."""
        return f"{_OWN}[{_CODES[role]}m{text}{_OWN}[0m" if self.color and text and role else text

    def severity(self, severity: Severity, text: str) -> str:
        """`text` in the colour of a severity."""
        return self.paint(str(severity), text)

    def drawn(self, shown: RenderableType) -> str:
        """What rich makes of texts that are harmless."""
        from rich.console import Console

        console = Console(
            file=StringIO(), force_terminal=True, width=max(self.columns, _LEAST), highlight=False, markup=False,
            emoji=False, color_system="standard" if self.color else None, _environ={},
        )  # fmt: skip
        with console.capture() as captured:
            console.print(shown)
        lines = (line.rstrip() for line in captured.get().splitlines())
        return "\n".join(lines).replace("\x1b", _OWN)


def harmless(text: str) -> str:
    """`text` of many lines as a terminal may get it: only line ends, tabs and colours of a `Style` act on it."""
    return _ACTING.sub(lambda match: "\x1b" if match["own"] else printable(match[0]), text)


def comment(*lines: str) -> str:
    """Lines of an SQL comment, each of which stays on its line whatever is named in it."""
    return "\n".join(f"-- {printable(' '.join(line.split()))}" for line in lines)


def printable_lines(text: str) -> list[str]:
    """The lines of `text`, each printable."""
    return [printable(line.rstrip()) for line in text.expandtabs(4).splitlines()]


def width(text: str) -> int:
    """How many terminal cells a text takes: wide characters two, marks none, an emoji of several characters two."""
    if text.isascii():
        return len(text)
    # most texts are ASCII, and the tables of all others take a while to load
    from rich.cells import cell_len

    return cell_len(text)
