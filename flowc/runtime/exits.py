"""A function of a project that calls `os._exit` fails like any other: it would end a run as if all went well."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from os import _exit
from typing import NoReturn

_at_work: dict[int, int] = {}
"""The threads that are in an author's code, and the process of each: a fork of one has them too."""


class Refused(BaseException):
    """The end of the process, which an author's code may not bring about."""


def refuse_exits() -> None:
    """From now on; for a process whose end nobody looks into."""
    os._exit = _leave


@contextmanager
def in_their_code() -> Iterator[None]:
    """Marks that this thread runs an author's code."""
    thread = threading.get_ident()
    outer = _at_work.get(thread)
    _at_work[thread] = os.getpid()
    try:
        yield
    finally:
        if outer is None:
            del _at_work[thread]


def _leave(status: int) -> NoReturn:
    if os.getpid() in list(_at_work.values()):
        raise Refused(f"os._exit({status}) would end the whole run")
    _exit(status)
