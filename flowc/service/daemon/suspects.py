"""Which messages a stream's workers may die of: those in hand when one was killed, narrowed down death by death.

It is known to the daemon alone: a worker that dies tells nothing, and no database is asked. A message is set aside when
workers died with it, and nothing else, in hand several times in a row.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from flowc.runtime.streams.epoch import Partition
from flowc.service.daemon.stats import InHand

_PARTS = 16
"""Into how many pieces suspects are cut at each death."""
_DEATHS = 3
"""How many times in a row one message alone has to be in hand of a worker that dies."""


@dataclass(frozen=True, slots=True)
class Zone:
    """Messages of one partition, from offset `start` up to `end`, of which one may be what workers die of.

    They are to be taken `together` at a time, 0 for as ever; the last of `deaths` had `rows` messages in hand.
    """

    start: int
    end: int
    rows: int
    together: int = 0
    deaths: int = 1


@dataclass(frozen=True, slots=True)
class Care:
    """What a worker has to be careful with: zones, and messages that it sets aside, with the reason of each."""

    zones: Mapping[Partition, Zone] = field(default_factory=dict)
    aside: Mapping[Partition, Mapping[int, str]] = field(default_factory=dict)


@dataclass
class Suspects:
    """Those of one stream, whichever of its workers dies."""

    _zones: dict[Partition, Zone] = field(default_factory=dict)
    _aside: dict[Partition, dict[int, str]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def care(self) -> Care:
        """What the next worker is to be careful with."""
        with self._lock:
            return Care(dict(self._zones), {at: dict(found) for at, found in self._aside.items()})

    def died(self, hand: InHand, number: int) -> str | None:
        """A worker was killed by a signal. What that tells, for people; None where it tells nothing more."""
        with self._lock:
            if hand.first is not None and hand.rows == 1 and hand.first[2] in self._aside.get(hand.first[:2], {}):
                return None  # set aside already, and that has not helped
            told = [self._narrowed((source, partition), start, end, hand.rows)
                    for source, partition, start, end in hand.ranges if start < end]  # fmt: skip
            if not any(told):
                return None
            if hand.rows > 1:
                return f"what it had in hand is taken {_together(hand.rows)} messages at a time"
            assert hand.first is not None
            return self._judged(hand.first[:2], hand.first[2], number)

    def wrote(self, hand: InHand) -> None:
        """A worker has written messages: whatever comes before the end of these is suspected no more."""
        with self._lock:
            for source, partition, _, end in hand.written:
                at = (source, partition)
                zone = self._zones.get(at)
                if zone is not None and zone.end <= end:
                    del self._zones[at]
                elif zone is not None and zone.start < end:
                    self._zones[at] = replace(zone, start=end)

    def _narrowed(self, at: Partition, start: int, end: int, rows: int) -> bool:
        """Whether a death with these messages in hand tells more of what was known."""
        known = self._zones.get(at)
        if known is None or end <= known.start or known.end <= start:
            self._zones[at] = Zone(start, end, rows)
            return False
        fewer = rows < known.rows or not known.together
        deaths = 1 if rows < known.rows else known.deaths + 1
        span = max(start, known.start), min(end, known.end)
        self._zones[at] = Zone(*span, rows, _together(rows), deaths)
        return fewer or rows == 1

    def _judged(self, at: Partition, offset: int, number: int) -> str:
        where = f"the message at {offset} of partition {at[1]} of `{at[0]}`"
        if self._zones[at].deaths < _DEATHS:
            return f"it had {where} alone in hand"
        del self._zones[at]
        name = signal.Signals(number).name if number in signal.valid_signals() else "a real-time signal"
        reason = f"the worker died of signal {number} ({name}) while it was processed, {_DEATHS} times in a row"
        self._aside.setdefault(at, {})[offset] = reason
        return f"it had {where} alone in hand {_DEATHS} times in a row: that is set aside"


def _together(rows: int) -> int:
    return max(1, -(-rows // _PARTS))
