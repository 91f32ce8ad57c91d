"""A table of groups: by a key of 128 bits and a time, each with the values of its key and what aggregates keep of it.

Groups have slots, which are found for a whole batch at once. What changed since the last snapshot is marked, so that a
checkpoint costs what changed: a changed group is a row that goes and one that comes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from flowc.errors import EngineError
from flowc.nodes import MAX_STATE
from flowc.runtime.contracts.state import Segment
from flowc.runtime.streams.keyed.index import Index
from flowc.runtime.streams.keyed.runs import GROUPS, Run
from flowc.runtime.streams.keyed.segments import NEVER, Change, Piece, joined, read, unreadable
from flowc.runtime.streams.keyed.slots import grown, slot_column

NO_TIME = 2**63 - 1
"""In place of the time of a group: the row says what `mark` is."""
_SHIFT = np.uint64(58)
_OFFSET = 2**63


class Kept(Protocol):
    """What is kept of groups by slot; see `flowc.runtime.streams.aggregates.accumulators.Accumulators`."""

    state: pa.Schema

    @property
    def nbytes(self) -> int:
        """What it takes in memory."""

    def grow(self, count: int) -> None:
        """Makes room for so many slots."""

    def take(self, slots: Any) -> pa.RecordBatch:
        """What is kept of some groups."""

    def put(self, slots: Any, state: pa.RecordBatch) -> None:
        """The other way round."""

    def clear(self, slots: Any) -> None:
        """Has some slots have seen no row."""


class Groups:
    """The groups of one node. Used by one thread.

    `keys` are the columns of their keys. `mark` is a number that is kept beside them, of the node's own meaning. `less`
    is what would have it remember less, in the words of specs.
    """

    def __init__(
        self, node: str, fingerprint: str, keys: pa.Schema, kept: Kept, *, max_bytes: int = MAX_STATE,
        max_groups: int | None = None, less: str = "a shorter `lateness` or smaller windows",
    ) -> None:  # fmt: skip
        self.node, self.fingerprint, self.kept = node, fingerprint, kept
        self._less = less
        self._max_bytes, self._max_groups = max_bytes, max_groups
        self._schema = pa.schema([*(pa.field(f"key#{n}", field.type) for n, field in enumerate(keys)), *kept.state])
        self._columns = [slot_column(field.type) for field in keys]
        self._index = Index()
        self._row, self._changed = np.empty(0, np.int64), np.empty(0, bool)
        """The number of each slot's row in the last snapshot, -1 for none; and whether it is another one by now."""
        self._times: dict[int, int] = {}
        self._next = 0
        self._gone: list[Run] = []
        self._floor, self._lost = np.full(GROUPS, NEVER), np.zeros(GROUPS, np.int64)
        """For each key group, before when all rows of the last snapshot are gone, and how many these were."""
        self._mark: int | None = None
        self._mark_row, self._marked = -1, False
        self._grow()

    def __len__(self) -> int:
        return len(self._index)

    @property
    def nbytes(self) -> int:
        """What it takes in memory, about."""
        own = self._index.nbytes + self._row.nbytes + self._changed.nbytes
        return int(own) + sum(column.nbytes for column in self._columns) + self.kept.nbytes

    @property
    def times(self) -> Any:
        """The times of groups, each once, rising."""
        return np.sort(np.fromiter(self._times, np.int64, len(self._times)))

    @property
    def earliest(self) -> int | None:
        """The earliest of these times."""
        return min(self._times, default=None)

    @property
    def mark(self) -> int | None:
        """What is kept beside the groups."""
        return self._mark

    @mark.setter
    def mark(self, value: int) -> None:
        self._mark, self._marked = value, self._marked or value != self._mark

    def hi(self, slots: Any) -> Any:
        """The upper 64 bits of keys."""
        return self._index.hi[slots]

    def lo(self, slots: Any) -> Any:
        """The lower 64 bits of keys."""
        return self._index.lo[slots]

    def at(self, slots: Any) -> Any:
        """The times of groups."""
        return self._index.at[slots]

    def keys(self, slots: Any) -> list[pa.Array]:
        """The values of keys."""
        return [column.take(slots) for column in self._columns]

    def slots(self) -> Any:
        """Those of all groups."""
        return self._index.slots()

    def before(self, time: int) -> Any:
        """The slots of all groups with a time before one."""
        slots = self._index.slots()
        return slots[self._index.at[slots] < time]

    def of_time(self, time: int) -> Any:
        """The slots of all groups of a time."""
        slots = self._index.slots()
        return slots[self._index.at[slots] == time]

    def find(self, hi: Any, lo: Any, at: Any) -> Any:
        """The slots of groups; -1 for those that there are not."""
        return self._index.find(hi, lo, at)

    def add(self, hi: Any, lo: Any, at: Any, keys: Sequence[pa.Array], going: int = 0) -> Any:
        """The slots of groups, which are made where there are none; `keys` are the values of all.

        They are about to change, and are in the next snapshot; so many others are about to go.

        Raises EngineError (`too-many-groups`) where there are more than `max_groups` then.
        """
        slots, rows = self._index.add(hi, lo, at)
        if self._max_groups is not None and len(rows) and len(self) - going > self._max_groups:
            raise self._too_many()
        if len(rows):
            self._begin(slots[rows], at[rows], keys, rows)
        self._changed[slots] = True
        return slots

    def check(self, more: int = 0) -> None:
        """Raises EngineError (`state-too-large`) where it takes more than `max_bytes`, with `more` beside it."""
        if self.nbytes + more > self._max_bytes:
            raise self._too_large()

    def remove(self, slots: Any) -> None:
        """Removes groups, each given once."""
        rows = self._row[slots]
        known = slots[rows >= 0]
        self._gone.append(Run(self._index.hi[known], self._index.lo[known], self._index.at[known], rows[rows >= 0]))
        self._left(slots)

    def forget(self, time: int) -> None:
        """Removes all groups with a time before one."""
        if not len(self) or min(self._times) >= time:
            return
        slots = self.before(time)
        known = slots[self._row[slots] >= 0]
        lost = np.bincount((self._index.hi[known] >> _SHIFT).astype(np.int64), minlength=GROUPS)
        self._lost += lost
        self._floor[lost > 0] = np.maximum(self._floor[lost > 0], time)
        self._left(slots)

    def snapshot(self) -> tuple[Segment, ...]:
        """What changed since the last call, by key groups."""
        return tuple(
            Segment(self.node, self.fingerprint, number, sequence=0, data=piece.data(), rows=more)
            for number, piece, more in self.changes()
        )

    def changes(self) -> list[Change]:
        """What changed since the last call, by key groups in their order."""
        slots = np.flatnonzero(self._changed[: self._index.end])
        number = (self._index.hi[slots] >> _SHIFT).astype(np.uint8)
        slots = slots[np.argsort(number, kind="stable")]
        gone = Run.together(*self._gone, self._of(slots[self._row[slots] >= 0]))
        self._row[slots] = np.arange(self._next, self._next + len(slots))
        self._next += len(slots)
        found = list(self._pieces(slots, gone))
        self._changed[slots] = False
        self._gone, self._marked = [], False
        self._floor, self._lost = np.full(GROUPS, NEVER), np.zeros(GROUPS, np.int64)
        return found

    def restore(self, segments: Iterable[Segment]) -> None:
        """Takes what was kept, into a table that has nothing; of another fingerprint, all of it is to be kept anew.

        Raises EngineError (`unreadable-state`) for what this version does not read, and as `add` and `check`.
        """
        ordered = sorted(segments, key=lambda each: (each.group, each.sequence))
        anew = any(each.fingerprint != self.fingerprint for each in ordered)
        parts = groupby(ordered, key=lambda each: each.group)
        self.take((joined([each.data for each in own], self.node, whole=True) for _, own in parts), anew=anew)

    def restore_mark(self, segments: Iterable[Segment]) -> None:
        """Takes the mark alone, of groups of whatever columns, to be kept anew. Raises EngineError as `restore`."""
        for piece in (read(each.data, self.node) for each in sorted(segments, key=lambda each: each.sequence)):
            for place in np.flatnonzero(piece.rows.at == NO_TIME).tolist():
                self.mark = int(piece.rows.lo[place]) - _OFFSET

    def take(self, pieces: Iterable[Piece], *, anew: bool) -> None:
        """Takes the rows of key groups; with `anew`, all of them are to be kept anew. Raises as `add` and `check`."""
        for piece in pieces:
            self._take(piece, anew=anew)
        self._next = 0 if anew else self._next
        self.check()

    def _take(self, piece: Piece, *, anew: bool) -> None:
        rows = piece.rows
        self._next = max(self._next, int(rows.row.max(initial=-1)) + 1)
        for place in np.flatnonzero(rows.at == NO_TIME).tolist():
            self._mark, self._marked = int(rows.lo[place]) - _OFFSET, anew
            self._mark_row = -1 if anew else int(rows.row[place])
        chosen = np.flatnonzero(rows.at != NO_TIME)
        hi, lo, at = rows.hi[chosen], rows.lo[chosen], rows.at[chosen]
        slots, _ = self._index.add(hi, lo, at)
        values = piece.values.take(pa.array(chosen)) if piece.values is not None else None
        if values is not None and not {*self._schema.names} <= {*values.schema.names}:
            raise unreadable(self.node)  # what another version keeps of the same aggregates
        columns = values.select(self._schema.names).columns if values is not None else []
        self._begin(slots, at, columns[: len(self._columns)])
        if len(self.kept.state):
            self.kept.put(slots, pa.RecordBatch.from_arrays(columns[len(self._columns) :], schema=self.kept.state))
        self._row[slots], self._changed[slots] = -1 if anew else rows.row[chosen], anew

    def _begin(self, slots: Any, at: Any, keys: Sequence[pa.Array], rows: Any = None) -> None:
        """Makes new groups; their keys are those of some rows, or all."""
        self._grow()
        for column, values in zip(self._columns, keys, strict=True):
            column.put(slots, values, rows)
        self._row[slots] = -1
        for time, count in _counted(at):
            self._times[time] = self._times.get(time, 0) + count

    def _grow(self) -> None:
        size = self._index.capacity
        if size > len(self._row):
            self._row, self._changed = grown(self._row, size, -1), grown(self._changed, size)
            self.kept.grow(size)
            for column in self._columns:
                column.grow(size)

    def _left(self, slots: Any) -> None:
        for time, count in _counted(self._index.at[slots]):
            self._times[time] -= count
            if not self._times[time]:
                del self._times[time]
        self._index.remove(slots)
        self._changed[slots], self._row[slots] = False, -1
        self.kept.clear(slots)
        for column in self._columns:
            column.clear(slots)

    def _of(self, slots: Any) -> Run:
        return Run(self._index.hi[slots], self._index.lo[slots], self._index.at[slots], self._row[slots])

    def _pieces(self, slots: Any, gone: Run) -> Iterator[Change]:
        rows, values = self._of(slots), self._values(slots)
        group, without = rows.group, gone.group
        changed = [group, without, np.flatnonzero(self._lost), np.zeros(int(self._marked), np.int64)]
        numbers = np.unique(np.concatenate(changed)).tolist()
        ends = np.searchsorted(group, [*numbers, GROUPS])
        for place, number in enumerate(numbers):
            part = slice(int(ends[place]), int(ends[place + 1]))
            left = gone.row[without == number]
            more = part.stop - part.start - len(left) - int(self._lost[number])
            piece = Piece(rows.where(part), values.slice(part.start, part.stop - part.start), left)
            if number == 0 and self._marked:
                piece = self._with_mark(piece)
            piece = Piece(piece.rows, piece.values if len(self._schema) else None, piece.gone, int(self._floor[number]))
            yield number, piece, more

    def _values(self, slots: Any) -> pa.RecordBatch:
        columns = [*self.keys(slots), *self.kept.take(slots).columns]
        return pa.RecordBatch.from_arrays(columns, schema=self._schema)

    def _with_mark(self, piece: Piece) -> Piece:
        """With a row for the mark, and without the one before."""
        assert self._mark is not None
        gone = np.append(piece.gone, self._mark_row) if self._mark_row >= 0 else piece.gone
        self._mark_row, self._next = self._next, self._next + 1
        hi, lo = np.zeros(1, np.uint64), np.array([self._mark + _OFFSET], np.uint64)
        rows = Run.together(piece.rows, Run(hi, lo, np.array([NO_TIME]), np.array([self._mark_row])))
        nothing = pa.RecordBatch.from_arrays([pa.nulls(1, field.type) for field in self._schema], schema=self._schema)
        return Piece(rows, pa.concat_batches([piece.values, nothing]), gone)

    def _too_many(self) -> EngineError:
        return EngineError(
            f"`{self.node}` has more than {self._max_groups:,} groups at once",
            code="too-many-groups",
            help="group by less, close windows sooner with a shorter `lateness`, or allow more with `max_groups`",
        )

    def _too_large(self) -> EngineError:
        size = self._max_bytes
        most = f"{size / 2**20:,.0f} MiB" if size >= 2**20 else f"{size:,} bytes"
        return EngineError(
            f"`{self.node}` remembers {len(self):,} groups, which take more than {most} of memory",
            code="state-too-large",
            help=f"have it remember less, for instance with {self._less}; or let it have more: "
            "`state: { max_bytes: 8GiB }`",
        )


def _counted(times: Any) -> Iterator[tuple[int, int]]:
    """How often there is each time."""
    if not len(times):
        return
    if (times == times[0]).all():
        yield int(times[0]), len(times)
        return
    values, counts = np.unique(times, return_counts=True)
    yield from zip(values.tolist(), counts.tolist(), strict=True)
