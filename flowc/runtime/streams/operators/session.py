"""Sessions: rows of one key that come at most `gap` after one another, at most `max_duration` after the first of them.

Rows wait until the watermark has passed them, and are then put into sessions in the order of their times: nothing in
time comes before them any more, so that what comes out depends on the rows alone. Of each key, only its last session is
open; one that is followed by another, or whose last row is more than `gap` before the watermark, comes out.

A row behind the watermark is let in where a session of it alone would still be open, and where it comes at most `gap`
before the first row of a session of its key that is open. All others are late, and so is one that would be the first of
a session whose longest duration is over before the watermark: that session would come out behind it.

With `emit`, event time has steps of that length. When the watermark comes into another one, the open sessions in which
something changed come out too, as they are at the watermark. One that is out and begins earlier by a row that comes
later goes at once, and comes out as the other one that it is then: sessions are told by their starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from flowc.nodes import TIME, Change, WindowPlan
from flowc.runtime.contracts.epoch import END
from flowc.runtime.contracts.state import Segment
from flowc.runtime.engine.functions import Function
from flowc.runtime.instants import MICROS
from flowc.runtime.streams.aggregates.accumulators import Accumulators
from flowc.runtime.streams.aggregates.extremes import LEAST, MOST
from flowc.runtime.streams.keyed.groupkeys import GroupKeys, with_one_zero
from flowc.runtime.streams.keyed.runs import Run
from flowc.runtime.streams.operators.changed import changed
from flowc.runtime.streams.operators.contract import NOTHING, Decision, Emitted, Least, Verdict, said
from flowc.runtime.streams.operators.sessionrows import Out, SessionRows
from flowc.runtime.streams.operators.sessionsplit import Split, by_key, heads, let_in, split
from flowc.runtime.streams.operators.sessionstate import OPEN, SessionState
from flowc.runtime.streams.operators.window import in_order, late_rows, window_schema


class Sessions:
    """The sessions of one node; see `flowc.runtime.streams.operators.contract.Operator`.

    Raises UsageError for aggregates of values that they are not for.
    """

    def __init__(self, plan: WindowPlan, schema: pa.Schema, functions: Sequence[Function] = ()) -> None:
        self.name, self.fingerprint = plan.id, plan.fingerprint
        self._plan, self._given, self._gap = plan, schema, plan.step
        self.schema = window_schema(plan, schema)
        """What comes out, without hidden columns."""
        self._keys = GroupKeys([schema.field(key).type for key in plan.keys])
        self._rows = SessionRows(self.schema, plan.step)
        self._input = Least(len(plan.inputs))
        self._make = partial(Accumulators, plan.aggregates, schema, stepped=plan.emit is not None, functions=functions)
        self._passing = self._make()
        """Of sessions that come out in the call in which they began."""
        self._begin()

    @property
    def watermark(self) -> int | None:
        """Just before that of its input: a session ends there at the earliest, and its event time is before its end."""
        return None if self._input.value is None else self._input.value - self._plan.delay

    def process(self, port: int, rows: pa.RecordBatch) -> Emitted:
        """Takes rows in; those come out that are late, where they are not only counted."""
        if not rows.num_rows:
            return NOTHING
        rows = with_one_zero(rows, self._plan.keys)
        hi, lo = self._keys([rows.column(key) for key in self._plan.keys], rows.num_rows)
        at = rows.column(TIME).cast(pa.int64()).to_numpy()
        late = self._late(hi, lo, at)
        if late is None:
            return self._take(rows, hi, lo, at)
        made = self._take(rows.filter(pa.array(~late)), hi[~late], lo[~late], at[~late])
        until = pa.array([self._groups.mark]).cast(MICROS)[0]
        why = f"of a session that was over: the watermark is {until}"
        return replace(late_rows(self._plan, rows.filter(pa.array(late)), why), rows=made.rows)

    def on_watermark(self, port: int, at: int) -> Emitted:
        """The sessions that no row can come for any more that is in time."""
        self._input.at(port, at)
        value, mark = self._input.value, self._groups.mark
        if value is None or (mark is not None and value <= mark):
            return NOTHING
        return self._settle(value)

    def on_end(self) -> Emitted:
        """All sessions; rows that are no later than the last one of them are late in another run."""
        slots = self._groups.slots()
        waiting = self._state.waiting.latest
        if not len(slots) and waiting is None:
            return NOTHING
        open_ = int(self._state.spans.last[slots].max(initial=LEAST))
        until = max(open_, LEAST if waiting is None else waiting) + self._gap + 1
        return self._settle(until if self._groups.mark is None else max(until, self._groups.mark))

    def due(self, at: int) -> bool:
        """Whether a session may come out: an open one that is over or is shown, or one of rows that time passes."""
        waiting, mark, spans = self._state.waiting.earliest, self._groups.mark, self._state.spans
        if at == END:
            return len(self._groups) > 0 or waiting is not None
        if mark is not None and at <= mark:
            return False
        passed = waiting is not None and waiting < at
        shown = spans.is_new_step(at) and len(spans.fresh(self._groups.slots())) > 0
        return bool(passed or shown or (spans.last < at - self._gap).any())

    def snapshot(self) -> tuple[Segment, ...]:
        """What changed since the last call."""
        return self._state.snapshot()

    def restore(self, segments: Iterable[Segment]) -> None:
        """Takes the state that was kept."""
        self._begin()
        self._state.restore(segments)
        if self._groups.mark is not None:
            self._state.spans.step_to(self._groups.mark)

    def verdict(self, written_by: str) -> Verdict:
        """Sessions of another gap or longest duration, of other keys and aggregates, say nothing of these."""
        before, now = said(written_by), said(self.fingerprint)
        if before == now:
            return Verdict(Decision.KEEP)
        return Verdict(Decision.REFUSE, changed(before, now))

    def _begin(self) -> None:
        self._state = SessionState(self._plan, self._given, self._make())
        self._groups = self._state.groups

    def _take(self, rows: pa.RecordBatch, hi: Any, lo: Any, at: Any) -> Emitted:
        self._state.waiting.insert(hi, lo, at, rows.select(self._state.columns.names))
        self._state.check()
        return NOTHING

    def _late(self, hi: Any, lo: Any, at: Any) -> Any:
        """Which rows are late; None where none is. Each row is judged by those that came before it."""
        mark = self._groups.mark
        if mark is None or not (late := at < mark - self._gap).any():
            return None
        behind, known = np.flatnonzero(at < mark), self._state.waiting.before(mark)
        rows = Run.together(known, Run(hi[behind], lo[behind], at[behind], behind))
        order = in_order(rows.hi, rows.lo)
        rows = rows.where(order)
        head = heads(rows.hi, rows.lo)
        slots = self._groups.find(rows.hi, rows.lo, np.full(len(rows), OPEN))
        spans, group = self._state.spans, np.cumsum(head) - 1
        first, last = (np.where(slots >= 0, c[slots], none) for c, none in ((spans.first, MOST), (spans.last, LEAST)))
        chosen = np.append(np.ones(len(known), bool), ~late[behind])[order]
        taken = let_in(
            group,
            rows.at,
            chosen,
            first=first,
            last=last,
            closed=mark - self._gap,
            gap=self._gap,
            longest=self._plan.size,
        )
        late[rows.row[taken & (order >= len(known))]] = False
        return late if late.any() else None

    def _settle(self, until: int) -> Emitted:
        """Lets those out that are over at a watermark, and those that are shown by then."""
        found, spans = self._close(until), self._state.spans
        if spans.is_new_step(until):
            found.append(self._out(spans.fresh(self._groups.slots())))
            spans.step_to(until)
        self._groups.mark = until
        return self._rows(found)

    def _close(self, until: int, *, gives: bool = True) -> list[Out]:
        """Puts the rows before a time into sessions, and removes those that are over; these are given, if asked for."""
        rows, values = self._state.waiting.take(until)
        closed, spans = until - self._gap, self._state.spans
        step = _Step.of(rows, values, self._state, closed) if len(rows) else None
        moved = step.moved() if step is not None else np.empty(0, np.int64)
        found = [self._gone(moved)] if len(moved) else []
        found += [self._put(step.begun(self._passing))] if step is not None and gives else []
        followed = step.carried() if step is not None else np.empty(0, np.int64)
        over = spans.last < closed
        over[followed] = True
        slots = np.flatnonzero(over)
        found += [self._out(spans.fresh(slots))] if gives else []
        self._groups.remove(slots)
        if step is not None:
            step.open()
        if len(moved) and not spans.is_new_step(until):
            found.append(self._out(moved[~over[moved]]))
        self._state.check()
        return found

    def _out(self, slots: Any) -> Out:
        """Sessions that were open."""
        return self._put(self._bounded(slots, self._state.spans.aggregates.results(slots)))

    def _gone(self, slots: Any) -> Out:
        """Sessions that are out and go, of which nothing is told but by what they are found."""
        results = [pa.nulls(len(slots), each.type) for each in self._passing.results(np.empty(0, np.int64))]
        return replace(self._bounded(slots, results), kinds=np.full(len(slots), Change.DELETE, np.int8))

    def _bounded(self, slots: Any, results: Sequence[pa.Array]) -> Out:
        groups, spans = self._groups, self._state.spans
        bounds = groups.hi(slots), groups.lo(slots), spans.first[slots], spans.last[slots]
        return Out(*bounds, groups.keys(slots), results)

    def _put(self, out: Out) -> Out:
        """Where rows replace others: what is out may have been out before."""
        return replace(out, kinds=np.full(len(out.hi), Change.UPDATE_AFTER, np.int8)) if self._plan.replaces else out


@dataclass(frozen=True, slots=True)
class _Step:
    """Rows that time has passed, key by key and by time, and the sessions that they are of."""

    rows: pa.RecordBatch
    hi: Any
    lo: Any
    """Of the keys."""
    slots: Any
    """Of the sessions of the keys that were open before; -1 for none."""
    split: Split
    over: Any
    """Which sessions come out."""
    state: SessionState

    @classmethod
    def of(cls, rows: Run, values: pa.RecordBatch, state: SessionState, closed: int) -> _Step:
        """Those of rows that are before a time; sessions whose last row is before `closed` are over."""
        order = by_key(rows.hi, rows.lo, rows.at)
        hi, lo = rows.hi[order], rows.lo[order]
        head, at, spans = heads(hi, lo), rows.at[order], state.spans
        hi, lo = hi[head], lo[head]
        slots = state.groups.find(hi, lo, np.full(len(hi), OPEN))
        first, last = (np.where(slots >= 0, c[slots], none) for c, none in ((spans.first, MOST), (spans.last, LEAST)))
        made = split(head, at, first, last=last, gap=state.gap, longest=state.longest)
        values = values.take(pa.array(order))
        if TIME not in values.schema.names:
            values = values.append_column(TIME, pa.array(at).cast(MICROS))
        return cls(values, hi, lo, slots=slots, split=made, over=made.followed | (made.last < closed), state=state)

    def begun(self, passing: Accumulators) -> Out:
        """The sessions that came out as soon as they had begun."""
        chosen = np.flatnonzero(self.over & ~self.split.carried)
        slots = np.arange(len(chosen))
        passing.grow(len(chosen))
        self._add(passing, chosen, slots)
        keys, found = self.split.key[chosen], self.split
        results = passing.results(slots)
        passing.clear(slots)
        bounds = self.hi[keys], self.lo[keys], found.first[chosen], found.last[chosen]
        return Out(*bounds, self._keys(found.row[chosen]), results)

    def moved(self) -> Any:
        """The slots of sessions that came out already, and begin earlier by these rows."""
        chosen = np.flatnonzero(self.split.carried)
        slots, spans = self.slots[self.split.key[chosen]], self.state.spans
        return slots[spans.shown(slots) & (self.split.first[chosen] < spans.first[slots])]

    def carried(self) -> Any:
        """Moves the bounds of the sessions that were open before, and adds to those that are over; their slots."""
        chosen = np.flatnonzero(self.split.carried)
        slots, over = self.slots[self.split.key[chosen]], self.over[chosen]
        self._bound(chosen, slots)
        self._add(self.state.spans.aggregates, chosen[over], slots[over])
        return slots[over]

    def open(self) -> None:
        """Adds to the sessions that are open."""
        chosen = np.flatnonzero(~self.over)
        keys = self.split.key[chosen]
        slots = self.state.groups.add(
            self.hi[keys], self.lo[keys], np.full(len(keys), OPEN), self._keys(np.maximum(self.split.row[chosen], 0))
        )
        self.state.spans.begin(slots[~self.split.carried[chosen]])
        self._bound(chosen, slots)
        self._add(self.state.spans.aggregates, chosen, slots)

    def _bound(self, sessions: Any, slots: Any) -> None:
        spans = self.state.spans
        spans.first[slots], spans.last[slots] = self.split.first[sessions], self.split.last[sessions]

    def _add(self, aggregates: Accumulators, sessions: Any, slots: Any) -> None:
        if not len(sessions):
            return
        number = np.full(len(self.over), -1)
        number[sessions] = slots
        number = number[self.split.of]
        chosen = number >= 0
        rows = self.rows if chosen.all() else self.rows.filter(pa.array(chosen))
        aggregates.add(number[chosen], rows)

    def _keys(self, rows: Any) -> list[pa.Array]:
        return [self.rows.column(key).take(pa.array(rows)) for key in self.state.keys]
