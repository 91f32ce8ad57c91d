"""Pages that may wait, for the run log or a store: so many at a time, and so long; what needs neither is answered."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from flowc.errors import TransientError

T = TypeVar("T")
_MOST = 40
"""Pages that are made at a time."""
_LONGEST = 20.0
"""Seconds that a page may take: less than after which the connection is hung up."""
_HELP = "see whether another process has locked the run log, and try again"


class Late(TransientError):
    """What was to be made is not waited for any longer, and may still come."""


@dataclass
class Waiting:
    """Makes pages in threads, which hold up neither the server nor its end. One event loop uses it."""

    _going: int = 0

    async def made(self, make: Callable[[], T]) -> T:
        """What `make` gives. Raises TransientError where too many wait, and Late where it takes too long."""
        if self._going >= _MOST:
            raise TransientError(f"{_MOST} pages wait for the run log", code="connection-failed", help=_HELP)
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        threading.Thread(target=self._make, args=(loop, done, make), name="flowc-web-page", daemon=True).start()
        self._going += 1
        try:
            async with asyncio.timeout(_LONGEST):
                return await done
        except TimeoutError:
            message = f"the run log has not answered for {_LONGEST:.0f} seconds"
            raise Late(message, code="connection-failed", help=_HELP) from None

    def _make(self, loop: asyncio.AbstractEventLoop, done: asyncio.Future[Any], make: Callable[[], Any]) -> None:
        value, error = None, None
        try:
            value = make()
        except Exception as failure:
            error = failure
        with suppress(RuntimeError):  # the server has ended
            loop.call_soon_threadsafe(self._end, done, value, error)

    def _end(self, done: asyncio.Future[Any], value: Any, error: Exception | None) -> None:
        self._going -= 1
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(value)
