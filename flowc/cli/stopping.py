"""Signals of runs that end by themselves: the first one stops a stream after its epoch."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from flowc.cli.console import say


@dataclass
class Stop:
    """Whether a signal came, and which."""

    event: threading.Event = field(default_factory=threading.Event)
    number: int = 0

    def code(self, failed: bool) -> int:
        """The exit code: what a signal's death would be, so that nobody takes the run for whole."""
        return 128 + self.number if self.number else int(failed)


@contextmanager
def stopping() -> Iterator[Stop]:
    """Takes SIGINT and SIGTERM for as long as the context. Outside the main thread nobody can, and nothing is taken."""
    stop, before = Stop(), {}

    def handle(number: int, _: FrameType | None) -> None:
        stop.number = number
        stop.event.set()
        say("stopping after the epoch in hand; once more ends it at once, and nothing is lost either")

    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
