"""Which messages a stream's workers may die of: those in hand when one was killed, narrowed down death by death.

It is known to the daemon alone: a worker that dies tells nothing, and no database is asked. A message is set aside when
workers died with it, and nothing else, in hand several times in a row; and taken up again when the next one dies all
the same, with nothing in hand but what is set aside.
"""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from flowc.runtime.contracts.epoch import Origin
from flowc.service.daemon.stats import InHand

_PARTS = 16
"""Into how many pieces suspects are cut at each death."""
_DEATHS = 3
"""How many times in a row one message alone has to be in hand of a worker that dies: twice as many each time that it
was taken up again."""
_OWN = frozenset(f"SIG{name}" for name in ("ABRT", "BUS", "FPE", "ILL", "KILL", "SEGV", "SYS", "TRAP"))
"""Signals that a process gets for what it does itself; SIGKILL from the system, where it takes too much memory."""


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

    zones: Mapping[Origin, Zone] = field(default_factory=dict)
    aside: Mapping[Origin, Mapping[int, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a death tells, for people. `nearer`: what workers die of is closer to being found."""

    words: str
    nearer: bool = True


@dataclass
class Suspects:
    """Those of one stream, whichever of its workers dies."""

    _zones: dict[Origin, Zone] = field(default_factory=dict)
    _aside: dict[Origin, dict[int, str]] = field(default_factory=dict)
    _unproved: set[tuple[Origin, int]] = field(default_factory=set)
    """What was set aside, and no worker has got past yet."""
    _taken_up: Counter[tuple[Origin, int]] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def care(self) -> Care:
        """What the next worker is to be careful with."""
        with self._lock:
            return Care(dict(self._zones), {at: dict(found) for at, found in self._aside.items()})

    def died(self, hand: InHand, number: int) -> Finding | None:
        """A worker was killed by a signal. What that tells; None where it tells nothing more."""
        if number not in signal.valid_signals() or signal.Signals(number).name not in _OWN:
            return None
        with self._lock:
            if hand.spared:
                return self._in_vain()
            told = [self._narrowed((source, partition, log), start, end, hand.rows)
                    for source, partition, log, start, end in hand.ranges if start < end]  # fmt: skip
            if not any(told):
                return None
            if hand.rows > 1:
                return Finding(f"what it had in hand is taken {_together(hand.rows)} messages at a time")
            assert hand.first is not None
            return self._judged(hand.first[:3], hand.first[3], number)

    def wrote(self, hand: InHand) -> None:
        """A worker has written messages: whatever comes before the end of these is suspected no more."""
        with self._lock:
            for source, partition, log, _, end in hand.written:
                self._past((source, partition, log), end)

    def _past(self, at: Origin, end: int) -> None:
        self._unproved = {(origin, offset) for origin, offset in self._unproved if origin != at or offset >= end}
        zone = self._zones.get(at)
        if zone is not None and zone.end <= end:
            del self._zones[at]
        elif zone is not None and zone.start < end:
            self._zones[at] = replace(zone, start=end)

    def _narrowed(self, at: Origin, start: int, end: int, rows: int) -> bool:
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

    def _judged(self, at: Origin, offset: int, number: int) -> Finding:
        where = f"the message at {offset} of partition {at[1]} of `{at[0]}`"
        again = self._taken_up[at, offset]
        deaths = _DEATHS << again
        if self._zones[at].deaths < deaths:
            return Finding(f"it had {where} alone in hand", not again)
        killed = f"the worker died of signal {number} ({signal.Signals(number).name})"
        reason = f"{killed} while it was processed, {deaths} times in a row"
        self._aside.setdefault(at, {})[offset] = reason
        self._unproved.add((at, offset))
        self._zones[at] = _alone(offset)
        return Finding(f"it had {where} alone in hand {deaths} times in a row: that is set aside", not again)

    def _in_vain(self) -> Finding | None:
        """A worker died without processing any message: of none of those that were set aside is it known."""
        for at, offset in self._unproved:
            del self._aside[at][offset]
            self._taken_up[at, offset] += 1
            self._zones[at] = _alone(offset)
        many, self._unproved = bool(self._unproved), set()
        words = "it processed no message: what was set aside is not what it dies of, and is taken up again"
        return Finding(words, nearer=False) if many else None


def _alone(offset: int) -> Zone:
    """The zone of a message that is to be the next in hand, and nothing beside it."""
    return Zone(offset, offset + 1, rows=1, together=1, deaths=0)


def _together(rows: int) -> int:
    return max(1, -(-rows // _PARTS))
