"""Windows of event time: tumbling, hopping and cumulating ones, whose groups come out when the watermark is at the end.

Rows are added to the groups of panes (`flowc.runtime.streams.operators.windowkinds`). A tumbling window is one pane. Of
a hopping one, the panes are put together when it ends; of a cumulating one, the pane that has ended is put into the
first, which then holds the window.

With `late: reopen`, panes stay for the lateness that is allowed, and a row that comes for windows which are out has
these come out once more. Of a cumulating window, those panes are put into the first that are behind that lateness.

With `emit`, event time has steps of that length. When the watermark comes into another one, the windows that are open
come out too, as they are by then; and ever only the groups in which something changed since they came out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from flowc.catalog import Column
from flowc.nodes import KIND, ROW, TIME, Change, WindowPlan
from flowc.runtime.arrow import arrow_field
from flowc.runtime.badrows import BadRow
from flowc.runtime.contracts.epoch import END
from flowc.runtime.contracts.state import Segment
from flowc.runtime.engine.functions import Function
from flowc.runtime.instants import MICROS
from flowc.runtime.streams.aggregates.accumulators import Accumulators
from flowc.runtime.streams.aggregates.part import NEVER
from flowc.runtime.streams.keyed.groupkeys import GroupKeys, with_one_zero
from flowc.runtime.streams.keyed.groups import Groups
from flowc.runtime.streams.keyed.index import Index
from flowc.runtime.streams.keyed.slots import grown
from flowc.runtime.streams.operators.changed import changed, keeps_more
from flowc.runtime.streams.operators.contract import LATE, NOTHING, Decision, Emitted, Least, Verdict, said
from flowc.runtime.streams.operators.localtime import Progress
from flowc.runtime.streams.operators.windowkinds import Cumulating, Hopping, kind_named, kind_of

START, STOP, SESSION = "window_start", "window_end", "session_id"
REOPEN = "reopen"
"""In a fingerprint, for how many microseconds windows that are out come out once more; missing: not at all."""
HIDDEN = (pa.field(TIME, MICROS), pa.field(ROW, pa.int64()))
_FEW = 4096
_DAY = 86_400_000_000
"""More than local times are ever apart from those of UTC, in microseconds."""
_LATEST = 253_402_300_799_999_999
"""The end of the year 9999, behind which nothing can be shown."""


def window_schema(plan: WindowPlan, schema: pa.Schema) -> pa.Schema:
    """The columns that come out, without the hidden ones. `schema` is that of the input, without hidden columns."""
    bounds = [pa.field(name, MICROS, nullable=False) for name in (START, STOP)]
    if plan.kind == "session":
        bounds.append(pa.field(SESSION, pa.string(), nullable=False))
    made = [arrow_field(Column(each.name, each.type)) for each in plan.aggregates]
    kind = [pa.field(KIND, pa.int8(), nullable=False)] if plan.replaces else []
    return pa.schema([*bounds, *(schema.field(key) for key in plan.keys), *made, *kind])


class Windows:
    """The windows of one node; see `flowc.runtime.streams.operators.contract.Operator`.

    Raises UsageError for aggregates of values that they are not for.
    """

    def __init__(self, plan: WindowPlan, schema: pa.Schema, functions: Sequence[Function] = ()) -> None:
        self.name, self.fingerprint = plan.id, plan.fingerprint
        self._plan, self._given = plan, schema
        self._make = partial(Accumulators, plan.aggregates, schema, stepped=plan.emit is not None, functions=functions)
        self.schema = window_schema(plan, schema)
        """What comes out, without hidden columns."""
        self._kind = kind_of(plan)
        self._allowed = plan.allowed_lateness if plan.late == "reopen" else 0
        self._time = Progress(plan.timezone, self._allowed)
        self._keys = GroupKeys([schema.field(key).type for key in plan.keys])
        self._input = Least(len(plan.inputs))
        self._begin()

    @property
    def watermark(self) -> int | None:
        """That of its input, less the lateness with which windows reopen: one that comes out later ends behind it."""
        return None if self._input.value is None else self._input.value - self._plan.delay

    def process(self, port: int, rows: pa.RecordBatch) -> Emitted:
        """Takes rows in; what comes out are those that are late, and windows that reopen for others."""
        if not rows.num_rows:
            return NOTHING
        rows = with_one_zero(rows, self._plan.keys)
        panes = self._kind.panes(self._time.local(rows.column(TIME).view(pa.int64()).to_numpy()))
        gone = self._time.gone
        if gone is None:
            self._add(rows, panes)
            return NOTHING
        if self._kind.last_ends(panes.min()) > gone:  # no pane ends before the first one does
            return Emitted(self._changes(self._add(rows, self._within(panes))))
        late = self._kind.last_ends(panes) <= gone
        slots = self._add(rows.filter(pa.array(~late)), self._within(panes[~late]))
        return replace(self._late(rows.filter(pa.array(late))), rows=self._changes(slots))

    def on_watermark(self, port: int, at: int) -> Emitted:
        """The windows that end there or before."""
        self._input.at(port, at)
        value, before = self._input.value, self._time.instant
        if value is None or (before is not None and value <= before):
            return NOTHING
        made = self._until(self._time.local_of(value)) + self._early(value)
        self._time.move(value)
        self._forget()
        return _emitted(made)

    def on_end(self) -> Emitted:
        """All windows; rows that come for them in another run are late."""
        made = self._until(None)
        if self._time.instant is not None:
            self._time.move(self._time.instant)
            self._groups.mark, self._step = self._time.instant, self._step_of(self._time.instant)
            self._forget()
        return _emitted(made)

    def due(self, at: int) -> bool:
        """Whether a window ends there or before, or comes out early."""
        end = self._next_end()
        if end is None or at == END:
            return end is not None
        shown = self._is_new_step(at) and len(self._fresh(self._groups.slots()))
        return end <= self._time.local_of(at) or bool(shown)

    def snapshot(self) -> tuple[Segment, ...]:
        """What changed since the last call."""
        # Panes say by themselves only of windows of which they are no more that these are out.
        instant = self._time.instant
        if instant is not None and len(self._groups) and (self._plan.replaces or not self._is_tumbling):
            self._groups.mark = instant if self._plan.replaces else self._out_by(instant)
        return self._groups.snapshot()

    def restore(self, segments: Iterable[Segment]) -> None:
        """Takes the state that was kept."""
        self._begin()
        self._groups.restore(segments)
        if self._groups.mark is not None:
            self._time.move(self._groups.mark)
        self._step = self._step_of(self._groups.mark)
        self._forget()  # what was kept for windows to reopen, where less of that is allowed now

    def verdict(self, written_by: str) -> Verdict:
        """Sums of other windows, keys and aggregates say nothing of these; those of fewer aggregates are there."""
        before, now = said(written_by), said(self.fingerprint)
        # Of windows that were out already, nothing is there that would be put together with what comes later.
        if keeps_more({**before, REOPEN: 0}, {**now, REOPEN: 0}) and before.get(REOPEN, 0) >= now.get(REOPEN, 0):
            return Verdict(Decision.KEEP)
        return Verdict(Decision.REPLAY if _remade(before, now) else Decision.REFUSE, changed(before, now))

    def since(self, written_by: str, watermark: int) -> int:
        """The start of the longest window behind those that are out."""
        out = self._last_end(_named(written_by), watermark)
        return out - self._plan.size - (_DAY if self._time.zoned else 0)

    def remake(self, segments: Iterable[Segment], written_by: str, watermark: int | None) -> None:
        """Begins where the last window ended that is out: what came behind it is in none.

        Those may be out that the end of a run has let out, or windows of still another kind: the mark says so, and
        never goes back.
        """
        self._begin()
        self._groups.restore_mark(segments)
        before, mark = _named(written_by), self._groups.mark
        if mark is not None and REOPEN in said(written_by):
            mark = self._last_end(before, mark)  # of windows that reopen it is the watermark
        ends = [mark] if mark is not None else []
        ends += [self._last_end(before, watermark)] if watermark is not None else []
        if ends:
            self._time.move(max(ends))
            self._groups.mark = max(ends)

    def _out_by(self, instant: int) -> int:
        """Up to where windows are out at a watermark, by their ends or by what the mark knows."""
        end, mark = self._last_end(self._kind, instant), self._groups.mark
        return end if mark is None else max(end, mark)

    def _last_end(self, kind: Hopping | Cumulating, instant: int) -> int:
        """The instant when the last window of a kind ended at a watermark."""
        return self._time.instant_of(kind.last_end(self._time.local_of(instant)))

    @property
    def _is_tumbling(self) -> bool:
        return isinstance(self._kind, Hopping) and self._kind.size == self._kind.step

    def _begin(self) -> None:
        plan, schema = self._plan, self._given
        keys = pa.schema([schema.field(key) for key in plan.keys])
        self._kept = self._make()
        self._groups = Groups(
            plan.id, plan.fingerprint, keys, self._kept, max_bytes=plan.max_bytes, max_groups=plan.max_groups
        )
        self._time.reset()
        self._step = NEVER
        self._panes = _Panes(self._groups, self._make)

    def _add(self, rows: pa.RecordBatch, panes: Any) -> Any:
        """Adds rows; the slots of their groups."""
        if not rows.num_rows:
            return np.empty(0, np.int64)
        keys = [rows.column(key) for key in self._plan.keys]
        hi, lo = self._keys(keys, rows.num_rows)
        slots = self._groups.add(hi, lo, panes, keys)
        if self._kept.steps is not None:
            self._kept.steps.now = self._step
        self._kept.add(slots, rows)
        self._panes.changed(panes)
        self._groups.check(self._panes.nbytes)
        return slots

    def _changes(self, slots: Any) -> pa.RecordBatch | None:
        """The windows of some groups that were out already, once more."""
        closed, gone = self._time.closed, self._time.gone
        if not self._allowed or closed is None or not len(slots):
            return None
        slots = np.unique(slots)
        panes = np.unique(self._groups.at(slots))
        ends = sorted({end for pane in panes.tolist() for end in self._kind.ends(pane, gone, closed)})
        made = [self._hopping(end, Change.UPDATE_AFTER, slots) for end in ends]
        return pa.concat_batches(made) if made else None

    def _forget(self) -> None:
        """Forgets the panes of which no window comes out any more."""
        gone = self._time.gone
        if gone is None:
            return
        self._groups.forget(self._kind.kept(gone))
        if isinstance(self._kind, Cumulating) and self._allowed:
            self._put_into_first(gone)

    def _within(self, panes: Any) -> Any:
        """Where rows are added: of a cumulating window, the first pane holds what is out, and does not come again."""
        if isinstance(self._kind, Cumulating) and self._time.gone is not None:
            out = panes + self._kind.step <= self._time.gone
            return np.where(out, self._kind.begins(panes), panes)
        return panes

    def _late(self, rows: pa.RecordBatch) -> Emitted:
        assert self._time.instant is not None
        until = pa.array([min(self._time.instant, _LATEST)]).cast(MICROS)[0]
        return late_rows(self._plan, rows, f"of a window that was over: the watermark is {until}")

    def _next_end(self) -> int | None:
        pane, closed = self._groups.earliest, self._time.closed
        if pane is not None and self._allowed and closed is not None:
            panes = self._groups.times
            pane = next(iter(panes[panes >= self._kind.kept(closed)].tolist()), None)
        return None if pane is None else self._kind.next_end(pane, closed)

    def _until(self, until: int | None) -> list[pa.RecordBatch]:
        """The windows that end up to a time, in their order; all of them without one."""
        if self._is_tumbling:
            return self._tumbling(until)
        made = []
        while (end := self._next_end()) is not None and (until is None or end <= until):
            made.append(self._ending(end))
            self._time.close(end)
            self._forget()
        return made

    def _early(self, at: int) -> list[pa.RecordBatch]:
        """The windows that are open at a watermark, where it is in another step than the one before."""
        if not self._is_new_step(at):
            return []
        slots, until = self._fresh(self._groups.slots()), self._time.local_of(at)
        self._step = self._step_of(at)
        panes = np.unique(self._groups.at(slots))
        open_ = {end for pane in panes.tolist() for end in self._kind.ends(pane, until)}
        if self._is_tumbling:
            return [self._alone(slots[self._groups.at(slots) + self._kind.size > until])] if open_ else []
        return [self._hopping(end, Change.UPDATE_AFTER, slots) for end in sorted(open_)]

    def _is_new_step(self, at: int) -> bool:
        return self._plan.emit is not None and self._step_of(at) > self._step

    def _step_of(self, at: int | None) -> int:
        """The step of event time that a watermark is in."""
        return NEVER if self._plan.emit is None or at is None else at // self._plan.emit

    def _fresh(self, slots: Any) -> Any:
        """Those of some groups that changed since they came out."""
        steps = self._kept.steps
        return slots if steps is None else slots[steps.of(slots) == self._step]

    @property
    def _change(self) -> Change:
        """What windows do that end: they may have been out before."""
        return Change.INSERT if self._plan.emit is None else Change.UPDATE_AFTER

    def _tumbling(self, until: int | None) -> list[pa.RecordBatch]:
        """All windows that end up to a time, at once."""
        end = self._next_end()
        if end is None or (until is not None and end > until):
            return []
        before = int(self._groups.times[-1]) + 1 if until is None else until - self._kind.size + 1
        slots = self._groups.before(before)
        starts = self._groups.at(slots)
        slots = slots if self._time.closed is None else slots[starts >= self._kind.kept(self._time.closed)]
        closed = int(starts.max()) + self._kind.size
        found = self._alone(self._fresh(slots))
        self._time.close(closed)
        self._forget()
        return [found]

    def _alone(self, slots: Any) -> pa.RecordBatch:
        """Groups that are windows of one pane each."""
        slots = slots[in_order(self._groups.hi(slots), self._groups.lo(slots), self._groups.at(slots))]
        starts = self._groups.at(slots)
        return self._rows(starts, starts + self._kind.size, slots, self._kept.results(slots), self._change)

    def _ending(self, end: int) -> pa.RecordBatch:
        """A window that ends, of which some groups may have been out before as they are."""
        if isinstance(self._kind, Cumulating) and not self._allowed:
            return self._cumulating(end)
        only = self._fresh(self._groups.slots()) if self._kept.steps is not None else None
        return self._hopping(end, self._change, only)

    def _hopping(self, end: int, change: Change = Change.INSERT, only: Any = None) -> pa.RecordBatch:
        """One window, put together of its panes; with `only`, the groups of the keys of these slots in it."""
        begin = self._kind.start(end)
        if only is not None:
            at = self._groups.at(only)
            only = only[(begin <= at) & (at < end)]
        slots, results = self._panes.together(begin, end, only)
        bounds = np.full(len(slots), begin), np.full(len(slots), end)
        return self._rows(*bounds, slots, results, change)

    def _cumulating(self, end: int) -> pa.RecordBatch:
        """One window, with the panes that ended since the one before."""
        self._put_into_first(end)
        groups, begin = self._groups, self._kind.start(end)
        slots = groups.of_time(begin)
        slots = slots[in_order(groups.hi(slots), groups.lo(slots))]
        bounds = np.full(len(slots), begin), np.full(len(slots), end)
        return self._rows(*bounds, slots, self._kept.results(slots), self._change)

    def _put_into_first(self, end: int) -> None:
        """Puts the panes of a cumulating window that end by then into its first one."""
        groups, begin, kind = self._groups, self._kind.start(end), self._kind
        for pane in groups.times.tolist():
            if begin < pane < end and min(pane + kind.step, begin + kind.size) <= end:
                more = groups.of_time(pane)
                to = np.full(len(more), begin)
                into = groups.add(groups.hi(more), groups.lo(more), to, groups.keys(more), going=len(more))
                self._kept.combine(into, self._kept, more)
                groups.remove(more)
                self._panes.changed(np.array([begin, pane]))

    def _rows(
        self, starts: Any, ends: Any, slots: Any, results: Sequence[pa.Array], change: Change = Change.INSERT
    ) -> pa.RecordBatch:
        """What comes out of windows, with the keys of slots."""
        begin, stop = self._time.instants(starts), self._time.instants(ends)
        bounds = [pa.array(times).cast(MICROS) for times in (begin, stop, stop - 1)]
        nothing = pa.nulls(len(begin), pa.int64())
        kinds = [pa.array(np.full(len(begin), change, np.int8))] if self._plan.replaces else []
        columns = [*bounds[:2], *self._groups.keys(slots), *results, *kinds, bounds[2], nothing]
        return pa.RecordBatch.from_arrays(columns, schema=pa.schema([*self.schema, *HIDDEN]))


class _Panes:
    """The panes of hopping windows, put together by key. A key has a number as long as there is something of it.

    Of each pane that was in a window, its groups are kept once more, in the order of these numbers: that is quicker
    than to look for them again in each of its windows.
    """

    def __init__(self, groups: Groups, make: Callable[[], Accumulators]) -> None:
        self._groups, self._make, self._window = groups, make, make()
        self._numbers, self._order = Index(), np.empty(0, np.int64)
        """The numbers of keys, and these in the order of the keys."""
        self._known: dict[int, _Pane] = {}
        self._slot = np.empty(0, np.int64)
        """A slot of each key that is in the window; of use within one call."""

    @property
    def nbytes(self) -> int:
        """What they take in memory beside the groups."""
        return self._numbers.nbytes + self._window.nbytes + sum(pane.kept.nbytes for pane in self._known.values())

    def changed(self, panes: Any) -> None:
        """Rows came for some panes."""
        if self._known and panes.min() <= max(self._known):
            for time in np.unique(panes).tolist():
                self._known.pop(time, None)

    def together(self, begin: int, end: int, only: Any = None) -> tuple[Any, list[pa.Array]]:
        """A slot of each key that is in some panes, in their order, and their aggregates; `only` for keys of slots."""
        self._tidy(begin)
        panes = [self._pane(time) for time in self._groups.times.tolist() if begin <= time < end]
        size = self._numbers.capacity
        self._slot = grown(self._slot, size, -1)
        self._window.grow(size)
        for pane in panes:
            self._window.combine(pane.numbers, pane.kept, np.arange(len(pane.slots)))
            self._slot[pane.numbers] = pane.slots
        order = self._in_order()
        found = order[self._slot[order] >= 0]
        asked = found if only is None else found[self._are(only)[found]]
        slots, results = self._slot[asked], self._window.results(asked)
        self._window.clear(found)
        self._slot[found] = -1
        return slots, results

    def _are(self, slots: Any) -> Any:
        """Which numbers are those of the keys of slots."""
        hi, lo = self._groups.hi(slots), self._groups.lo(slots)
        chosen = np.zeros(self._numbers.capacity, bool)
        chosen[self._numbers.find(hi, lo, np.zeros(len(slots), np.int64))] = True
        return chosen

    def _pane(self, time: int) -> _Pane:
        if time not in self._known:
            slots = self._groups.of_time(time)
            hi, lo = self._groups.hi(slots), self._groups.lo(slots)
            numbers, _ = self._numbers.add(hi, lo, np.zeros(len(slots), np.int64))
            by_number = np.full(self._numbers.capacity, -1)
            by_number[numbers] = slots
            numbers = np.flatnonzero(by_number >= 0)
            pane = self._known[time] = _Pane(by_number[numbers], numbers, self._make())
            pane.kept.grow(len(numbers))
            kept = self._groups.kept
            assert isinstance(kept, Accumulators)
            pane.kept.combine(np.arange(len(numbers)), kept, pane.slots)
        return self._known[time]

    def _in_order(self) -> Any:
        if len(self._order) != len(self._numbers):
            numbers = self._numbers.slots()
            self._order = numbers[in_order(self._numbers.hi[numbers], self._numbers.lo[numbers])]
        return self._order

    def _tidy(self, begin: int) -> None:
        """Forgets panes that are gone, and the numbers of keys when most of them are."""
        self._known = {time: pane for time, pane in self._known.items() if time >= begin}
        if len(self._numbers) > 2 * len(self._groups) + _FEW:
            self._numbers, self._order, self._known = Index(), np.empty(0, np.int64), {}


@dataclass(frozen=True)
class _Pane:
    """The groups of a pane: their slots, the numbers of their keys, which rise, and what is kept of them."""

    slots: Any
    numbers: Any
    kept: Accumulators


def _named(fingerprint: str) -> Hopping | Cumulating:
    """The windows that a fingerprint speaks of."""
    found = said(fingerprint)
    return kind_named(*(found[name] for name in ("kind", "size", "step", "offset")))


def _remade(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether the windows that are open can be made anew of their rows.

    Rows of a session may come before any time, what came out early or is to reopen has rows in the target, and times of
    day elsewhere say nothing of what was out.
    """
    alike = all(before.get(name) == now.get(name) for name in ("operator", "format", "timezone"))
    again = REOPEN in now or "emit" in {*before, *now}
    return alike and before.get("kind", "session") != "session" and not again


def _emitted(made: Sequence[pa.RecordBatch]) -> Emitted:
    if not made:
        return NOTHING
    return Emitted(made[0] if len(made) == 1 else pa.concat_batches(made))


def in_order(hi: Any, lo: Any, at: Any = None) -> Any:
    """The order of groups: by time, then by key, which is the same in every run."""
    order = np.argsort(hi)
    sorted_ = hi[order]
    if (sorted_[1:] == sorted_[:-1]).any():
        order = np.lexsort((lo, hi))
    if at is None or not len(at) or (at == at[0]).all():
        return order
    return order[np.argsort(at[order], kind="stable")]


def late_rows(plan: WindowPlan, rows: pa.RecordBatch, why: str) -> Emitted:
    """What becomes of late rows: those that came of no message can only be counted."""
    if plan.late != "dlq" or ROW not in rows.schema.names:
        return Emitted(dropped=rows.num_rows)
    pairs = zip(rows.column(ROW).to_pylist(), rows.column(TIME).to_pylist(), strict=True)
    found = tuple(BadRow(row, LATE, f"its event time {at} is {why}") for row, at in pairs if row is not None)
    return Emitted(None, found, rows.num_rows - len(found))
