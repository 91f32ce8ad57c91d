"""A log that does not repeat itself."""

from __future__ import annotations

import logging
import time

_EVERY = 30.0


class Calm(logging.Filter):
    """Lets the same words pass once in half a minute, for clients that try again many times a second.

    What stands behind a parenthesis, as times do, makes no other words of them.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to say it."""
        now, words = time.monotonic(), record.getMessage().partition("(")[0].strip()
        if now - self._said.get(words, -_EVERY) < _EVERY:
            return False
        self._said = {said: at for said, at in self._said.items() if now - at < _EVERY} | {words: now}
        return True
