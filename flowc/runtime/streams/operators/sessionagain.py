"""Sessions that reopen: they come out when they are over, and once more, or go, when rows that came late change them.

Rows stay for `gap` and `allowed_lateness` behind the watermark, which is as long as rows are in time. So which sessions
there are hangs on the rows in time alone, and so does which of them are out: those that are over. What is out is not
kept, but found again in the rows that were there before, and what came since is what differs from that.

What is older is as sessions have it that do not reopen: rows are in sessions, of each key the last one stays, and no
row that comes is before its last one. So it changes by its end alone, and a session that is before it not at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from flowc.nodes import TIME, Change, WindowPlan
from flowc.runtime.contracts.epoch import END
from flowc.runtime.engine.functions import Function
from flowc.runtime.instants import MICROS
from flowc.runtime.streams.aggregates.accumulators import Accumulators
from flowc.runtime.streams.keyed.runs import Run
from flowc.runtime.streams.operators.contract import NOTHING, Decision, Emitted, Verdict, said
from flowc.runtime.streams.operators.session import Sessions
from flowc.runtime.streams.operators.sessionrows import Out
from flowc.runtime.streams.operators.sessionsplit import begins, by_key, heads
from flowc.runtime.streams.operators.sessionstate import OPEN, SessionState
from flowc.runtime.streams.operators.window import REOPEN

_BITS = 20
"""Of a key's hash, those by which keys are marked: a megabyte of marks."""


class SessionsAgain(Sessions):
    """The sessions of one node that reopen; see `flowc.runtime.streams.operators.contract.Operator`."""

    def __init__(self, plan: WindowPlan, schema: pa.Schema, functions: Sequence[Function] = ()) -> None:
        super().__init__(plan, schema, functions)
        self._behind = self._gap + plan.allowed_lateness
        """How far behind the watermark rows are in time."""

    def due(self, at: int) -> bool:
        """Whether a session may come out: one that is over by then, or that rows are of which time passes."""
        waiting, mark = self._state.waiting, self._groups.mark
        if mark is None:
            return waiting.earliest is not None and waiting.earliest < at
        if at == END:
            return waiting.latest is not None and waiting.latest >= mark - self._gap
        return waiting.has_between(mark - self._gap, at - self._gap) or waiting.has_between(mark, at)

    def verdict(self, written_by: str) -> Verdict:
        """Sessions that are over for longer than was allowed are forgotten, and do not come again."""
        before, now = said(written_by), said(self.fingerprint)
        if {**before, REOPEN: 0} == {**now, REOPEN: 0} and before.get(REOPEN, -1) >= now.get(REOPEN, 0):
            return Verdict(Decision.KEEP)
        return super().verdict(written_by)

    def _take(self, rows: pa.RecordBatch, hi: Any, lo: Any, at: Any) -> Emitted:
        """Those behind the watermark change sessions at once."""
        came, mark = self._state.waiting.came, self._groups.mark
        super()._take(rows, hi, lo, at)
        if mark is None or not (at < mark).any():
            return NOTHING
        return self._changes(mark, mark, came)

    def _late(self, hi: Any, lo: Any, at: Any) -> Any:
        """Which rows are late, whatever there is of their keys; None where none is."""
        mark = self._groups.mark
        if mark is None or not (late := at < mark - self._behind).any():
            return None
        return late

    def _settle(self, until: int) -> Emitted:
        """Lets out what is over, and forgets what does not change any more."""
        made = self._changes(self._groups.mark, until, self._state.waiting.came)
        self._groups.mark = until
        self._close(until - self._behind, gives=False)
        return made

    def _changes(self, before: int | None, until: int, came: int) -> Emitted:
        """What is otherwise at a watermark than it was at the one before; `came` rows were there by then."""
        rows = self._state.waiting.before(until)
        new = rows.row < -came
        new |= True if before is None else rows.at >= before
        chosen = self._concerned(rows, new, before, until)
        if not len(chosen):
            return NOTHING
        items = _Items.of(rows, chosen, new, self._state)
        found = _Differing.of(items, self._gap, self._plan.size, before, until)
        making = _Making(items, until, self._state, self._passing)
        return self._rows([making.gone(found.gone, found.gone_last), making.put(found)])

    def _concerned(self, rows: Run, new: Any, before: int | None, until: int) -> Any:
        """The places of all rows of the keys of which a session may be out that was not, or not any more."""
        buckets = _buckets(rows.hi)
        if before == until:
            return np.flatnonzero(_marked(buckets[new])[buckets])
        # Rows behind all others end sessions by their pause, of which time alone tells, or by their longest duration.
        over = rows.at < until - self._gap
        over &= True if before is None else rows.at >= before - self._gap
        full = until - self._plan.size
        long = _marked(buckets[rows.at < full])
        long[_buckets(self._groups.hi(np.flatnonzero(self._state.spans.first < full)))] = True
        return np.flatnonzero(_marked(buckets[over | (new & long[buckets])])[buckets])


def _marked(buckets: Any) -> Any:
    marks = np.zeros(1 << _BITS, bool)
    marks[buckets] = True
    return marks


def _buckets(hi: Any) -> Any:
    """Where keys are marked: some share a bucket, all of whose rows are then looked at."""
    return (hi >> np.uint64(64 - _BITS)).astype(np.int64)


