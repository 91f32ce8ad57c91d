"""Rows that wait until time has passed them: they come in any order, and leave in that of their times.

They are kept in parts, each by time, so that those that leave are the first ones of each. What changed since the last
snapshot is told by the numbers of rows, so that a checkpoint costs what came since.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from flowc.runtime.streams.keyed.runs import GROUPS, ROW_BYTES, Run
from flowc.runtime.streams.keyed.segments import NEVER, Change, Piece

_SMALL, _MANY = 16_384, 64
"""How many rows parts have that are made one, and how many parts there are when they are."""


@dataclass(frozen=True, slots=True)
class _Part:
    """Rows by time, those of one time as they came."""

    rows: Run
    values: pa.RecordBatch
    whole: int = 0
    """How many rows there were in the arrays that it is a slice of, and holds on to."""

    def __len__(self) -> int:
        return len(self.rows)

    @classmethod
    def of(cls, rows: Run, values: pa.RecordBatch) -> _Part:
        """Rows in the order in which they came."""
        if (rows.at[1:] >= rows.at[:-1]).all():
            return cls(rows, values)
        order = np.argsort(rows.at, kind="stable")
        return cls(rows.where(order), values.take(pa.array(order)))

    def behind(self, count: int) -> _Part:
        """Those behind the first ones: not copied, unless they are few of those that would be held on to."""
        whole = max(self.whole, len(self))
        if 2 * (len(self) - count) >= whole:
            return _Part(self.rows.where(slice(count, None)), self.values.slice(count), whole)
        chosen = np.arange(count, len(self))
        return _Part(self.rows.where(chosen), self.values.take(pa.array(chosen)))

    def first(self, count: int) -> _Part:
        """The first of them, not copied."""
        return _Part(self.rows.where(slice(count)), self.values.slice(0, count))

    def then(self, later: _Part) -> _Part:
        """Both as one, which owns its rows."""
        together = pa.concat_batches([self.values, later.values])
        return _Part.of(Run.together(self.rows, later.rows), together)

    def before(self, time: int) -> int:
        """How many are before a time."""
        return int(np.searchsorted(self.rows.at, time))


class Waiting:
    """Rows of a 128-bit key and a time, with values. Used by one thread.

    Their numbers are negative, so that another table of the same node can have the others.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._parts: list[_Part] = []
        self._next = self._kept = 0
        """How many rows came, and how many of them before the last snapshot: a row's number is -1 less that."""
        self._floor, self._lost = NEVER, np.zeros(GROUPS, np.int64)
        """Before when all rows of the last snapshot are gone, and how many these were of each key group."""

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    @property
    def nbytes(self) -> int:
        """What it takes in memory, about."""
        return len(self) * ROW_BYTES + sum(int(part.values.nbytes) for part in self._parts)

    @property
    def earliest(self) -> int | None:
        """The earliest time; None without rows."""
        return min((int(part.rows.at[0]) for part in self._parts), default=None)

    @property
    def latest(self) -> int | None:
        """The latest time; None without rows."""
        return max((int(part.rows.at[-1]) for part in self._parts), default=None)

    @property
    def came(self) -> int:
        """How many rows came so far: the numbers of those that come from now on are less than 0 less that."""
        return self._next

    def insert(self, hi: Any, lo: Any, at: Any, values: pa.RecordBatch) -> None:
        """Adds rows, in the order in which they came."""
        if not len(hi):
            return
        rows = Run(hi, lo, at, -1 - np.arange(self._next, self._next + len(hi)))
        self._next += len(hi)
        self._append(_Part.of(rows, values if values.schema.equals(self._schema) else values.cast(self._schema)))

    def before(self, time: int) -> Run:
        """The rows before a time."""
        return Run.together(Run(), *(part.rows.where(slice(part.before(time))) for part in self._parts))

    def values(self, time: int, places: Any) -> pa.RecordBatch:
        """The values of some of the rows before a time, by their places among these."""
        parts = [part.values.slice(0, part.before(time)) for part in self._parts]
        table = pa.Table.from_batches(parts, schema=self._schema).take(pa.array(places, pa.int64()))
        columns = [column.combine_chunks() for column in table.columns]
        return pa.RecordBatch.from_arrays(columns, schema=self._schema)

    def has_between(self, least: int, most: int) -> bool:
        """Whether there is a row from one time up to, and without, another one."""
        return any(part.before(most) > part.before(least) for part in self._parts)

    def take(self, time: int) -> tuple[Run, pa.RecordBatch]:
        """Removes the rows before a time; gives them with their values, those of one time as they came."""
        ends = [part.before(time) for part in self._parts]
        due = [part.first(end) for part, end in zip(self._parts, ends, strict=True) if end]
        if not due:
            return Run(), pa.RecordBatch.from_pylist([], schema=self._schema)
        pairs = zip(self._parts, ends, strict=True)
        self._parts = [part.behind(end) if end else part for part, end in pairs if end < len(part)]
        if len(self._parts) > _MANY:
            parts, self._parts = self._parts, []
            for part in parts:
                self._append(part)
        rows = Run.together(*(part.rows for part in due))
        known = rows.where(rows.row >= -self._kept)
        if len(known):
            self._lost += np.bincount(known.group, minlength=GROUPS)
            self._floor = max(self._floor, time)
        return rows, pa.concat_batches([part.values for part in due])

    def _append(self, part: _Part) -> None:
        small = self._parts and len(self._parts[-1]) + len(part) <= _SMALL
        self._parts.append(self._parts.pop().then(part) if small else part)

    def changes(self) -> Iterator[Change]:
        """What changed since the last call, by key groups in their order."""
        rows, values = self._new()
        order = np.argsort(rows.group.astype(np.uint8), kind="stable")
        rows, values = rows.where(order), values.take(pa.array(order))
        lost, floor = self._lost, self._floor
        self._kept, self._floor, self._lost = self._next, NEVER, np.zeros(GROUPS, np.int64)
        ends = np.searchsorted(rows.group, np.arange(GROUPS + 1)).tolist()
        for number in np.unique(np.concatenate([rows.group, np.flatnonzero(lost)])).tolist():
            begin, count = ends[number], ends[number + 1] - ends[number]
            own = rows.where(slice(begin, begin + count)), values.slice(begin, count)
            yield number, Piece(*own, floor=floor if lost[number] else NEVER), count - int(lost[number])

    def _new(self) -> tuple[Run, pa.RecordBatch]:
        """Rows that are not in the last snapshot."""
        parts, nothing = [_Part(Run(), pa.RecordBatch.from_pylist([], schema=self._schema))], 0
        for part in self._parts:
            chosen = np.flatnonzero(part.rows.row < -self._kept)
            if len(chosen) > nothing:
                parts.append(_Part(part.rows.where(chosen), part.values.take(pa.array(chosen))))
        return Run.together(*(part.rows for part in parts)), pa.concat_batches([part.values for part in parts])

    def restore(self, pieces: Iterable[Piece], *, anew: bool) -> None:
        """Takes the rows of key groups, into a table that has none; with `anew`, all of them are to be kept anew."""
        found: Sequence[Piece] = [piece for piece in pieces if len(piece)]
        if not found:
            return
        rows = Run.together(*(piece.rows for piece in found))
        order = np.argsort(-rows.row)
        whole = pa.concat_batches([piece.values for piece in found])
        self._parts = [_Part.of(rows.where(order), whole.take(pa.array(order)))]
        self._next = int(-rows.row.min())
        self._kept = 0 if anew else self._next
