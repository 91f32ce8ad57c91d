"""The second SIGINT or SIGTERM ends the process at once, whatever it waits for.

Python runs handlers of signals between two instructions of its own: a call that does not come back lets none run. The
numbers of signals also go into a pipe, at the moment they come, and a thread reads them there.
"""

from __future__ import annotations

import os
import signal
import threading
from _thread import start_new_thread
from collections.abc import Callable
from os import _exit  # which functions of a project are kept from

_ENDING = (signal.SIGINT, signal.SIGTERM)
_last: list[Callable[[], None]] = []


def before_the_end(what: Callable[[], None]) -> None:
    """Has something done in the last moment: nothing that waits."""
    _last.append(what)


def outside_handler(what: Callable[[], object]) -> None:
    """Calls a function in a new thread, for a signal handler.

    A handler interrupts the main thread anywhere, also where it holds the lock of the event that the handler sets, or
    that of the stream that the handler writes to. Neither lock is reentrant, so the process would hang.
    """
    start_new_thread(what, ())


def end_at_the_second() -> None:
    """From now on; for a process that is flowc's own. What the first signal does is up to its handler."""
    numbers, ends = os.pipe()
    os.set_blocking(ends, False)
    signal.set_wakeup_fd(ends, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(numbers,), name="flowc-signals", daemon=True).start()


def _watch(numbers: int) -> None:
    seen = 0
    while number := os.read(numbers, 1):
        seen += number[0] in _ENDING
        if seen > 1:
            for what in _last:
                what()
            _exit(128 + number[0])
