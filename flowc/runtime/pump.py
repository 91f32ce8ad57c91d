"""Reading ahead of writing: one thread makes items, another uses them.

The native parts of drivers let go of the interpreter, so both sides work at once. How many items are ahead bounds the
memory: none is begun before there is room for it.
"""

from __future__ import annotations

import queue
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Generic, TypeVar

T = TypeVar("T")
_Handler = Callable[[int, FrameType | None], Any] | int | None

_AHEAD = 4
_POLL = 0.1
_PATIENCE = 2.0
_LOOKS = 10
"""Of so many waits without an item, one asks what is wrong."""


class Pump(Generic[T]):
    """Items of an iterator, taken from it by a thread of its own. Use as a context manager.

    The iterator is started, used and closed in that thread; a failure in it is raised where the items are used.
    Entering waits for the first item, so whatever the iterator does before it is done before the items are used.
    Ctrl-C ends the items at once, also where an engine takes them in a thread of its own and waits for their end.
    `ahead` is how many there may be that nobody has taken, the one that is being made among them. `idle` is called
    where they are used, about each second that none comes; what it raises ends them.
    """

    def __init__(self, items: Iterator[T], *, ahead: int = _AHEAD, idle: Callable[[], None] | None = None) -> None:
        self._items, self._idle, self._waited = items, idle, 0
        self._queue: queue.SimpleQueue[T | _End] = queue.SimpleQueue()
        self._room = threading.Semaphore(ahead)
        self._stopped = threading.Event()
        self._interrupted = threading.Event()
        self._heard: _Handler = None
        self._thread = threading.Thread(target=self._fill, name="flowc-read", daemon=True)

    def __enter__(self) -> Iterator[T]:
        self._listen()
        self._thread.start()
        try:
            return self._drain(self._first())
        except BaseException as error:
            self.__exit__(type(error))
            raise

    def __exit__(self, failed: type[BaseException] | None = None, *_: object) -> None:
        self._stopped.set()
        if self._heard is not None:
            signal.signal(signal.SIGINT, self._heard)
        # A query that is still running somewhere must not hold up an interrupt or a failure.
        self._thread.join(_PATIENCE if failed else None)
        if self._interrupted.is_set() and failed is not KeyboardInterrupt:
            # Engines call an interrupted statement an error of their own.
            raise KeyboardInterrupt

    def _listen(self) -> None:
        """Hears of an interrupt before anybody else, where interrupts are heard at all."""
        handler = signal.getsignal(signal.SIGINT)
        if callable(handler) and threading.current_thread() is threading.main_thread():
            self._heard = handler
            signal.signal(signal.SIGINT, self._interrupt)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self._interrupted.set()
        if callable(self._heard):
            self._heard(number, frame)

    def _first(self) -> T | _End:
        while True:
            try:
                return self._taken()
            except queue.Empty:
                continue
            finally:
                _hear_interrupts()

    def _taken(self) -> T | _End:
        """The next item, which makes room for another. Raises Empty where there is none yet."""
        try:
            item = self._queue.get(timeout=_POLL)
        except queue.Empty:
            self._waited += 1
            if self._idle is not None and self._waited % _LOOKS == 0:
                self._idle()
            raise
        self._room.release()
        return item

    def _fill(self) -> None:
        failure: BaseException | None = None
        try:
            while self._has_room():
                self._queue.put(next(self._items))
        except StopIteration:
            pass
        except BaseException as error:
            failure = error
        try:
            close = getattr(self._items, "close", None)
            if close is not None:
                close()
        except BaseException as error:
            failure = failure or error
        self._queue.put(_End(failure))

    def _has_room(self) -> bool:
        """Waits for room; False when nobody wants more."""
        while not self._stopped.is_set():
            if self._room.acquire(timeout=_POLL):
                return True
        return False

    def _drain(self, item: T | _End) -> Iterator[T]:
        while not isinstance(item, _End):
            yield item
            item = self._next()
        if item.failure is not None:
            raise item.failure

    def _next(self) -> T | _End:
        while True:
            if self._interrupted.is_set():
                raise KeyboardInterrupt
            try:
                return self._taken()
            except queue.Empty:
                continue


class _End:
    """The last item: all was read, or reading failed."""

    def __init__(self, failure: BaseException | None) -> None:
        self.failure = failure


def _hear_interrupts() -> None:
    """Puts Python's own handler of Ctrl-C back: a driver that the reading thread imports may have replaced it."""
    handler = signal.getsignal(signal.SIGINT)
    if handler is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, handler)
