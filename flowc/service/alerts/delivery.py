"""Who is told: each alerter has a queue and a thread of its own, so that one that is slow keeps nobody waiting."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from flowc.compiler.front.alerts import AlertSpec
from flowc.service.alerts.alert import DEFAULT_ON, RECOVERED, Alert
from flowc.service.alerts.undelivered import Undelivered

MOST = 100
"""Alerts that wait for one alerter; what comes then is not told, and that is."""
ATTEMPTS = 4
_PAUSE, _GROWTH = 1.0, 3.0
"""Seconds before the second attempt, and by how much every further wait is longer."""
_LAG, _RESTARTS = 300.0, 5
_RESOLVING = ("pagerduty",)
"""The kinds that hear of a recovery whatever `on` says: what they opened is to be closed."""


@dataclass
class Alerter:
    """Delivers alerts of one spec, one after the other. `send` raises Undelivered; `warned` hears of what was not told.

    `subjects` are the pipelines and streams that it is about, None for all.
    """

    spec: AlertSpec
    send: Callable[[Alert], None]
    warned: Callable[[str], None]
    subjects: frozenset[str] | None = None
    pause: float = _PAUSE
    """Seconds before the second attempt."""
    _waiting: deque[Alert] = field(default_factory=deque)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _closing: threading.Event = field(default_factory=threading.Event)
    _until: float = float("inf")
    _busy: bool = False
    _lost: int = 0
    _thread: threading.Thread | None = None

    @property
    def name(self) -> str:
        """The name of its spec."""
        return self.spec.name.value

    @property
    def on(self) -> frozenset[str]:
        """What it tells."""
        return frozenset(name.value for name in self.spec.on) or DEFAULT_ON

    @property
    def lag(self) -> float:
        """Seconds that messages of a stream may wait."""
        return _LAG if self.spec.lag is None else self.spec.lag

    @property
    def restarts(self) -> int:
        """How many times a stream may begin anew."""
        return _RESTARTS if self.spec.restarts is None else self.spec.restarts

    def about(self, subject: str) -> bool:
        """Whether it is about a pipeline or a stream."""
        return self.subjects is None or subject in self.subjects

    def minds(self, kind: str) -> bool:
        """Whether it keeps in mind that something is so, to tell it or to tell that it is over."""
        return kind in self.on or (self.on == {RECOVERED} and kind in DEFAULT_ON)

    def tells(self, kind: str) -> bool:
        """Whether it tells alerts of a kind."""
        resolves = kind == RECOVERED and self.spec.kind.value in _RESOLVING
        return kind in self.on or resolves

    def post(self, alert: Alert) -> None:
        """Takes an alert to deliver; never waits."""
        with self._changed:
            if len(self._waiting) >= MOST:
                self._lost += 1
                return
            self._waiting.append(alert)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=f"flowc-alert-{self.name}", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def close(self, until: float) -> None:
        """Delivers what waits, at the latest at that moment of the monotonic clock; what is left is told as lost."""
        self._until = until
        self._closing.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(max(0.0, until - time.monotonic()))
        with self._changed:
            self._lost += len(self._waiting) + self._busy
            self._waiting.clear()
        self._tell_lost()

    def _work(self) -> None:
        while (alert := self._next()) is not None:
            try:
                self._deliver(alert)
            finally:
                self._busy = False
            if not self._waiting:
                self._tell_lost()

    def _next(self) -> Alert | None:
        with self._changed:
            while not self._waiting and not self._closing.is_set():
                self._changed.wait()
            self._busy = bool(self._waiting)
            return self._waiting.popleft() if self._waiting else None

    def _deliver(self, alert: Alert) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self.send(alert)
                return
            except Undelivered as error:
                wait = self._wait(attempt, error)
                if wait is None:
                    self.warned(f"alert `{self.name}` did not tell of `{alert.subject}` ({alert.kind}): {error}")
                    return
            except Exception as error:  # a bug in one way of telling keeps no other alert from being told
                self.warned(f"alert `{self.name}` did not tell of `{alert.subject}`: {type(error).__name__}")
                return
            self._closing.wait(wait) if not self._closing.is_set() else time.sleep(wait)

    def _wait(self, attempt: int, error: Undelivered) -> float | None:
        """Seconds before the next attempt; None where there is none, or no time for it."""
        if not error.again or attempt >= ATTEMPTS:
            return None
        grown = self.pause * _GROWTH ** (attempt - 1) * random.uniform(0.75, 1.25)
        wait = grown if error.after is None else max(error.after, 0.0)
        return wait if time.monotonic() + wait < self._until else None

    def _tell_lost(self) -> None:
        with self._changed:
            lost, self._lost = self._lost, 0
        if lost:
            self.warned(f"alert `{self.name}` did not tell {lost} alerts: there were too many, or no time was left")
