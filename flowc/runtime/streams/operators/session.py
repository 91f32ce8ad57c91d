"""Sessions: rows of one key that come at most `gap` after one another, at most `max_duration` after the first of them.

Rows wait until the watermark has passed them, and are then put into sessions in the order of their times: nothing in
time comes before them any more, so that what comes out depends on the rows alone. Of each key, only its last session is
open; one that is followed by another, or whose last row is more than `gap` before the watermark, comes out.

A row behind the watermark is let in where a session of it alone would still be open, and where it comes at most `gap`
before the first row of a session of its key that is open. All others are late, and so is one that would be the first of
a session whose longest duration is over before the watermark: that session would come out behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from flowc.errors import UsageError
from flowc.nodes import TIME, WindowPlan
from flowc.runtime.functions import Function
from flowc.runtime.hexadecimal import hex_text
from flowc.runtime.instants import MICROS
from flowc.runtime.streams.aggregates.accumulators import Accumulators
from flowc.runtime.streams.aggregates.extremes import LEAST, MOST
from flowc.runtime.streams.epoch import END
from flowc.runtime.streams.keyed.groupkeys import GroupKeys
from flowc.runtime.streams.keyed.hashes import Hasher
from flowc.runtime.streams.keyed.runs import Run
from flowc.runtime.streams.operators.changed import changed
from flowc.runtime.streams.operators.contract import NOTHING, Decision, Emitted, Least, Verdict, said
from flowc.runtime.streams.operators.sessionsplit import Split, let_in, split
from flowc.runtime.streams.operators.sessionstate import OPEN, SessionState
from flowc.runtime.streams.operators.window import HIDDEN, in_order, late_rows, window_schema
from flowc.runtime.streams.state.contract import Segment


class Sessions:
    """The sessions of one node; see `flowc.runtime.streams.operators.contract.Operator`.

    Raises UsageError for aggregates of values that they are not for, and for sessions that reopen.
    """

    def __init__(self, plan: WindowPlan, schema: pa.Schema, functions: Sequence[Function] = ()) -> None:
        if plan.late == "reopen":
            message = f"`{plan.id}` has sessions, which do not reopen"
            raise UsageError(message, code="not-runnable-yet", help="set late rows aside: `late: dlq`")
        self.name, self.fingerprint = plan.id, plan.fingerprint
        self._plan, self._given, self._gap = plan, schema, plan.step
        self.schema = window_schema(plan, schema)
        """What comes out, without hidden columns."""
        self._keys, self._hash = GroupKeys([schema.field(key).type for key in plan.keys]), Hasher()
        self._input = Least(len(plan.inputs))
        self._make = partial(Accumulators, plan.aggregates, schema, functions=functions)
        self._passing = self._make()
        """Of sessions that come out in the call in which they began."""
        self._begin()

    @property
    def watermark(self) -> int | None:
        """Just before that of its input: a session ends there at the earliest, and its event time is before its end."""
        return None if self._input.value is None else self._input.value - 1

    def process(self, port: int, rows: pa.RecordBatch) -> Emitted:
        """Takes rows in; those come out that are late, where they are not only counted."""
        if not rows.num_rows:
            return NOTHING
        hi, lo = self._keys([rows.column(key) for key in self._plan.keys], rows.num_rows)
        at = rows.column(TIME).cast(pa.int64()).to_numpy()
        late = self._late(hi, lo, at)
        if late is None:
            return self._take(rows, hi, lo, at)
        self._take(rows.filter(pa.array(~late)), hi[~late], lo[~late], at[~late])
        until = pa.array([self._groups.mark]).cast(MICROS)[0]
        return late_rows(
            self._plan, rows.filter(pa.array(late)), f"of a session that was over: the watermark is {until}"
        )

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
        """Whether a session may come out: an open one that is over, or one of rows that time passes."""
        waiting, mark = self._state.waiting.earliest, self._groups.mark
        if at == END:
            return len(self._groups) > 0 or waiting is not None
        passed = waiting is not None and waiting < at
        return (mark is None or at > mark) and bool(passed or (self._state.spans.last < at - self._gap).any())

    def snapshot(self) -> tuple[Segment, ...]:
        """What changed since the last call."""
        return self._state.snapshot()

    def restore(self, segments: Iterable[Segment]) -> None:
        """Takes the state that was kept."""
        self._begin()
        self._state.restore(segments)

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
        head = _heads(rows.hi, rows.lo)
        slots = self._groups.find(rows.hi, rows.lo, np.full(len(rows), OPEN))
        spans, group = self._state.spans, np.cumsum(head) - 1
        first, last = (np.where(slots >= 0, c[slots], none) for c, none in ((spans.first, MOST), (spans.last, LEAST)))
        chosen = np.append(np.ones(len(known), bool), ~late[behind])[order]
        taken = let_in(group, rows.at, chosen, first, last, mark - self._gap, self._gap, self._plan.size)
        late[rows.row[taken & (order >= len(known))]] = False
        return late if late.any() else None

    def _settle(self, until: int) -> Emitted:
        """Puts the rows before a time into sessions, and lets those out that are over."""
        rows, values = self._state.waiting.take(until)
        self._groups.mark = until
        closed, spans = until - self._gap, self._state.spans
        step = _Step.of(rows, values, self._state, closed) if len(rows) else None
        found = [step.begun(self._passing)] if step is not None else []
        followed = step.carried() if step is not None else np.empty(0, np.int64)
        over = spans.last < closed
        over[followed] = True
        slots = np.flatnonzero(over)
        found.append(self._out(slots))
        self._groups.remove(slots)
        if step is not None:
            step.open()
        self._state.check()
        return self._emitted(found)

    def _out(self, slots: Any) -> _Out:
        """Sessions that were open."""
        groups, spans = self._groups, self._state.spans
        bounds = groups.hi(slots), groups.lo(slots), spans.first[slots], spans.last[slots]
        return _Out(*bounds, groups.keys(slots), spans.aggregates.results(slots))

    def _emitted(self, found: Sequence[_Out]) -> Emitted:
        hi, lo, first, last = (np.concatenate([getattr(each, name) for each in found]) for name in _OUT)
        if not len(hi):
            return NOTHING
        order = in_order(hi, lo, first)
        hi, lo, first, end = hi[order], lo[order], first[order], last[order] + self._gap
        times = [pa.array(each).cast(MICROS) for each in (first, end, end - 1)]
        pairs = zip(*([*each.keys, *each.results] for each in found), strict=True)
        columns = [pa.concat_arrays(parts).take(pa.array(order)) for parts in pairs]
        arrays = [*times[:2], self._ids(hi, lo, first), *columns, times[2], pa.nulls(len(hi), pa.int64())]
        return Emitted(pa.RecordBatch.from_arrays(arrays, schema=pa.schema([*self.schema, *HIDDEN])))

    def _ids(self, hi: Any, lo: Any, first: Any) -> pa.Array:
        bits = np.stack([hi, lo, first.view(np.uint64)], axis=1).astype("<u8")
        whole = pa.Array.from_buffers(pa.binary(24), len(hi), [None, pa.py_buffer(bits)])
        digests = self._hash.digests(whole.cast(pa.binary()))
        half = np.ascontiguousarray(np.frombuffer(digests.buffers()[1], np.uint8).reshape(-1, 32)[:, :16])
        return hex_text(pa.Array.from_buffers(pa.binary(16), len(hi), [None, pa.py_buffer(half)]).cast(pa.binary()))


@dataclass(frozen=True, slots=True)
class _Out:
    """Sessions that come out."""

    hi: Any
    lo: Any
    first: Any
    last: Any
    keys: Sequence[pa.Array]
    results: Sequence[pa.Array]


_OUT = ("hi", "lo", "first", "last")


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
        order = np.lexsort((rows.at, rows.hi))
        hi, lo = rows.hi[order], rows.lo[order]
        if ((hi[1:] == hi[:-1]) & (lo[1:] != lo[:-1])).any():
            order = np.lexsort((rows.at, rows.lo, rows.hi))
            hi, lo = rows.hi[order], rows.lo[order]
        head, at, spans = _heads(hi, lo), rows.at[order], state.spans
        hi, lo = hi[head], lo[head]
        slots = state.groups.find(hi, lo, np.full(len(hi), OPEN))
        first, last = (np.where(slots >= 0, c[slots], none) for c, none in ((spans.first, MOST), (spans.last, LEAST)))
        made = split(head, at, first, last, state.gap, state.longest)
        values = values.take(pa.array(order))
        if TIME not in values.schema.names:
            values = values.append_column(TIME, pa.array(at).cast(MICROS))
        return cls(values, hi, lo, slots, made, made.followed | (made.last < closed), state)

    def begun(self, passing: Accumulators) -> _Out:
        """The sessions that came out as soon as they had begun."""
        chosen = np.flatnonzero(self.over & ~self.split.carried)
        slots = np.arange(len(chosen))
        passing.grow(len(chosen))
        self._add(passing, chosen, slots)
        keys, found = self.split.key[chosen], self.split
        results = passing.results(slots)
        passing.clear(slots)
        bounds = self.hi[keys], self.lo[keys], found.first[chosen], found.last[chosen]
        return _Out(*bounds, self._keys(found.row[chosen]), results)

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


def _heads(hi: Any, lo: Any) -> Any:
    """Which rows are the first of their key."""
    return np.append(np.full(min(len(hi), 1), True), (hi[1:] != hi[:-1]) | (lo[1:] != lo[:-1]))
