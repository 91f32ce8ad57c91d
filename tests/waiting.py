"""Waiting for the event that a test is about, never for a fixed time."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 120.0
"""Seconds that what takes one may take on a slow machine that does other things besides."""


def until(
    true: Callable[[], object],
    otherwise: Callable[[], str] = lambda: "it did not come to that in time",
    seconds: float = PATIENCE,
    pause: float = 0.05,
) -> None:
    """Returns when it is true; fails, with what `otherwise` says, when it is not within so many seconds."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, otherwise()
        time.sleep(pause)
