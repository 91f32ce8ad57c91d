"""What a person sees at the bottom of a terminal while something runs, drawn by rich; elsewhere nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

from flowc.cli.console import is_terminal, shown
from flowc.render.style import printable
from flowc.runtime.loads.load import LoadProgress
from flowc.service.loads.report import PipelineReport

Show = Callable[[str], None]

_EVERY = 0.1


@contextmanager
def bottom(*, stays: bool = False) -> Iterator[Show | None]:
    """Gives what shows lines there in place of the last, under all else that is said; in the end they stay, or go."""
    if not is_terminal(sys.stderr):
        yield None
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(stderr=True)
    with Live(console=console, auto_refresh=False, transient=not stays, redirect_stdout=False) as live:
        console.show_cursor(True)  # nobody would after a signal that ends us at once
        yield lambda text: live.update(Text.from_ansi(shown(text, sys.stderr), overflow="fold"), refresh=True)


@contextmanager
def progress() -> Iterator[Progress]:
    """A line on how loads go, for as long as they run."""
    with bottom() as show:
        yield Progress(show)


@dataclass
class Progress:
    """Shows which load runs, with its rows and rate; nothing where there is nowhere to show it."""

    show: Show | None = None
    _label: str = ""
    _drawn: float = 0.0

    def started(self, pipeline: str, target: str) -> None:
        """A load begins."""
        self._label = f"{pipeline} → {target}"
        self._draw("…")

    def progressed(self, progress: LoadProgress) -> None:
        """Rows have moved."""
        if monotonic() - self._drawn >= _EVERY:
            rate = progress.rows / max(progress.seconds, 0.001)
            self._draw(f"{progress.rows:,} rows  {rate:,.0f} rows/s")

    def ended(self, pipeline: PipelineReport) -> None:
        """A pipeline is done."""
        if self.show:
            self.show("")

    def _draw(self, words: str) -> None:
        if self.show:
            self._drawn = monotonic()
            self.show(printable(f"{self._label}  {words}"))
