"""What alerts have told, in the run log, so that of several processes one tells; in memory while it is out of reach."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from flowc.errors import FlowcError, TransientError
from flowc.service.runs.log import RunLog
from flowc.service.runs.records import OK, Condition

_AGAIN = 10.0
"""Seconds after which a run log that could not be used is tried again."""
Key = tuple[str, str, str]
T = TypeVar("T")


class Outpaced(Exception):
    """Another process has recorded a condition first; what it recorded has been read by then."""


@dataclass
class Kept:
    """Conditions, as they were when they were read last. For one thread."""

    log: RunLog
    warned: Callable[[str], None]
    given: datetime | None = None
    """What counts as now; None for the clock of the run log."""
    refused: FlowcError | None = None
    """Why the run log could not be used when it was tried last."""
    _seen: dict[Key, Condition] = field(default_factory=dict)
    _unsaved: set[Key] = field(default_factory=set)
    _until: float = float("-inf")
    """Until when the run log is not tried."""
    _clock: tuple[datetime, float] | None = None
    """The time of the run log, and what the monotonic clock said then."""

    def now(self) -> datetime:
        """The time, by the clock of the run log where that has been read."""
        if self.given is not None:
            return self.given
        if self._clock is None:
            return datetime.now(UTC)
        told, at = self._clock
        return told + timedelta(seconds=time.monotonic() - at)

    def get(self, subject: str, name: str, alert: str = "") -> Condition | None:
        """A condition; None where nobody has seen any yet."""
        return self._seen.get((subject, name, alert))

    def well_since(self, told: Condition) -> bool:
        """Whether a run of its pipeline has ended well since it was told, by what the run log says.

        That writes down ends by its own clock, with which a time that is given cannot be compared.
        """
        if self.given is not None or told.told_at is None or not self.usable:
            return False
        try:
            found = self._twice(lambda: self.log.runs(pipelines=(told.subject,), status=OK, most=1))
        except FlowcError as error:
            self._failed(error)
            return False
        return any(run.finished_at is not None and run.finished_at > told.told_at for run in found)

    def refresh(self) -> None:
        """Reads what others have recorded, and records what could not be before, unless theirs is newer."""
        if not self.usable:
            return
        try:
            self._clock = self._twice(self.log.now), time.monotonic()
            found = {each.key: each for each in self._twice(self.log.conditions)}
            for key in [*self._unsaved]:
                mine, known = self._seen[key], found.get(key)
                saved = replace(mine, version=known.version if known is not None else None)
                if _stands(mine, known) and self._put(saved):
                    found[key] = _next(saved)
                self._unsaved.discard(key)
            self._seen, self._until, self.refused = found, float("-inf"), None
        except FlowcError as error:
            self._failed(error)

    def put(self, changed: Condition) -> None:
        """Records a condition that was got here, or is new. Raises Outpaced where another process was faster."""
        if not self.usable:
            self._remember(changed)
            return
        try:
            done = self._put(changed)
        except FlowcError as error:
            self._failed(error)
            self._remember(changed)
            return
        if not done:
            self.refresh()
            raise Outpaced
        self._seen[changed.key] = _next(changed)
        self._unsaved.discard(changed.key)

    def close(self) -> None:
        """Ends the session of the run log."""
        self.log.close()

    @property
    def usable(self) -> bool:
        """Whether the run log could be used when it was tried last."""
        return time.monotonic() >= self._until

    def _remember(self, changed: Condition) -> None:
        self._seen[changed.key] = changed
        self._unsaved.add(changed.key)

    def _put(self, changed: Condition) -> bool:
        """Records it; once more where a session was lost, with which the answer alone may have been lost."""
        try:
            return self.log.put_condition(changed)
        except TransientError:
            return self.log.put_condition(changed) or _next(changed) in self.log.conditions()

    def _twice(self, work: Callable[[], T]) -> T:
        """Does it once more where a session was lost."""
        try:
            return work()
        except TransientError:
            return work()

    def _failed(self, error: FlowcError) -> None:
        if self.refused is None:
            words = "what alerts tell cannot be recorded, so that others may tell it too"
            self.warned(f"{words}: {error.message}")
        self._until, self.refused = time.monotonic() + _AGAIN, error


def _next(saved: Condition) -> Condition:
    return replace(saved, version=0 if saved.version is None else saved.version + 1)


def _stands(mine: Condition, known: Condition | None) -> bool:
    """Whether nothing has been recorded since that is newer than what is kept in memory."""
    return known is None or known.version == mine.version or _at(known) < _at(mine)


def _at(condition: Condition) -> datetime:
    return max(at for at in (condition.since, condition.told_at, condition.seen_at) if at is not None)