@dataclass(frozen=True, slots=True)
class _Items:
    """What sessions are made of, key by key and by time: the session of a key that stays, and rows behind it."""

    hi: Any
    lo: Any
    begin: Any
    end: Any
    slot: Any
    """Of a session; -1 for a row."""
    place: Any
    """Of a row; -1 for a session."""
    new: Any
    """Whether it came since sessions came out."""

    @classmethod
    def of(cls, rows: Run, chosen: Any, new: Any, state: SessionState) -> _Items:
        """Those of the keys of some rows."""
        order = by_key(rows.hi[chosen], rows.lo[chosen], rows.at[chosen])
        chosen = chosen[order]
        hi, lo, at = rows.hi[chosen], rows.lo[chosen], rows.at[chosen]
        head = np.flatnonzero(heads(hi, lo))
        slots = state.groups.find(hi[head], lo[head], np.full(len(head), OPEN))
        before, slots, spans = head[slots >= 0], slots[slots >= 0], state.spans
        hi, lo = np.insert(hi, before, hi[before]), np.insert(lo, before, lo[before])
        begin, end = np.insert(at, before, spans.first[slots]), np.insert(at, before, spans.last[slots])
        slot, place = np.insert(np.full(len(at), -1), before, slots), np.insert(chosen, before, -1)
        return cls(hi, lo, begin, end=end, slot=slot, place=place, new=np.insert(new[chosen], before, False))

    def sessions(self, chosen: Any, gap: int, longest: int, mark: int) -> _Lying:
        """The sessions of some of them."""
        begin, end = self.begin[chosen], self.end[chosen]
        head = heads(self.hi[chosen], self.lo[chosen])
        starts = begins(head, begin, end, gap, longest)
        first = np.flatnonzero(starts)
        last = end[np.append(first[1:], len(starts)) - 1]
        followed = np.append(~head[first[1:]], False)
        return _Lying(np.cumsum(starts) - 1, chosen[first], begin[first], last, followed | (last < mark - gap))


@dataclass(frozen=True, slots=True)
class _Lying:
    """Sessions, and of which each item is."""

    of: Any
    head: Any
    """The first item of each."""
    first: Any
    last: Any
    over: Any
    """Whether it is out."""


@dataclass(frozen=True, slots=True)
class _Differing:
    """The sessions that there are now, and what is to be done for these to be out, and no others."""

    now: _Lying
    put: Any
    """Which of them come out."""
    kinds: Any
    """What their rows do."""
    gone: Any
    """The first items of those that go."""
    gone_last: Any

    @classmethod
    def of(cls, items: _Items, gap: int, longest: int, before: int | None, until: int) -> _Differing:
        """Sessions are the same where their starts are: that is what they are told by."""
        now = items.sessions(np.arange(len(items.hi)), gap, longest, until)
        there, known = np.flatnonzero(~items.new), np.zeros(len(now.head), bool)
        changed = np.logical_or.reduceat(items.new, now.head)
        nothing = np.empty(0, np.int64)
        gone, last = nothing, nothing
        if len(there) and before is not None:
            was = items.sessions(there, gap, longest, before)
            into = now.of[was.head]
            stays = was.over & now.over[into] & (now.first[into] == was.first)
            known[into[stays]] = True
            gone, last = was.head[was.over & ~stays], was.last[was.over & ~stays]
        put = np.flatnonzero(now.over & (changed | ~known))
        kinds = np.where(known[put], Change.UPDATE_AFTER, Change.INSERT).astype(np.int8)
        return cls(now, put, kinds, gone, last)


@dataclass(frozen=True, slots=True)
class _Making:
    """Makes of items what comes out; `until` is the time before which their rows are."""

    items: _Items
    until: int
    state: SessionState
    passing: Accumulators

    def gone(self, head: Any, last: Any) -> Out:
        """Sessions that go, of which nothing is told but by what they are found."""
        results = [pa.nulls(len(head), each.type) for each in self.passing.results(np.empty(0, np.int64))]
        return self._out(head, last, results, np.full(len(head), Change.DELETE, np.int8))

    def put(self, found: _Differing) -> Out:
        """Sessions that come out."""
        now, put, slots = found.now, found.put, np.arange(len(found.put))
        number = np.full(len(now.head), -1)
        number[put] = slots
        self.passing.grow(len(put))
        self._add(number[now.of])
        results = self.passing.results(slots)
        self.passing.clear(slots)
        return self._out(now.head[put], now.last[put], results, found.kinds)

    def _add(self, slots: Any) -> None:
        """Adds items to their slots, where they have one."""
        kept, rows = ((slots >= 0) & where for where in (self.items.slot >= 0, self.items.slot < 0))
        self.passing.combine(slots[kept], self.state.spans.aggregates, self.items.slot[kept])
        values = self.state.waiting.values(self.until, self.items.place[rows])
        if TIME not in values.schema.names:
            values = values.append_column(TIME, pa.array(self.items.begin[rows]).cast(MICROS))
        self.passing.add(slots[rows], values)

    def _out(self, head: Any, last: Any, results: list[pa.Array], kinds: Any) -> Out:
        items = self.items
        return Out(
            items.hi[head],
            items.lo[head],
            items.begin[head],
            last=last,
            keys=[*self._keys(head)],
            results=results,
            kinds=kinds,
        )

    def _keys(self, items: Any) -> Iterator[pa.Array]:
        """The values of the keys of items."""
        slots = self.items.slot[items]
        kept, rows = np.flatnonzero(slots >= 0), np.flatnonzero(slots < 0)
        order = pa.array(np.argsort(np.append(kept, rows)))
        values = self.state.waiting.values(self.until, self.items.place[items[rows]])
        for name, own in zip(self.state.keys, self.state.groups.keys(slots[kept]), strict=True):
            yield pa.concat_arrays([own, values.column(name)]).take(order)
