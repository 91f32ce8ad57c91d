"""Joins two inputs: pairs of rows whose keys are equal and whose event times are near.

Each input has a buffer. A row that comes finds its partners among those that came before it, so each pair is found
once, when the later one of the two comes. Rows are kept until the watermark shows that no partner comes any more. A
row before the watermark is late: what it might have been a partner of may be forgotten, or out alone.

With `late: reopen` rows are kept for the lateness that is allowed, also those that are out alone: the pair that one
of these is in later takes its place in the target.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flowc.nodes import ROW, TIME, JoinPlan
from flowc.runtime.badrows import BadRow
from flowc.runtime.contracts.epoch import END
from flowc.runtime.contracts.state import Segment
from flowc.runtime.streams.keyed.hashes import Hasher, whole
from flowc.runtime.streams.keyed.runs import GROUPS, Run
from flowc.runtime.streams.keyed.segments import NEVER
from flowc.runtime.streams.keyed.table import Table, too_large, too_many
from flowc.runtime.streams.operators.changed import edited
from flowc.runtime.streams.operators.contract import NO_MESSAGE, NOTHING, Decision, Emitted, Least, Verdict, said

_SLICES = 8
"""What is old and found a partner is forgotten so many times in the length of the bounds, and not with every epoch."""
_EVER = 2**62
_PAIR = 128
"""Bytes that are taken for a pair while it is looked for."""
_TIME = pa.field(TIME, pa.timestamp("us", "UTC"))
_ROW = pa.field(ROW, pa.int64())
_CODE = "late-row"
_FIXED = {
    "operator": "it was no join",
    "kind": "its kind was changed",
    "keys": "its keys were changed",
    "from": "what its sides read was changed",
    "replaces": "what becomes of its late rows was changed",
}
"""What state says nothing of where it was another one, and in which words."""


@dataclass
class _Side:
    """One input: how its columns come out, and its rows that are kept.

    The time of a partner less that of a row is from `least` to `most`.
    """

    plan: JoinPlan
    number: int
    given: pa.Schema
    schema: pa.Schema = field(init=False)
    """Its columns that come out, in the order of their names: state does not depend on what a query calls them."""
    names: tuple[str, ...] = field(init=False)
    """What they are called when they come out."""
    paired: Table = field(init=False)
    """Rows that found a partner, or do not come out without one."""
    alone: Table = field(init=False)
    """Rows that come out without a partner when their time has come."""
    closed: Table = field(init=False)
    """Rows that came out without one: at the end of a run, or ever where a pair may take their place.

    Only then are their values kept."""

    def __post_init__(self) -> None:
        plan = self.plan
        named = sorted((column, name) for number, column, name in plan.columns if number == self.number)
        self.schema = pa.schema([pa.field(column, self.given.field(column).type) for column, _ in named])
        self.names = tuple(name for _, name in named)
        kept = self.schema if named else None
        self.paired, self.alone = (Table(plan.id, plan.fingerprint, kept, plan.max_bytes) for _ in range(2))
        self.closed = Table(plan.id, plan.fingerprint, kept if plan.replaces else None, plan.max_bytes)

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(pair[self.number] for pair in self.plan.keys)

    @property
    def least(self) -> int:
        return -self.plan.most if self.number else self.plan.least

    @property
    def most(self) -> int:
        return -self.plan.least if self.number else self.plan.most

    @property
    def outer(self) -> bool:
        return self.plan.outer[self.number]

    @property
    def tables(self) -> tuple[Table, ...]:
        return self.paired, self.alone, self.closed

    def values(self, rows: pa.RecordBatch) -> pa.RecordBatch | None:
        """What is kept of rows beside their keys and times."""
        if not self.names:
            return None
        columns = [rows.column(each.name).cast(each.type) for each in self.schema]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    @property
    def partners(self) -> tuple[Table, ...]:
        """The tables in which rows of the other side find theirs."""
        return self.tables if self.plan.replaces else (self.paired, self.alone)

    def forget(self, before: int) -> None:
        """Forgets rows before a time whose partners have all come."""
        self.paired.forget(before)
        self.closed.forget(before)

    def let_out(self, before: int, *, closing: bool) -> tuple[Run, pa.RecordBatch | None]:
        """Rows before a time that have found no partner; with `closing`, none is to find them in another run."""
        rows, values = self.alone.take_due(before)
        if self.plan.replaces:
            self.closed.insert(rows.hi, rows.lo, rows.at, values)
        elif closing:
            self.closed.insert(rows.hi, rows.lo, rows.at)
        return rows, values


@dataclass(frozen=True)
class _Keyed:
    """Rows of a batch by the bits of their keys, in the order of these; `place` is where each stands in the batch."""

    hi: Any
    lo: Any
    at: Any
    place: Any

    def near(self, table: Table, side: _Side, limit: int) -> tuple[Any, Run]:
        """Their partners in a table of the other side: for each, which of them it is a partner of, and the row."""
        if not len(table) or not len(self.hi):
            return np.empty(0, np.int64), Run()
        return table.find(self.hi, self.lo, self.at + side.least, self.at + side.most, limit)

    def where(self, chosen: Any) -> _Keyed:
        return _Keyed(self.hi[chosen], self.lo[chosen], self.at[chosen], self.place[chosen])


@dataclass(frozen=True)
class _Found:
    """What rows of a batch come out with: the place of each, and of its partner the time and the place in `values`."""

    place: Any
    at: Any
    index: Any
    values: pa.RecordBatch | None


class IntervalJoin:
    """One join of a stream; see `flowc.runtime.streams.operators.contract.Operator`.

    `left` and `right` are the schemas of its inputs, without hidden columns. Its rows have both hidden ones.
    """

    def __init__(self, plan: JoinPlan, left: pa.Schema, right: pa.Schema) -> None:
        self.name, self.fingerprint = plan.id, plan.fingerprint
        self._plan, self._hash, self._input = plan, Hasher(), Least(2)
        self._sides = (_Side(plan, 0, left), _Side(plan, 1, right))
        self._step, self._limit = max((plan.most - plan.least) // _SLICES, 1), plan.max_bytes // _PAIR

    @property
    def schema(self) -> pa.Schema:
        """What comes out, with the event time and without the message."""
        types = [(name, self._sides[number].schema.field(column).type) for number, column, name in self._plan.columns]
        return pa.schema([*types, _TIME])

    @property
    def watermark(self) -> int | None:
        """Behind that of its input by the age that a row without a partner may have."""
        return None if self._input.value is None else self._input.value - self._plan.delay

    def process(self, port: int, rows: pa.RecordBatch) -> Emitted:
        """The pairs that rows make with those that came before, and rows that can have no partner."""
        if not rows.num_rows:
            return NOTHING
        mine, other = self._sides[port], self._sides[1 - port]
        keyed, at = self._keyed(mine, rows), _times(rows)
        late = self._late(keyed, mine, other, at)
        if late.any():
            keyed = keyed.where(~late[keyed.place])
        found = self._partners(keyed, mine, other)
        self._keep(keyed, mine, rows, found.place)
        if mine.outer and len(keyed.place) + np.count_nonzero(late) < len(at):
            found = _with_alone(found, keyed.place, late)
        return replace(self._gone(rows, late), rows=self._together(mine, other, rows, found))

    def late(self, port: int, rows: pa.RecordBatch) -> frozenset[int]:
        """The messages, by their index, of rows that are late at this port by what the end of a run let out there.

        Those before the watermark are late at both.
        """
        mine, other = self._sides[port], self._sides[1 - port]
        if not len(other.closed) or not rows.num_rows or ROW not in rows.schema.names:
            return frozenset()
        at = _times(rows)
        late = self._late(self._keyed(mine, rows), mine, other, at) & ~self._before(at)
        return frozenset(rows.column(ROW).filter(pa.array(late)).drop_null().to_pylist()) - {NO_MESSAGE}

    def due(self, at: int) -> bool:
        """Whether rows without a partner have come to the end of their time."""
        ends = [(side.alone.earliest, side.most) for side in self._sides]
        return any(earliest is not None and (at == END or earliest + most < at) for earliest, most in ends)

    def on_watermark(self, port: int, at: int) -> Emitted:
        """The rows that never found a partner, and cannot any more."""
        self._input.at(port, at)
        mark = self._input.value
        if mark is None:
            return NOTHING
        for side in self._sides:
            before = mark - self._plan.allowed - side.most
            side.forget(before - before % self._step)
        return self._let_out([side.let_out(mark - side.most, closing=False) for side in self._sides])

    def on_end(self) -> Emitted:
        """All rows that have found no partner. What would be one is late in another run, or comes in its place."""
        return self._let_out([side.let_out(_EVER, closing=True) for side in self._sides])

    def verdict(self, written_by: str) -> Verdict:
        """Rows are kept by their keys with the columns that come out; with other bounds it goes on with them."""
        before, now = said(written_by), said(self.fingerprint)
        changed = [what for what, words in _FIXED.items() if before.get(what) != now.get(what)]
        if changed == ["keys"] and _plain(before) == _plain(now):
            return Verdict(Decision.REFUSE, "a condition in its ON was added, removed or changed")
        if changed or not isinstance(before.get("least"), int) or not isinstance(before.get("most"), int):
            return Verdict(Decision.REFUSE, _FIXED.get(next(iter(changed), ""), "its bounds are unknown"))
        if words := [*edited(before, now)]:
            return Verdict(Decision.REFUSE, f"{' and '.join(words)} changed")
        if new := [f"`{column[1]}`" for column in now["columns"] if column not in before.get("columns", ())]:
            return Verdict(Decision.REFUSE, f"it did not keep {', '.join(new)}, or not of this type")
        if now["least"] < before["least"] or now["most"] > before["most"]:
            reason = "rows that were forgotten under the narrower bounds find no partner"
            return Verdict(Decision.MIGRATE, reason)
        if now.get("reopen", 0) > before.get("reopen", 0):
            reason = "rows that were forgotten under the shorter allowed lateness find no partner"
            return Verdict(Decision.MIGRATE, reason)
        return Verdict(Decision.KEEP)

    def snapshot(self) -> tuple[Segment, ...]:
        """What changed since the last call; each table has key groups of its own."""
        return tuple(
            replace(segment, group=number * GROUPS + segment.group)
            for number, table in enumerate(self._tables)
            for segment in table.snapshot()
        )

    def restore(self, segments: Iterable[Segment]) -> None:
        """Takes the state that was kept."""
        kept: list[list[Segment]] = [[] for _ in self._tables]
        for segment in segments:
            number, group = divmod(segment.group, GROUPS)
            kept[number].append(replace(segment, group=group))
        made = [table.restored(parts) for table, parts in zip(self._tables, kept, strict=True)]
        for side, start in zip(self._sides, (0, 3), strict=True):
            side.paired, side.alone, side.closed = made[start : start + 3]
        self._check()

    @property
    def _mark(self) -> int | None:
        """Before which rows are late."""
        return None if self._input.value is None else self._input.value - self._plan.allowed

    @property
    def _tables(self) -> tuple[Table, ...]:
        return tuple(table for side in self._sides for table in side.tables)

    def _keyed(self, side: _Side, rows: pa.RecordBatch) -> _Keyed:
        """The rows that have no NULL in their keys."""
        columns = [_wide(rows.column(key)) for key in side.keys]
        place = whole(columns)
        if len(place) < rows.num_rows:
            columns = [column.take(pa.array(place)) for column in columns]
        if not len(place):
            return _Keyed(np.empty(0, np.uint64), np.empty(0, np.uint64), np.empty(0, np.int64), place)
        hi, lo = self._hash(columns)
        order = np.argsort(hi, kind="stable")
        return _Keyed(hi[order], lo[order], _times(rows)[place[order]], place[order])

    def _late(self, keyed: _Keyed, mine: _Side, other: _Side, at: Any) -> Any:
        """A mask of rows: those before the watermark, and partners of what the end of a run let out."""
        late = self._before(at)
        if not self._plan.replaces:
            asked, _ = keyed.near(other.closed, mine, self._limit)
            late[keyed.place[asked]] = True
        return late

    def _before(self, at: Any) -> Any:
        """A mask of times before the watermark, by more than is allowed."""
        return np.zeros(len(at), bool) if self._mark is None else at < self._mark

    def _gone(self, rows: pa.RecordBatch, late: Any) -> Emitted:
        """What becomes of late rows. One that came of no message has no dead letter, and is counted alone."""
        if not late.any():
            return NOTHING
        gone = rows.filter(pa.array(late))
        if self._plan.late != "dlq" or ROW not in rows.schema.names:
            return Emitted(dropped=gone.num_rows)
        pairs = zip(gone.column(ROW).to_pylist(), gone.column(TIME).to_pylist(), strict=True)
        told = tuple(BadRow(row, _CODE, _words(self.name, at)) for row, at in pairs if row not in (None, NO_MESSAGE))
        return Emitted(late=told, dropped=gone.num_rows - len(told))

    def _partners(self, keyed: _Keyed, mine: _Side, other: _Side) -> _Found:
        """The pairs, by the places of rows and the times of their partners; a partner is not alone any more."""
        places, times, index, values, count = list[Any](), list[Any](), list[Any](), list[pa.RecordBatch](), 0
        for table in other.partners:
            asked, found = keyed.near(table, mine, self._limit - sum(map(len, places)))
            if not len(asked):
                continue
            _, first, again = np.unique(found.row, return_index=True, return_inverse=True)
            once = found.where(first)
            kept = table.values(once) if len(other.schema) else None
            places.append(keyed.place[asked])
            times.append(found.at)
            index.append(count + again)
            count += len(once)
            values += [kept] if kept is not None else []
            if table is not other.paired:
                table.remove(once)
                other.paired.insert(once.hi, once.lo, once.at, kept)
        together = [np.concatenate([np.empty(0, np.int64), *parts]) for parts in (places, times, index)]
        several = len(places) > 1
        order = np.lexsort((together[1], together[0])) if several else np.argsort(together[0], kind="stable")
        place, at, number = (part[order] for part in together)
        return _Found(place, at, number, pa.concat_batches(values) if values else None)

    def _keep(self, keyed: _Keyed, side: _Side, rows: pa.RecordBatch, paired: Any) -> None:
        """Keeps rows for partners that come later."""
        mark, found = self._mark, np.zeros(rows.num_rows, bool)
        found[paired] = True
        waiting = np.ones(len(keyed.at), bool) if mark is None else keyed.at + side.most >= mark
        alone = ~found[keyed.place] if side.outer else np.zeros(len(keyed.at), bool)
        values = side.values(rows)
        for table, chosen in ((side.paired, waiting & ~alone), (side.alone, alone)):
            some = keyed if chosen.all() else keyed.where(chosen)
            table.insert(some.hi, some.lo, some.at, values.take(pa.array(some.place)) if values is not None else None)
        self._check()

    def _check(self) -> None:
        """All of it together may take as much memory as the plan says."""
        if sum(table.nbytes for table in self._tables) > self._plan.max_bytes:
            raise too_large(self.name, sum(map(len, self._tables)), self._plan.max_bytes)

    def _together(self, mine: _Side, other: _Side, rows: pa.RecordBatch, found: _Found) -> pa.RecordBatch | None:
        """Rows with their partners, as they come out."""
        if not len(found.place):
            return None
        own = mine.values(rows)
        self._check_width(own, found.values, found)
        place = pa.array(found.place)
        index = pa.array(found.index, mask=found.index < 0)
        columns: dict[str, pa.Array] = {}
        for side, values, taken in ((mine, own, place), (other, found.values, index)):
            if values is not None:
                columns.update(zip(side.names, values.take(taken).columns, strict=True))
        message = rows.column(ROW).take(place) if ROW in rows.schema.names else None
        return self._rows(columns, np.maximum(_times(rows)[found.place], found.at), message)

    def _check_width(self, own: pa.RecordBatch | None, theirs: pa.RecordBatch | None, found: _Found) -> None:
        """One row may find very many others: that is refused before there is no memory for it."""
        size = sum(int(_widths(values)[at[at >= 0]].sum())
                   for values, at in ((own, found.place), (theirs, found.index)) if values is not None)  # fmt: skip
        if size > self._plan.max_bytes:
            raise too_many(self.name, len(found.place), self._plan.max_bytes)

    def _let_out(self, out: Sequence[tuple[Run, pa.RecordBatch | None]]) -> Emitted:
        """Rows without a partner, by their times and keys: it does not matter in which batches they came."""
        made = [
            self._rows(dict(zip(side.names, values.columns if values is not None else (), strict=True)), run.at)
            for side, (run, values) in zip(self._sides, out, strict=True)
            if len(run)
        ]
        if not made:
            return NOTHING
        runs = Run.together(*(run for run, _ in out))
        return Emitted(pa.concat_batches(made).take(pa.array(np.lexsort((runs.lo, runs.hi, runs.at)))))

    def _rows(self, columns: Mapping[str, pa.Array], at: Any, message: pa.Array | None = None) -> pa.RecordBatch:
        """Rows as they come out; NULL are the columns that there are none of."""
        schema = pa.schema([*self.schema, _ROW])
        hidden = {TIME: pa.array(at, pa.int64()).cast(_TIME.type), **({ROW: message} if message is not None else {})}
        found = {**columns, **hidden}
        arrays = [found[each.name] if each.name in found else pa.nulls(len(at), each.type) for each in schema]
        return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _plain(said: Mapping[str, Any]) -> list[list[str]]:
    """The keys of a fingerprint without the conditions in ON of the rows of one side, which stand behind them."""
    return [[str(part).partition(" where ")[0] for part in key] for key in said["keys"]]


def _with_alone(found: _Found, keyed: Any, late: Any) -> _Found:
    """With the rows that have a NULL in their keys, which never find a partner; all in the order of the batch."""
    nulls = ~late
    nulls[keyed] = False
    place = np.flatnonzero(nulls)
    parts = (found.place, place), (found.at, np.full(len(place), NEVER)), (found.index, np.full(len(place), -1))
    together = [np.concatenate(part) for part in parts]
    order = np.argsort(together[0], kind="stable")
    place, at, index = (part[order] for part in together)
    return _Found(place, at, index, found.values)


def _wide(column: pa.Array) -> pa.Array:
    """A key as it is compared: whole numbers as bigints, whatever the width that each side has."""
    narrow = pa.types.is_integer(column.type) and column.type != pa.uint64()
    return column.cast(pa.int64()) if narrow else column


def _times(rows: pa.RecordBatch) -> Any:
    return rows.column(TIME).cast(pa.int64()).to_numpy()


def _widths(values: pa.RecordBatch) -> Any:
    """About how many bytes each row takes."""
    whole = np.zeros(values.num_rows, np.int64)
    for column in values.columns:
        kind = column.type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind):
            whole += pc.fill_null(pc.binary_length(column), 0).to_numpy(zero_copy_only=False)
        else:
            whole += column.nbytes // max(len(column), 1)
    return whole


def _words(node: str, at: Any) -> str:
    return f"the row of {at:%Y-%m-%d %H:%M:%S.%f} UTC came too late for `{node}`: its partners may be out or forgotten"
