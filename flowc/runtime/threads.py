"""Threads that know on whose behalf they work."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context


def thread(name: str, work: Callable[..., object], *given: object) -> threading.Thread:
    """A thread that does not hold up the end of the process, and has the context variables of who makes it."""
    return threading.Thread(target=copy_context().run, args=(work, *given), name=f"flowc-{name}", daemon=True)
