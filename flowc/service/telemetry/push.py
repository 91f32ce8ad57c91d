"""Tells all metrics again and again, in a thread of its own: work never waits for who is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from flowc.errors import FlowcError
from flowc.service.telemetry.metrics import Family

_PATIENCE, _SHORT = 2.0, 0.1
"""Seconds that the last words may take at the end: as a rule, and where nothing arrived before."""


@dataclass
class Outage:
    """Whether what is sent arrives. Each time that this ends or begins is told once."""

    what: str
    warned: Callable[[str], None]
    told: Callable[[str], None]
    _out: bool = False

    @property
    def patience(self) -> float:
        """Seconds that are waited for the last to arrive."""
        return _SHORT if self._out else _PATIENCE

    def failed(self, reason: str) -> None:
        """It did not arrive."""
        if not self._out:
            self._out = True
            self.warned(f"{self.what} do not arrive, and work goes on without: {reason}")

    def arrived(self) -> None:
        """It did."""
        if self._out:
            self._out = False
            self.told(f"{self.what} arrive again")


@dataclass
class Pusher:
    """Has `send` take all metrics every so many seconds, and at the end; it raises FlowcError for an outage."""

    collect: Callable[[], Sequence[Family]]
    send: Callable[[Sequence[Family]], None]
    every: float
    outage: Outage
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begins."""
        self._thread = threading.Thread(target=self._push_on, name="flowc-metrics", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Tells the last, and waits for that for a moment."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(self.outage.patience)

    def _push_on(self) -> None:
        while not self._stopping.wait(self.every):
            self._push()
        self._push()

    def _push(self) -> None:
        try:
            self.send(self.collect())
            self.outage.arrived()
        except FlowcError as error:
            self.outage.failed(error.message)
        except Exception as error:  # of any sort: the thread goes on, and is heard
            self.outage.failed(f"{type(error).__name__}: {error}")
