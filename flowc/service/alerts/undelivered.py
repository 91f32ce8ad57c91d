"""Why an alert could not be delivered."""

from __future__ import annotations


class Undelivered(Exception):
    """The message names no address and no secret. `again` says that trying again may help, after so many seconds."""

    def __init__(self, message: str, *, again: bool = False, after: float | None = None) -> None:
        super().__init__(message)
        self.again, self.after = again, after
