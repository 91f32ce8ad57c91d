"""What sessions remember: those that are open, and the rows that time has not passed yet, in the segments of one node.

The numbers of waiting rows are negative, those of sessions are not: so both are rows of one segment, with one column
more, in which a session has what is kept of it and a row has nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa

from flowc.errors import EngineError
from flowc.nodes import TIME, WindowPlan
from flowc.runtime.contracts.state import Segment
from flowc.runtime.instants import MICROS
from flowc.runtime.streams.aggregates.accumulators import Accumulators
from flowc.runtime.streams.aggregates.extremes import MOST
from flowc.runtime.streams.keyed.groups import NO_TIME, Groups
from flowc.runtime.streams.keyed.runs import Run
from flowc.runtime.streams.keyed.segments import Piece, joined
from flowc.runtime.streams.keyed.slots import grown
from flowc.runtime.streams.keyed.waiting import Waiting

OPEN = NO_TIME - 1
"""In place of the time of a group: the session of its key that is open. No floor is behind it."""


class Spans:
    """What is kept of sessions by slot: the times of their first and last rows, and their aggregates.

    Those that are shown `every` so many microseconds of event time have aggregates that know in which step each changed
    last; in which it began is kept beside them.
    """

    def __init__(self, aggregates: Accumulators, every: int | None = None) -> None:
        self.aggregates, self._every = aggregates, every
        times = ("session#first", "session#last", *(("session#began",) if aggregates.steps is not None else ()))
        self.state = pa.schema([*((name, pa.int64()) for name in times), *aggregates.state])
        self.first, self.last, self.began = (np.empty(0, np.int64) for _ in range(3))
        """`MOST` where there is no session."""

    @property
    def nbytes(self) -> int:
        """What it takes in memory."""
        return sum(int(column.nbytes) for column in self._times) + self.aggregates.nbytes

    def grow(self, count: int) -> None:
        """Makes room for so many slots."""
        self.first, self.last = grown(self.first, count, MOST), grown(self.last, count, MOST)
        if self.aggregates.steps is not None:
            self.began = grown(self.began, count, MOST)
        self.aggregates.grow(count)

    def is_new_step(self, until: int) -> bool:
        """Whether sessions are shown when the watermark gets there."""
        steps = self.aggregates.steps
        return self._every is not None and steps is not None and until // self._every > steps.now

    def step_to(self, until: int) -> None:
        """The step is the one that the watermark is in."""
        if self._every is not None and self.aggregates.steps is not None:
            self.aggregates.steps.now = until // self._every

    def begin(self, slots: Any) -> None:
        """Has new sessions begin in the step that it is."""
        if self.aggregates.steps is not None:
            self.began[slots] = self.aggregates.steps.now

    def fresh(self, slots: Any) -> Any:
        """Those of some sessions that changed since they came out."""
        steps = self.aggregates.steps
        return slots if steps is None else slots[steps.of(slots) == steps.now]

    def shown(self, slots: Any) -> Any:
        """Which of some sessions came out before they were over."""
        steps = self.aggregates.steps
        return np.zeros(len(slots), bool) if steps is None else self.began[slots] < steps.now

    def take(self, slots: Any) -> pa.RecordBatch:
        """What is kept of some sessions."""
        times = [pa.array(column[slots]) for column in self._times]
        return pa.RecordBatch.from_arrays([*times, *self.aggregates.take(slots).columns], schema=self.state)

    def put(self, slots: Any, state: pa.RecordBatch) -> None:
        """The other way round."""
        own = self._times
        for column, values in zip(own, state.columns, strict=False):
            column[slots] = values.to_numpy()
        self.aggregates.put(slots, state.select(range(len(own), state.num_columns)))

    def clear(self, slots: Any) -> None:
        """Has some slots have seen no row."""
        for column in self._times:
            column[slots] = MOST
        self.aggregates.clear(slots)

    @property
    def _times(self) -> tuple[Any, ...]:
        return (self.first, self.last) if self.aggregates.steps is None else (self.first, self.last, self.began)


class SessionState:
    """The state of one node. `schema` is that of its input, without hidden columns; `aggregates` have seen no row."""

    def __init__(self, plan: WindowPlan, schema: pa.Schema, aggregates: Accumulators) -> None:
        self._plan, self.keys, self.gap, self.longest = plan, plan.keys, plan.step, plan.size
        self._keys = pa.schema([schema.field(key) for key in plan.keys])
        fed = [n for each in plan.aggregates for n in (each.argument, each.where, *each.more) if n is not None]
        names = dict.fromkeys([*plan.keys, *fed])
        self.columns = pa.schema([(name, schema.field(name).type) for name in names] or [(TIME, MICROS)])
        """The columns of waiting rows."""
        self.spans = Spans(aggregates, plan.emit)
        self.groups = Groups(
            plan.id, plan.fingerprint, self._keys, self.spans, max_bytes=plan.max_bytes, max_groups=plan.max_groups
        )
        self.waiting = Waiting(self.columns)
        self._session = pa.struct([*self.spans.state])
        self._kept = pa.schema([*self.columns, pa.field("session#", pa.list_(self._session))])

    def check(self) -> None:
        """Raises EngineError (`state-too-large`) where it takes more than `max_bytes`."""
        most = self._plan.max_bytes
        if self.groups.nbytes + self.waiting.nbytes <= most:
            return
        size = f"{most / 2**20:,.0f} MiB" if most >= 2**20 else f"{most:,} bytes"
        raise EngineError(
            f"`{self._plan.id}` remembers {len(self.groups):,} sessions and {len(self.waiting):,} rows, which take "
            f"more than {size} of memory",
            code="state-too-large",
            help="have it remember less, for instance with a shorter `lateness`, `gap` or `allowed_lateness`; or "
            "let it have more: `state: { max_bytes: 8GiB }`",
        )

    def snapshot(self) -> tuple[Segment, ...]:
        """What changed since the last call, by key groups."""
        rows = {number: (replace(p, values=self._of_rows(p)), more) for number, p, more in self.waiting.changes()}
        spans = {number: (replace(p, values=self._of_spans(p)), more) for number, p, more in self.groups.changes()}
        return tuple(self._segment(number, rows.get(number), spans.get(number)) for number in sorted({*rows, *spans}))

    def restore(self, segments: Iterable[Segment]) -> None:
        """Takes what was kept, as `Groups.restore`."""
        ordered = sorted(segments, key=lambda each: (each.group, each.sequence))
        anew = any(each.fingerprint != self._plan.fingerprint for each in ordered)
        groups = groupby(ordered, key=lambda each: each.group)
        pieces = [joined([each.data for each in own], self._plan.id, whole=True) for _, own in groups]
        self.waiting.restore((self._rows_of(piece) for piece in pieces), anew=anew)
        self.groups.take((self._spans_of(piece) for piece in pieces), anew=anew)
        self.check()

    def _segment(self, number: int, *changes: tuple[Piece, int] | None) -> Segment:
        """One segment of what changed of rows and of sessions."""
        found = [change for change in changes if change is not None]
        parts = [piece for piece, _ in found]
        rows, gone = Run.together(*(part.rows for part in parts)), np.concatenate([part.gone for part in parts])
        values = pa.concat_batches([part.values for part in parts])
        data = Piece(rows, values, gone, max(part.floor for part in parts)).data()
        return Segment(
            self._plan.id, self._plan.fingerprint, number, sequence=0, data=data, rows=sum(more for _, more in found)
        )

    def _of_rows(self, piece: Piece) -> pa.RecordBatch:
        """Waiting rows as they are kept."""
        assert piece.values is not None
        return self._with(piece.values.columns, len(piece), pa.array([], self._session), np.zeros(len(piece) + 1))

    def _of_spans(self, piece: Piece) -> pa.RecordBatch:
        """Sessions as they are kept."""
        assert piece.values is not None
        count, columns = len(piece), piece.values.columns
        keys = dict(zip(self._keys.names, columns, strict=False))
        rows = [keys[field.name] if field.name in keys else pa.nulls(count, field.type) for field in self.columns]
        spans = pa.StructArray.from_arrays(columns[len(self._keys) :], fields=[*self.spans.state])
        return self._with(rows, count, spans, np.arange(count + 1))

    def _with(self, rows: Sequence[pa.Array], count: int, spans: pa.StructArray, ends: Any) -> pa.RecordBatch:
        lists = pa.ListArray.from_arrays(pa.array(ends.astype(np.int32)), spans)
        return pa.RecordBatch.from_arrays([*rows, lists], schema=self._kept)

    def _rows_of(self, piece: Piece) -> Piece:
        """The other way round."""
        own = piece.where(piece.rows.row < 0)
        assert own.values is not None
        return replace(own, values=own.values.select(self.columns.names))

    def _spans_of(self, piece: Piece) -> Piece:
        own = piece.where(piece.rows.row >= 0)
        assert own.values is not None
        keys = [own.values.column(name) for name in self._keys.names]
        columns = [*keys, *own.values.columns[-1].flatten().flatten()]
        names = [*(f"key#{place}" for place in range(len(keys))), *self.spans.state.names]
        return replace(own, values=pa.RecordBatch.from_arrays(columns, names=names))
