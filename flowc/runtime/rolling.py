"""Several epochs made durable at once: when enough came together, and when the first has waited long enough.

A stream that falls silent hands on no more epochs, so a timer of its own ends the waiting. Between two calls all that
was taken is whole epochs, so the timer may publish whenever it holds the lock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


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
    _failure: BaseException | None = field(default=None, init=False)
    """What ended the publishing, until `begin`."""

    def begin(self, durable: int) -> None:
        """Starts anew behind the last durable epoch."""
        self.stop()
        self._taken = self._durable = durable

    @contextmanager
    def taking(self) -> Iterator[None]:
        """While an epoch is taken, nothing is published, and nothing ever where that fails.

        Raises what failed in the meantime.
        """
        with self.lock, self._ending():
            self.check()
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
            self.check()
            if self._waits:
                self._publish()
            return self._durable

    def check(self) -> None:
        """Raises what failed since `begin`: what the timer publishes fails when nobody calls."""
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Forgets what was taken; nothing is published any more."""
        with self.lock:
            self._cancel()
            self._failure = None

    @contextmanager
    def _ending(self) -> Iterator[None]:
        """What fails meanwhile is the end: an epoch may be taken in part, or a file be finished that nobody named."""
        try:
            yield
        except BaseException as error:
            self._cancel()
            self._failure = error
            raise

    def _publish(self) -> None:
        with self._ending():
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
                with suppress(BaseException):  # of any sort: who calls `check` raises it
                    self._publish()

    def _cancel(self) -> None:
        timer, self._timer, self._waits = self._timer, None, False
        if timer is not None:
            timer.cancel()
