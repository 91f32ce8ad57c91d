"""Where the rows of a test stand in the files that its stream reads: their paths, times of change and positions."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from flowc.runtime.stores.files import SHIFT


class NoPlace(ValueError):
    """The row cannot stand there; says why, and of which value."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


@dataclass
class FilePlaces:
    """Rows of one path and one time are a file. `pattern` names the files, `first` is the line of a first row."""

    pattern: str
    first: int
    _number: int = field(default=-1, init=False)
    _line: int = field(default=0, init=False)
    _path: str | None = field(default=None, init=False)
    _time: datetime | None = field(default=None, init=False)
    _read: set[str] = field(default_factory=set, init=False)
    """The paths that rows have named."""

    def place(self, path: str | None, time: datetime | None, now: datetime) -> tuple[str, datetime, int]:
        """The path, the time of change and the position of the next row, of which the first two may be given.

        Raises NoPlace for a file that was read before, and for one with two times.
        """
        goes_on = self._time is not None and path == self._path and (path is not None or time in (None, self._time))
        if not goes_on:
            self._begin(path, time or now)
        elif time not in (None, self._time):
            raise NoPlace("_event_ts", "`_event_ts` is the time of the last change of a file, and one for all its rows")
        assert self._time is not None
        position = (self._number << SHIFT) + self._line
        self._line += 1
        return path or self.pattern, self._time, position

    def _begin(self, path: str | None, time: datetime) -> None:
        if path is not None and path in self._read:
            raise NoPlace("_topic", f"rows of `{path}` came before: a stream reads each file once, from end to end")
        self._read |= {path} if path is not None else set()
        self._number, self._line, self._path, self._time = self._number + 1, self.first, path, time
