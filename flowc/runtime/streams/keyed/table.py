"""A table of rows by key, with a time each and values beside: looked up, changed and kept for a whole batch at once.

New rows go into a small run that is merged into the large one when it has grown, so that a batch costs no copy of
everything that is remembered. What changed since the last snapshot is kept apart, so that a checkpoint costs what
changed, too. A row that changes is one that goes and one that comes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa

from flowc.errors import EngineError
from flowc.nodes import MAX_STATE
from flowc.runtime.contracts.state import Segment
from flowc.runtime.streams.keyed.runs import GROUPS, ROW_BYTES, Run
from flowc.runtime.streams.keyed.segments import NEVER, Piece, joined
from flowc.runtime.streams.keyed.values import Values

_SMALL = 32_768
_LAST = 2**63 - 1
"""No time is after it."""


@dataclass
class Table:
    """What one node remembers. Used by one thread.

    Rows have a key of 128 bits (`flowc.runtime.streams.keyed.hashes`), a time in microseconds, and with `schema` values
    of these columns. Any number of rows may have one key. `fingerprint` tells by what they were written.
    """

    node: str
    fingerprint: str
    schema: pa.Schema | None = None
    max_bytes: int = MAX_STATE
    _large: Run = field(default_factory=Run, init=False)
    _small: Run = field(default_factory=Run, init=False)
    _removed: Any = field(default_factory=lambda: np.empty(0, np.int64), init=False)
    """The numbers, rising, of rows that are still in the runs and are gone."""
    _values: Values | None = field(default=None, init=False)
    _earliest: int = field(default=2**63 - 1, init=False)
    """No row is before it."""
    _next: int = field(default=0, init=False)
    _kept: int = field(default=0, init=False)
    """The numbers of rows below it are those of rows of the last snapshot."""
    _new: list[Run] = field(default_factory=list, init=False)
    """Rows that are not in the last snapshot."""
    _undone: list[Any] = field(default_factory=list, init=False)
    """The numbers of those of them that are gone again."""
    _gone: list[Run] = field(default_factory=list, init=False)
    """Rows of the last snapshot that are gone, each by itself."""
    _floor: Any = field(default_factory=lambda: np.full(GROUPS, NEVER), init=False)
    """For each group, before when all rows of the last snapshot are gone."""
    _lost: Any = field(default_factory=lambda: np.zeros(GROUPS, np.int64), init=False)
    """For each group, how many these were."""

    def __post_init__(self) -> None:
        self._values = Values(self.schema) if self.schema is not None else None

    def __len__(self) -> int:
        return len(self._large) + len(self._small) - len(self._removed)

    @property
    def nbytes(self) -> int:
        """What it takes in memory, about."""
        return len(self) * ROW_BYTES + (self._values.nbytes if self._values is not None else 0)

    @property
    def earliest(self) -> int | None:
        """No row has a time before this one; None without rows."""
        return self._earliest if len(self) else None

    def near(self, hi: Any, lo: Any, at: Any, within: int, floor: int) -> Any:
        """Which keys have a row at most `within` from `at`, and not before `floor`; quick where `hi` is sorted.

        For a table whose rows of one key are more than `within` apart.
        """
        self._purge()
        found = self._large.near(hi, lo, at, within, floor)
        return found | self._small.near(hi, lo, at, within, floor)

    def find(self, hi: Any, lo: Any, least: Any = None, most: Any = None, limit: int | None = None) -> tuple[Any, Run]:
        """All rows of some keys, those of each by time and number: where its key is among those asked for, and the row.

        With `least` and `most`, those whose time is between the two of their key. Quick where `hi` is sorted.

        Raises EngineError (`state-too-large`) before more than `limit` rows are taken together.
        """
        bounds = [np.full(len(hi), end, np.int64) if at is None else at for at, end in ((least, NEVER), (most, _LAST))]
        runs = [(run, *run.between(hi, lo, *bounds)) for run in (self._large, self._small)]
        if limit is not None and (count := sum(int((end - begin).sum()) for _, begin, end in runs)) > limit:
            raise too_many(self.node, count, self.max_bytes)
        pairs = [run.each(begin, end) for run, begin, end in runs]
        asked, rows = np.concatenate([each for each, _ in pairs]), Run.together(*(run for _, run in pairs))
        order = np.argsort(asked, kind="stable")
        if (asked[order[1:]] == asked[order[:-1]]).any():
            order = np.lexsort((rows.row, rows.at, asked))
        order = order[~self._is_removed(rows.row[order])]
        return asked[order], rows.where(order)

    def values(self, rows: Run) -> pa.RecordBatch:
        """The values of rows, in their order."""
        assert self._values is not None
        return self._values.take(rows.row)

    def insert(self, hi: Any, lo: Any, at: Any, values: pa.RecordBatch | None = None) -> None:
        """Adds rows.

        Raises EngineError (`state-too-large`) where the table takes more than `max_bytes` then.
        """
        if not len(hi):
            return
        rows = np.arange(self._next, self._next + len(hi))
        self._next += len(hi)
        run = Run.of(hi, lo, at, rows)
        self._new.append(run)
        if self._values is not None and values is not None:
            self._values.add(rows, values)
        self._earliest = min(self._earliest, int(at.min())) if len(self) else int(at.min())
        self._small = self._small.merged(run)
        if len(self._small) > max(_SMALL, len(self._large) // 8):
            self._large, self._small = self._large.merged(self._small), Run()
        if self.nbytes > self.max_bytes:
            raise self._too_large()

    def remove(self, rows: Run) -> None:
        """Removes rows that were found."""
        kept = rows.row < self._kept
        self._gone.append(rows.where(kept))
        self._undone.append(rows.row[~kept])
        self._removed = np.sort(np.concatenate([self._removed, rows.row]), kind="stable")
        if len(self._removed) > max(_SMALL, len(self._large) // 8):
            self._purge()
        self._forgotten(len(rows))

    def forget(self, before: int) -> None:
        """Removes all rows with a time before one."""
        if len(self) and self._earliest < before:
            self._split(before)

    def take_due(self, before: int) -> tuple[Run, pa.RecordBatch | None]:
        """Removes all rows with a time before one; gives them, by time and number, with their values."""
        if not len(self) or self._earliest >= before:
            return Run(), pa.RecordBatch.from_pylist([], schema=self.schema) if self._values is not None else None
        self._purge()
        due = Run.together(*(run.where(run.at < before) for run in (self._large, self._small)))
        due = due.where(np.lexsort((due.row, due.at)))
        values = self._values.take(due.row) if self._values is not None else None
        self._split(before)
        return due, values

    def snapshot(self) -> tuple[Segment, ...]:
        """What changed since the last call, by key groups."""
        new = Run.together(*self._new) if self._new else Run()
        if self._undone:
            new = new.where(~np.isin(new.row, np.concatenate(self._undone)))
        gone = Run.together(*self._gone) if self._gone else Run()
        order = np.argsort(new.hi, kind="stable")
        found = tuple(self._changed(new.where(order), gone))
        self._new, self._undone, self._gone, self._kept = [], [], [], self._next
        self._floor, self._lost = np.full(GROUPS, NEVER), np.zeros(GROUPS, np.int64)
        return found

    def restored(self, segments: Iterable[Segment]) -> Table:
        """A table of this node with what was kept of it; of another fingerprint, all of it is to be kept anew.

        Raises EngineError (`unreadable-state`) for what this version does not read, and as `insert`.
        """
        made = Table(self.node, self.fingerprint, self.schema, self.max_bytes)
        ordered = sorted(segments, key=lambda each: (each.group, each.sequence))
        anew = any(each.fingerprint != self.fingerprint for each in ordered)
        groups = groupby(ordered, key=lambda each: each.group)
        made._take([joined([each.data for each in parts], self.node, whole=True) for _, parts in groups], anew=anew)
        return made

    def _take(self, pieces: Sequence[Piece], *, anew: bool) -> None:
        rows = Run.together(*(piece.rows for piece in pieces)) if pieces else Run()
        if not len(rows):
            return
        self._next = int(rows.row.max()) + 1
        self._kept = 0 if anew else self._next
        self._earliest = int(rows.at.min())
        if self._values is not None:
            numbered = np.argsort(rows.row)
            whole = pa.concat_batches([piece.values for piece in pieces])
            self._values.add(rows.row[numbered], whole.select(self._values.schema.names).take(pa.array(numbered)))
        self._large = Run.of(*rows.columns)
        self._new = [self._large] if anew else []
        if self.nbytes > self.max_bytes:
            raise self._too_large()

    def _changed(self, new: Run, gone: Run) -> Iterator[Segment]:
        group, without = new.group, gone.group
        numbers = np.unique(np.concatenate([group, without, np.flatnonzero(self._lost)])).tolist()
        ends = np.searchsorted(group, [*numbers, GROUPS])
        for place, number in enumerate(numbers):
            rows, mine = new.where(slice(ends[place], ends[place + 1])), gone.row[without == number]
            values = self._values.take(rows.row) if self._values is not None else None
            data = Piece(rows, values, mine, int(self._floor[number])).data()
            yield Segment(
                self.node,
                self.fingerprint,
                number,
                sequence=0,
                data=data,
                rows=len(rows) - len(mine) - int(self._lost[number]),
            )

    def _split(self, before: int) -> None:
        """Removes what is due."""
        self._purge()
        leaving = [run.where(run.at < before) for run in (self._large, self._small)]
        left = [run.where(run.at >= before) for run in (self._large, self._small)]
        self._large, self._small = left
        self._new = [run if run.at.min(initial=before) >= before else run.where(run.at >= before) for run in self._new]
        for run in leaving:
            lost = np.bincount(run.group[run.row < self._kept], minlength=GROUPS)
            self._lost += lost
            self._floor[lost > 0] = np.maximum(self._floor[lost > 0], before)
        self._earliest = min((int(run.at.min()) for run in left if len(run)), default=2**63 - 1)
        self._forgotten(sum(map(len, leaving)))

    def _purge(self) -> None:
        if len(self._removed):
            self._large, self._small = (run.where(~self._is_removed(run.row)) for run in (self._large, self._small))
            self._removed = np.empty(0, np.int64)

    def _is_removed(self, rows: Any) -> Any:
        if not len(self._removed):
            return np.zeros(len(rows), bool)
        places = np.searchsorted(self._removed, rows)
        return self._removed[np.minimum(places, len(self._removed) - 1)] == rows

    def _forgotten(self, count: int) -> None:
        if self._values is not None:
            self._values.removed(count, self._numbers)

    def _numbers(self) -> Any:
        self._purge()
        return np.concatenate([self._large.row, self._small.row])

    def _too_large(self) -> EngineError:
        return too_large(self.node, len(self), self.max_bytes)


def too_large(node: str, rows: int, max_bytes: int) -> EngineError:
    """What a node remembers takes more memory than it may."""
    return EngineError(
        f"`{node}` remembers {rows:,} rows, which take more than {_size(max_bytes)} of memory",
        code="state-too-large",
        help="have it remember less, for instance with a shorter `within` or `lateness`; or let it have more: "
        "`state: { max_bytes: 8GiB }`",
    )


def too_many(node: str, rows: int, max_bytes: int) -> EngineError:
    """What one batch makes of the rows that a node remembers takes more memory than it may."""
    return EngineError(
        f"`{node}` makes {rows:,} rows of one batch, which take more than {_size(max_bytes)} of memory",
        code="state-too-large",
        help="its keys fit too many rows: join by more columns, or within less time; or let it have more: "
        "`state: { max_bytes: 8GiB }`",
    )


def _size(count: int) -> str:
    return f"{count / 2**20:,.0f} MiB" if count >= 2**20 else f"{count:,} bytes"
