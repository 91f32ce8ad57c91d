"""Several epochs made durable at once: when enough came together, and when the first has waited long enough.

A stream that falls silent hands on no more epochs, so a timer of its own ends the waiting. Between two calls all that
was taken is whole epochs, so the timer may publish whenever it holds the lock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from flowc.errors import FlowcError


@dataclass
class Rolling:
    """`publish` makes durable all that was taken, up to the epoch whose number it is given.

    `age` is how many seconds the first row may wait; None: for ever.
    """

    publish: Callable[[int], None]
    age: float | None = None
    lock: threading.RLock = field(default_factory=threading.RLock, init=False)
    _taken: int = field(default=0, init=False)
    _durable: int = field(default=0, init=False)
    _waits: bool = field(default=False, init=False)
    _timer: threading.Timer | None = field(default=None, init=False)
    _failure: FlowcError | None = field(default=None, init=False)

    def begin(self, durable: int) -> None:
        """Starts anew behind the last durable epoch."""
        self.stop()
        self._taken = self._durable = durable

    @contextmanager
    def taking(self) -> Iterator[None]:
        """While an epoch is taken, nothing is published. Raises what failed in the meantime."""
        with self.lock:
            self._raise()
            yield

    def took(self, number: int, *, rows: int, full: bool) -> int:
        """Called in `taking` when an epoch of so many rows was taken; gives the last durable epoch."""
        self._taken = number
        if rows and not self._waits:
            self._wait()
        if full:
            self._publish()
        elif not self._waits:
            self._durable = number  # there is nothing to be lost
        return self._durable

    def flush(self) -> int:
        """Makes durable what was taken."""
        with self.lock:
            self._raise()
            if self._waits:
                self._publish()
            return self._durable

    def stop(self) -> None:
        """Forgets what was taken; nothing is published any more."""
        with self.lock:
            self._cancel()
            self._failure = None

    def _publish(self) -> None:
        self.publish(self._taken)
        self._durable = self._taken
        self._cancel()

    def _wait(self) -> None:
        self._waits = True
        if self.age is not None:
            self._timer = threading.Timer(self.age, self._expire)
            self._timer.daemon = True
            self._timer.start()

    def _expire(self) -> None:
        with self.lock:
            if self._waits and threading.current_thread() is self._timer:
                try:
                    self._publish()
                except FlowcError as error:  # the next call tells of it
                    self._failure = error

    def _cancel(self) -> None:
        timer, self._timer, self._waits = self._timer, None, False
        if timer is not None:
            timer.cancel()

    def _raise(self) -> None:
        if self._failure is not None:
            raise self._failure
