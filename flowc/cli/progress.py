"""What a person sees while loads run: on a terminal a line per target with rows and rate, elsewhere nothing."""

from __future__ import annotations

import sys
from shutil import get_terminal_size
from time import monotonic
from types import TracebackType
from typing import Self

from flowc.cli.console import is_terminal
from flowc.render.style import printable
from flowc.runtime.load import LoadProgress
from flowc.service.loads.report import PipelineReport

_EVERY = 0.1


class Progress:
    """Keeps one line at the bottom of the terminal up to date."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._shown = is_terminal(sys.stderr) and not quiet
        self._label = ""
        self._drawn = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clear()

    def started(self, pipeline: str, target: str) -> None:
        """A load begins."""
        self._label = f"{pipeline} → {target}"
        self._drawn = 0.0
        self._draw("…")

    def progressed(self, progress: LoadProgress) -> None:
        """Rows have moved."""
        if not self._shown or monotonic() - self._drawn < _EVERY:
            return
        rate = progress.rows / max(progress.seconds, 0.001)
        self._draw(f"{progress.rows:,} rows  {rate:,.0f} rows/s")

    def ended(self, pipeline: PipelineReport) -> None:
        """A pipeline is done."""
        self._clear()

    def _draw(self, words: str) -> None:
        if self._shown:
            self._drawn = monotonic()
            columns = get_terminal_size().columns - 1
            sys.stderr.write("\r\x1b[2K" + f"{printable(self._label)}  {words}"[:columns])
            sys.stderr.flush()

    def _clear(self) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
