"""What a worker has in hand, told to the daemon before it is processed; and suspects, which are taken few at a time.

The daemon compares positions without their source, so only those that are numbers are told.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flowc.runtime.contracts.epoch import Epoch, Origin, Range
from flowc.runtime.contracts.positions import NUMBERS
from flowc.runtime.contracts.source import UNREAD, Polled
from flowc.runtime.streams.loop import Reader
from flowc.runtime.streams.run import StreamRun
from flowc.service.daemon.stats import InHand
from flowc.service.daemon.suspects import Care, Zone

CODE = "worker-lost"
_TICK = 0.1
"""Seconds after which who waits looks whether the run is to end."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Messages that become one epoch. `alone`: nothing else may be in hand beside them."""

    polled: Polled
    alone: bool = False


@dataclass
class Careful:
    """What one worker has in hand. Each attempt attaches a new run."""

    care: Care
    tell: Callable[[InHand], None]
    _hand: dict[tuple[Range, ...], Piece] = field(default_factory=dict)
    _next: Piece | None = None
    """What is to be alone in hand, before anything else is taken."""
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def attach(self, run: StreamRun) -> None:
        """Watches a run, which has not begun."""
        before = run.written

        def written(epoch: Epoch) -> None:
            before(epoch)
            self.wrote(epoch.ranges)

        self.empties()
        run.written, run.reading = written, lambda reader: CarefulReader(reader, self)

    def reads(self, wait: float) -> bool:
        """Whether more may be read within some seconds: not beside what is alone in hand, which is not to be blamed."""
        with self._changed:
            return self._changed.wait_for(self._is_open, min(wait, _TICK))

    def begins(self, piece: Piece, wait: float) -> bool:
        """Takes a piece in hand; False where what is there has to be written first, and is not within some seconds."""
        with self._changed:
            if piece.alone and self._next is None:
                self._next = piece
            if not self._changed.wait_for(lambda: self._may(piece), min(wait, _TICK)):
                return False
            self._next = None
            self._hand[piece.polled.ranges] = piece
            self._told()
            return True

    def wrote(self, ranges: tuple[Range, ...]) -> None:
        """What was read with these ranges is written."""
        with self._changed:
            piece = self._hand.pop(ranges, None)
            self._told(ranges if piece is None or _is_numbered(piece.polled) else ())

    def empties(self) -> None:
        """Nothing is in hand any more: a run ended, or begins."""
        with self._changed:
            self._hand.clear()
            self._next = None
            self._told()

    def _may(self, piece: Piece) -> bool:
        return not self._hand if piece is self._next else self._is_open()

    def _is_open(self) -> bool:
        return self._next is None and not any(piece.alone for piece in self._hand.values())

    def _told(self, written: Sequence[Range] = ()) -> None:
        polled = [piece.polled for piece in self._hand.values()]
        spans: dict[Origin, tuple[int, int]] = {}
        for origin, first, last in (span for each in polled if _is_numbered(each) for span in _spans(each.ranges)):
            start, end = spans.get(origin, (first, last))
            spans[origin] = min(start, first), max(end, last)
        full = [each for each in polled if each.messages.num_rows and _is_numbered(each)]
        rows = sum(each.messages.num_rows for each in full)
        ranges = tuple((*origin, *span) for origin, span in spans.items())
        done = tuple((*origin, start, end) for origin, start, end in _spans(written))
        self.tell(InHand(ranges, rows, _place(full[0]) if full else None, done, rows == 1 and _is_unread(full[0])))
        self._changed.notify_all()


@dataclass
class CarefulReader:
    """A reader of which suspects come few at a time, each piece when what came before is written."""

    inner: Reader
    careful: Careful
    _left: deque[Piece] = field(default_factory=deque)
    _reads: bool = field(default=True, init=False)

    def poll(self, wait: float) -> Polled | None:
        """The next messages."""
        if not self._left:
            self._reads = self.careful.reads(wait)
            polled = self.inner.poll(wait) if self._reads else None
            if polled is None:
                return None
            self._left.extend(pieces(without(polled, self.careful.care.aside), self.careful.care.zones))
        if not self.careful.begins(self._left[0], wait):
            return None
        return self._left.popleft().polled

    @property
    def ended(self) -> bool:
        """Whether all is read that is to be."""
        return self.inner.ended and not self._left

    @property
    def caught_up(self) -> bool:
        """Whether nothing more was there; not while what is there may not be read."""
        return self._reads and self.inner.caught_up and not self._left


