"""For how long messages of a stream have waited for their commit, as far as it has seen them come."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

_MOST = 1_024
"""Looks at a partition that are kept; of more, every other one."""
_APART = 1.0
"""Seconds between two looks that are told apart."""
_Place = tuple[str, int]


@dataclass
class Behind:
    """Where logs ended when they were looked at. What was beyond the commit then, and still is, has waited since."""

    _ends: dict[_Place, deque[tuple[float, int]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def see(self, source: str, stored: Mapping[int, int], lag: Mapping[int, int], now: float) -> None:
        """A look at a source: what is stored of each partition, and how many messages are behind that."""
        with self._lock:
            for partition, waiting in lag.items():
                self._look((source, partition), stored.get(partition, 0), waiting, now)
            for place in [place for place in self._ends if place[0] == source and place[1] not in lag]:
                del self._ends[place]  # it is another worker's by now

    def stored(self, source: str, stored: Mapping[int, int]) -> None:
        """What is committed by now."""
        with self._lock:
            for place, ends in self._ends.items():
                if place[0] == source:
                    _forget(ends, stored.get(place[1], 0))

    def seconds(self, now: float) -> float:
        """How long the message has waited that has waited longest; 0 where none does."""
        with self._lock:
            return max((now - ends[0][0] for ends in self._ends.values() if ends), default=0.0)

    def clear(self) -> None:
        """Forgets all."""
        with self._lock:
            self._ends.clear()

    def _look(self, place: _Place, stored: int, waiting: int, now: float) -> None:
        ends = self._ends.setdefault(place, deque())
        if not waiting:
            ends.clear()
            return
        end = stored + waiting
        _forget(ends, stored)
        if not ends or (end > ends[-1][1] and now - ends[-1][0] >= _APART):
            ends.append((now, end))
        elif end > ends[-1][1]:
            ends[-1] = ends[-1][0], end
        if len(ends) > _MOST:
            self._ends[place] = deque(each for i, each in enumerate(ends) if i % 2 == 0 or i == len(ends) - 1)


def _forget(ends: deque[tuple[float, int]], stored: int) -> None:
    while ends and ends[0][1] <= stored:
        ends.popleft()
