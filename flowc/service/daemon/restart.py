"""How long to wait before something that failed is tried again."""

from __future__ import annotations

import random
from dataclasses import dataclass

from flowc.stream import RestartPolicy


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
