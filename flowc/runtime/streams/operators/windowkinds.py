"""How windows lie: which pane a row is of, when it is late, and which window ends next.

A pane is a piece of time that lies in the same windows as a whole; a window is made of panes. Times are local ones, as
whole numbers (`flowc.runtime.streams.operators.localtime`).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import Any

import numpy as np

from flowc.nodes import WindowPlan


@dataclass(frozen=True)
class Hopping:
    """Windows of `size` that begin every `step`, at multiples of it shifted by `offset`."""

    size: int
    step: int
    offset: int

    @property
    def pane(self) -> int:
        """How long a pane is."""
        return gcd(self.size, self.step)

    def panes(self, times: Any) -> Any:
        """The begin of the pane of each time; there is at least one."""
        least = int(times.min())
        first = least - (least - self.offset) % self.pane
        if int(times.max()) - first < self.pane:  # as in most batches
            return np.full(len(times), first)
        return times - (times - self.offset) % self.pane

    def last_ends(self, panes: Any) -> Any:
        """The end of the last window that each pane is of."""
        return panes - (panes - self.offset) % self.step + self.size

    def next_end(self, pane: int, closed: int | None) -> int:
        """The first end of a window of a pane behind `closed`."""
        least = pane + self.pane if closed is None else max(pane + self.pane, closed + 1)
        return least + (self.offset + self.size - least) % self.step

    def ends(self, pane: int, behind: int | None, until: int | None = None) -> range:
        """The ends of the windows of a pane that are behind a time, up to another one."""
        last = int(self.last_ends(pane))
        return range(self.next_end(pane, behind), (last if until is None else min(last, until)) + 1, self.step)

    def start(self, end: int) -> int:
        """The start of the window that ends there."""
        return end - self.size

    def last_end(self, closed: int) -> int:
        """The end of the last window that ends at `closed` or before."""
        return closed - (closed - self.offset - self.size) % self.step

    def kept(self, closed: int) -> int:
        """The first pane of which a window ends behind `closed`: those before it are needed no more."""
        least = closed - self.size
        return least - (least - self.offset) % self.step + self.step


@dataclass(frozen=True)
class Cumulating:
    """Windows that begin at multiples of `size`, shifted by `offset`, each `step` longer, up to `size`."""

    size: int
    step: int
    offset: int

    def begins(self, times: Any) -> Any:
        """The begin of the windows of each time."""
        return times - (times - self.offset) % self.size

    def panes(self, times: Any) -> Any:
        """The begin of the pane of each time."""
        return times - (times - self.offset) % self.size % self.step

    def last_ends(self, panes: Any) -> Any:
        """The end of the last window that each pane is of."""
        return self.begins(panes) + self.size

    def next_end(self, pane: int, closed: int | None) -> int:
        """The first end of a window of a pane behind `closed`."""
        begin: int = self.begins(pane)
        least = pane + 1 if closed is None else max(pane, closed) + 1
        return min(least + (begin - least) % self.step, begin + self.size)

    def ends(self, pane: int, behind: int | None, until: int | None = None) -> list[int]:
        """The ends of the windows of a pane that are behind a time, up to another one."""
        last = int(self.last_ends(pane))
        found = [*range(self.next_end(pane, behind), last, self.step), last]
        return found if until is None else [end for end in found if end <= until]

    def start(self, end: int) -> int:
        """The start of the window that ends there."""
        return int(self.begins(end - 1))

    def last_end(self, closed: int) -> int:
        """The end of the last window that ends at `closed` or before."""
        return closed - (closed - self.offset) % self.size % self.step

    def kept(self, closed: int) -> int:
        """The first pane of which a window ends behind `closed`: those before it are needed no more."""
        return closed - (closed - self.offset) % self.size


def kind_of(plan: WindowPlan) -> Hopping | Cumulating:
    """The windows of a plan."""
    return kind_named(plan.kind, plan.size, plan.step, plan.offset)


def kind_named(kind: str, size: int, step: int, offset: int) -> Hopping | Cumulating:
    """The windows of a kind; tumbling ones hop by their size."""
    if kind == "cumulating":
        return Cumulating(size, step, offset)
    return Hopping(size, size if kind == "tumbling" else step, offset)
