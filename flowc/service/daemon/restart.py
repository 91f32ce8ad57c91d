"""How long to wait before something that failed is tried again."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from flowc.durations import parse_duration


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """The first and the longest wait in seconds, and after how many attempts in a row it stays down (None: never)."""

    min_backoff: float = 1.0
    max_backoff: float = 30.0
    max_restarts: int | None = None

    @classmethod
    def of(cls, given: object) -> RestartPolicy:
        """The policy of a spec's `restart`; what it does not say is the default."""
        found = given if isinstance(given, Mapping) else {}
        waits = {name: parse_duration(str(found[name])) for name in ("min_backoff", "max_backoff") if name in found}
        limit = found.get("max_restarts")
        return cls(**waits, max_restarts=None if limit is None else int(str(limit)))


@dataclass
class Backoff:
    """Counts the attempts in a row that failed. The waits double, with jitter: between half of each and the whole."""

    policy: RestartPolicy
    attempts: int = 0

    def reset(self) -> None:
        """An attempt went well: the next failure is a first one."""
        self.attempts = 0

    def next(self) -> float | None:
        """Seconds to wait before the next attempt; None when there have been too many."""
        limit = self.policy.max_restarts
        if limit is not None and self.attempts >= limit:
            return None
        longest = min(self.policy.max_backoff, self.policy.min_backoff * 2.0 ** min(self.attempts, 30))
        self.attempts += 1
        return longest * random.uniform(0.5, 1.0)
