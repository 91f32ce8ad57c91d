"""Running aggregates: groups of all rows so far, whose rows come out again whenever something came for them.

A group is over `ttl` after its last change, by event time: a row that comes later than that begins it anew. The last
change is at the event time of the latest row, or at the watermark where that was later already. So rows decide, and not
batches: what the watermark forgets is what no row in time would still find.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from flowc.catalog import Column
from flowc.nodes import KIND, TIME, Change, RunningPlan
from flowc.runtime.arrow import arrow_field
from flowc.runtime.contracts.state import Segment
from flowc.runtime.engine.functions import Function
from flowc.runtime.instants import MICROS
from flowc.runtime.streams.aggregates.accumulators import Accumulators
from flowc.runtime.streams.aggregates.part import NEVER
from flowc.runtime.streams.keyed.groupkeys import GroupKeys, with_one_zero
from flowc.runtime.streams.keyed.groups import Groups
from flowc.runtime.streams.keyed.slots import grown
from flowc.runtime.streams.operators.changed import changed, keeps_more
from flowc.runtime.streams.operators.contract import NOTHING, Decision, Emitted, Least, Verdict, said
from flowc.runtime.streams.operators.window import HIDDEN

TTL = "group_ttl"
"""In a fingerprint, after how many microseconds without a change groups are over; None for never."""
_SLICES = 32
"""What is over is forgotten so many times in a `ttl`, and not with every epoch."""


def running_schema(plan: RunningPlan, schema: pa.Schema) -> pa.Schema:
    """The columns that come out, without the hidden ones. `schema` is that of the input, without hidden columns."""
    made = [arrow_field(Column(each.name, each.type)) for each in plan.aggregates]
    kind = pa.field(KIND, pa.int8(), nullable=False)
    return pa.schema([*(schema.field(key) for key in plan.keys), *made, kind])


class Running:
    """The groups of one node; see `flowc.runtime.streams.operators.contract.Operator`.

    Raises UsageError for aggregates of values that they are not for.
    """

    def __init__(self, plan: RunningPlan, schema: pa.Schema, functions: Sequence[Function] = ()) -> None:
        self.name, self.fingerprint = plan.id, plan.fingerprint
        self._plan, self._given = plan, schema
        self._make = partial(Accumulators, plan.aggregates, schema, functions=functions)
        self.schema = running_schema(plan, schema)
        """What comes out, without hidden columns."""
        self._keys = GroupKeys([schema.field(key).type for key in plan.keys])
        self._input = Least(len(plan.inputs))
        self._begin()

    @property
    def watermark(self) -> int | None:
        """That of its input: what comes out has just changed."""
        return self._input.value

    def process(self, port: int, rows: pa.RecordBatch) -> Emitted:
        """Takes rows in; what comes out are their groups, as they are then."""
        if not rows.num_rows:
            return NOTHING
        rows = with_one_zero(rows, self._plan.keys)
        keys = [rows.column(key) for key in self._plan.keys]
        slots = self._groups.add(*self._keys(keys, rows.num_rows), np.zeros(rows.num_rows, np.int64), keys)
        self._add(slots, self._times(rows), rows)
        self._groups.check(self._first.nbytes)
        return Emitted(self._rows(self._each(slots)))

    def on_watermark(self, port: int, at: int) -> Emitted:
        """Forgets the groups that are over."""
        self._input.at(port, at)
        if self._plan.ttl is not None and self._input.value is not None:
            self._forget(self._input.value, self._plan.ttl)
        return NOTHING

    def on_end(self) -> Emitted:
        """Nothing is held, and another run goes on with what there is."""
        return NOTHING

    def due(self, at: int) -> bool:
        """Never: rows come out when something came for them."""
        return False

    def snapshot(self) -> tuple[Segment, ...]:
        """What changed since the last call."""
        return self._groups.snapshot()

    def restore(self, segments: Iterable[Segment]) -> None:
        """Takes the state that was kept."""
        self._begin()
        self._groups.restore(segments)

    def verdict(self, written_by: str) -> Verdict:
        """Sums of other keys and aggregates say nothing of these; with another `ttl` it goes on with what there is."""
        before, now = said(written_by), said(self.fingerprint)
        if TTL not in before or not keeps_more({**before, TTL: 0}, {**now, TTL: 0}):
            return Verdict(Decision.REFUSE, changed(before, now))
        if before[TTL] is not None and (now[TTL] is None or before[TTL] < now[TTL]):
            forgotten = "a group that was forgotten under the shorter one begins anew"
            return Verdict(Decision.MIGRATE, f"{changed(before, now)}: {forgotten}")
        return Verdict(Decision.KEEP)

    def _begin(self) -> None:
        plan, schema = self._plan, self._given
        self._kept = _Kept(self._make())
        self._groups = Groups(
            plan.id, plan.fingerprint, pa.schema([schema.field(key) for key in plan.keys]), self._kept,
            max_bytes=plan.max_bytes, less="a shorter `group_ttl`, or fewer groups",
        )  # fmt: skip
        self._step = NEVER
        self._first = np.empty(0, np.int64)
        """The row of a batch that is the first of a slot; of use within one call."""

    def _times(self, rows: pa.RecordBatch) -> Any:
        """When rows change their groups."""
        times = rows.column(TIME).cast(pa.int64()).to_numpy()
        return times if self._input.value is None else np.maximum(times, self._input.value)

    def _add(self, slots: Any, times: Any, rows: pa.RecordBatch) -> None:
        counts = self._counting(slots, times, self._plan.ttl) if self._plan.ttl is not None else None
        if counts is not None:
            slots, times, rows = slots[counts], times[counts], rows.filter(pa.array(counts))
        self._kept.add(slots, times, rows)

    def _counting(self, slots: Any, times: Any, ttl: int) -> Any:
        """Which rows count in the end, where groups begin anew in which they have been cleared; None for all."""
        last = self._kept.last[slots]
        late = times - ttl > np.where(last == NEVER, times.min(), last)
        if not late.any():
            return None
        some = np.zeros(len(self._kept.last), bool)
        some[slots[late]] = True
        rows = np.flatnonzero(some[slots])
        rows = rows[np.argsort(slots[rows], kind="stable")]
        from_, anew = _anew(slots[rows], times[rows], last[rows], ttl)
        self._kept.clear(anew)
        counts = np.ones(len(slots), bool)
        counts[rows] = np.arange(len(rows)) >= from_
        return counts

    def _each(self, slots: Any) -> Any:
        """Slots once, in the order in which they come first: the same in every run."""
        self._first = grown(self._first, len(self._kept.last))
        rows = np.arange(len(slots))
        self._first[slots[::-1]] = rows[::-1]
        return slots[self._first[slots] == rows]

    def _rows(self, slots: Any) -> pa.RecordBatch:
        """What comes out of groups: of several rows, so of no message alone."""
        kinds = pa.array(np.full(len(slots), Change.UPDATE_AFTER, np.int8))
        hidden = pa.array(self._kept.last[slots]).cast(MICROS), pa.nulls(len(slots), pa.int64())
        columns = [*self._groups.keys(slots), *self._kept.results(slots), kinds, *hidden]
        return pa.RecordBatch.from_arrays(columns, schema=pa.schema([*self.schema, *HIDDEN]))

    def _forget(self, watermark: int, ttl: int) -> None:
        step = watermark // max(ttl // _SLICES, 1)
        if step > self._step:
            self._step = step
            slots = self._groups.slots()
            over = slots[self._kept.last[slots] < watermark - ttl]
            if len(over):
                self._groups.remove(over)


class _Kept:
    """What aggregates keep of groups, by slots, and when each changed last (microseconds)."""

    def __init__(self, aggregates: Accumulators) -> None:
        self._aggregates = aggregates
        self.state = pa.schema([pa.field("changed", pa.int64()), *aggregates.state])
        self.last: Any = np.empty(0, np.int64)
        self.results = aggregates.results

    @property
    def nbytes(self) -> int:
        """What it takes in memory."""
        return int(self.last.nbytes) + self._aggregates.nbytes

    def grow(self, count: int) -> None:
        """Makes room for so many slots."""
        self.last = grown(self.last, count, NEVER)
        self._aggregates.grow(count)

    def add(self, slots: Any, times: Any, rows: pa.RecordBatch) -> None:
        """Adds rows to their slots, and when they came."""
        np.maximum.at(self.last, slots, times)
        self._aggregates.add(slots, rows)

    def take(self, slots: Any) -> pa.RecordBatch:
        """What is kept of some groups."""
        columns = [pa.array(self.last[slots]), *self._aggregates.take(slots).columns]
        return pa.RecordBatch.from_arrays(columns, schema=self.state)

    def put(self, slots: Any, state: pa.RecordBatch) -> None:
        """The other way round."""
        self.last[slots] = state.column(0).to_numpy()
        columns = state.columns[1:]
        self._aggregates.put(slots, pa.RecordBatch.from_arrays(columns, schema=self._aggregates.state))

    def clear(self, slots: Any) -> None:
        """Has some slots have seen no row."""
        self.last[slots] = NEVER
        self._aggregates.clear(slots)


def _anew(slots: Any, times: Any, last: Any, ttl: int) -> tuple[Any, Any]:
    """For rows that lie group by group: from which row on each counts in its group, and the slots that begin anew.

    `last` is when their groups changed before all of them.
    """
    begins = np.flatnonzero(np.append(True, slots[1:] != slots[:-1]))
    before = _latest_before(times, last, begins)
    over = np.where((before != NEVER) & (times - ttl > before), np.arange(len(times)), -1)
    from_ = np.maximum.reduceat(over, begins)
    return np.repeat(from_, np.diff(np.append(begins, len(slots)))), slots[begins[from_ >= 0]]


def _latest_before(times: Any, last: Any, begins: Any) -> Any:
    """For rows that lie group by group: the latest time before each, in its group; `last` is that before all of them.

    A running maximum over all rows is one in each group where a row of a later group is more than any before it.
    """
    values, ranks = np.unique(np.concatenate([times, last]), return_inverse=True)
    ranks = ranks.reshape(-1)
    count, size = len(times), len(values)
    group = np.zeros(count, np.int64)
    group[begins[1:]] = 1
    base = np.cumsum(group) * size
    own = np.maximum(ranks[:count], ranks[count:])
    latest = np.maximum.accumulate(base + own) - base
    before = np.append(0, latest[:-1])
    before[begins] = ranks[count:][begins]
    return values[before]
