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
    """Marks that this thread runs an author's code.

    A child that the code forked ends when the code returns in it: it lacks the threads of the engine, and would wait
    for them for ever, with the output of the run open.
    """
    thread, process = threading.get_ident(), os.getpid()
    outer = _at_work.get(thread)
    _at_work[thread] = process
    try:
        yield
    finally:
        if os.getpid() != process:
            _exit(1)
        if outer is None:
            del _at_work[thread]


def _leave(status: int) -> NoReturn:
    if os.getpid() in list(_at_work.values()):
        raise Refused(f"os._exit({status}) would end the whole run")
    _exit(status)
