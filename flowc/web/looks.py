"""What takes longer than a page may: done in a thread, kept with its time, and never waited for by a request."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from flowc.errors import FlowcError


@dataclass(frozen=True, slots=True)
class Look:
    """What was found, and when. `value` is None where nothing was found yet, or it failed by `error`."""

    value: Any = None
    error: FlowcError | None = None
    bug: bool = False
    """Whether flowc itself failed."""
    at: datetime | None = None
    going: bool = False
    """Whether it is at it again."""
    _since: float = float("-inf")

    @property
    def age(self) -> float:
        """Seconds since it was found."""
        return time.monotonic() - self._since


@dataclass
class Looks:
    """Does work by its name, one of a name at a time, and keeps what came of the last. Any thread may ask."""

    redact: Callable[[str], str]
    """Masks secrets in what went wrong."""
    tell: Callable[[BaseException], None]
    """Hears of faults of flowc's own, which are not shown."""
    at_once: int = 2
    """How many go on at a time; the others wait."""
    _found: dict[str, Look] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._turns, self._closed = threading.Semaphore(self.at_once), False

    def last(self, name: str) -> Look:
        """What was found last."""
        return self._found.get(name, Look())

    def begin(self, name: str, work: Callable[[], Any], *, older: float = 0.0) -> Look:
        """Has the work done, unless it goes on or is not `older` than so many seconds; gives what was found last."""
        with self._lock:
            last = self.last(name)
            if last.going or last.age < older:
                return last
            self._found[name] = replace(last, going=True)
            # A thread that nobody waits for at the end, however long its work goes on.
            threading.Thread(target=self._do, args=(name, work), name="flowc-web-look", daemon=True).start()
            return self._found[name]

    def close(self) -> None:
        """Begins nothing more."""
        self._closed = True

    def _do(self, name: str, work: Callable[[], Any]) -> None:
        value, error, bug = None, None, False
        try:
            with self._turns:
                value = None if self._closed else work()
        except FlowcError as failure:
            failure.mask(self.redact)
            error = failure
        except Exception as fault:
            self.tell(fault)
            bug = True
        with self._lock:
            self._found[name] = Look(value, error, bug, datetime.now(UTC), _since=time.monotonic())