def _is_numbered(polled: Polled) -> bool:
    return polled.order is NUMBERS


def _spans(ranges: Iterable[Range]) -> Iterator[tuple[Origin, int, int]]:
    numbered = (range_ for range_ in ranges if range_.start.isdecimal() and range_.end.isdecimal())
    return ((range_.origin, int(range_.start), int(range_.end)) for range_ in numbered)


def _place(polled: Polled) -> tuple[str, str, str, int]:
    partition, offset = (polled.messages.column(name)[0].as_py() for name in ("_partition", "_offset"))
    log = next(range_.log for range_ in polled.ranges if range_.partition == str(partition))
    return polled.source, str(partition), log, offset


def _is_unread(polled: Polled) -> bool:
    return "_unread" in polled.messages.schema.names and polled.messages.column("_unread").null_count == 0


def pieces(polled: Polled, zones: Mapping[Origin, Zone]) -> Iterator[Piece]:
    """Messages, with those of zones few at a time and first. An epoch that was intended before stays as it is."""
    met = [range_ for range_ in polled.ranges if _meets(range_, zones.get(range_.origin))]
    if polled.intent is not None or not met:
        yield Piece(polled, alone=bool(met))
        return
    # What was set aside comes before all others: where that is no help, they are not to be set aside as well.
    met.sort(key=lambda range_: zones[range_.origin].deaths > 0)
    # Beginnings without messages are to be stored first of all.
    more = [range_ for range_ in polled.ranges if not range_.moves]
    for range_ in met:
        zone = zones[range_.origin]
        for part in _parts(range_, zone, polled.messages):
            yield Piece(_of(polled, (*more, part)), zone.start <= int(part.start) < zone.end)
            more = []
    rest = tuple(range_ for range_ in polled.ranges if range_ not in met and range_.moves)
    if rest:
        yield Piece(_of(polled, rest))


def _meets(range_: Range, zone: Zone | None) -> bool:
    """Whether messages of a zone are in a range, which may be the beginning of a partition, with none."""
    if zone is None or not zone.together or not range_.moves:
        return False
    return int(range_.start) < zone.end and zone.start < int(range_.end)


def _parts(range_: Range, zone: Zone, messages: pa.RecordBatch) -> list[Range]:
    """A range in parts, cut where a zone begins and ends, and before each so many messages in it."""
    first, last = int(range_.start), int(range_.end)
    low, high = max(first, zone.start), min(last, zone.end)
    inside = NUMBERS.within(messages, [replace(range_, start=str(low), end=str(high))])
    cuts = messages.column("_offset").filter(inside).to_numpy(zero_copy_only=False)[zone.together :: zone.together]
    ends = sorted({first, low, *cuts.tolist(), high, last})
    return [replace(range_, start=str(start), end=str(end)) for start, end in pairwise(ends)]


def _of(polled: Polled, ranges: Sequence[Range]) -> Polled:
    messages = polled.messages.filter(polled.order.within(polled.messages, ranges))
    return replace(polled, messages=messages, ranges=tuple(ranges))


def without(polled: Polled, aside: Mapping[Origin, Mapping[int, str]]) -> Polled:
    """Messages with those that are set aside marked as ones that cannot be read."""
    messages = polled.messages
    told = [(int(range_.partition), offset, reason) for range_ in polled.ranges
            for offset, reason in aside.get(range_.origin, {}).items()]  # fmt: skip
    if not (told and messages.num_rows) or "_unread" in messages.schema.names:
        return polled
    which = np.zeros(messages.num_rows, np.int64)
    for number, (partition, offset, _) in enumerate(told, 1):
        here = pc.and_(pc.equal(messages.column("_partition"), partition), pc.equal(messages.column("_offset"), offset))
        which[here.to_numpy(zero_copy_only=False)] = number
    if not which.any():
        return polled
    reasons = pa.array([None, *({"code": CODE, "message": reason} for _, _, reason in told)], UNREAD)
    return replace(polled, messages=messages.append_column(pa.field("_unread", UNREAD), reasons.take(pa.array(which))))
