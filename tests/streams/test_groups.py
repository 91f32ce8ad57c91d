"""The table of groups, its index and its keys, against dictionaries in plain Python."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowc.errors import EngineError
from flowc.nodes import TIME, AggregatePlan
from flowc.runtime.contracts.state import Segment
from flowc.runtime.streams.aggregates.accumulators import Accumulators
from flowc.runtime.streams.keyed import index
from flowc.runtime.streams.keyed.groupkeys import GroupKeys
from flowc.runtime.streams.keyed.groups import Groups
from flowc.runtime.streams.keyed.index import Index
from flowc.runtime.streams.keyed.segments import joined
from flowc.types import BIGINT, DataType, Kind

_KEYS = pa.schema([("a", pa.int64()), ("b", pa.string())])
_INPUT = pa.schema([*_KEYS, ("x", pa.int64()), ("t", pa.string())])
_PLANS = (
    AggregatePlan("n", "count", BIGINT),
    AggregatePlan("s", "sum", BIGINT, "x"),
    AggregatePlan("m", "max", DataType(Kind.TEXT), "t"),
    AggregatePlan("d", "count", BIGINT, "x", distinct=True),
)
Row = tuple[int | None, str | None, int, int, str]
"""A key of two columns, a time, a number and a text."""


Steps = list[tuple[bool, list[tuple[int, int]]]]
"""Keys and times that are removed, or added."""
_STEPS = st.lists(st.tuples(st.booleans(), st.lists(st.tuples(st.integers(0, 40), st.integers(-2, 2)))), max_size=12)


@given(_STEPS)
def test_each_key_has_a_slot_of_its_own(steps: Steps) -> None:
    _as_a_dictionary(steps)


@given(_STEPS)
def test_keys_that_begin_at_one_place_have_slots_of_their_own(steps: Steps) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "_TWO", np.uint64(0))
        _as_a_dictionary(steps)


def _as_a_dictionary(steps: Steps) -> None:
    index, known = Index(), dict[tuple[int, int], int]()
    for removes, keys in steps:
        hi, lo = (np.array([divmod(k, 3)[part] for k, _ in keys], np.uint64) for part in (0, 1))
        at = np.array([t for _, t in keys], np.int64)
        if removes:
            gone = np.array([known.pop(key) for key in dict.fromkeys(keys) if key in known], np.int64)
            index.remove(gone)
        else:
            slots, new = index.add(hi << np.uint64(60), lo, at)
            assert len({keys[row] for row in new.tolist()}) == len(new) == len(set(keys) - set(known))
            assert all(known.setdefault(key, slot) == slot for key, slot in zip(keys, slots.tolist(), strict=True))
        assert index.slots().tolist() == sorted(known.values())
        assert len(index) == len(known) == len(set(known.values()))
        assert index.find(hi << np.uint64(60), lo, at).tolist() == [known.get(key, -1) for key in keys]


def test_keys_that_were_chosen_to_begin_at_one_place_do_not() -> None:
    """They would, if the index multiplied by a number that is known: each would be looked for at all places before."""
    found, chosen = Index(), np.arange(20_000, dtype=np.uint64) * np.uint64(pow(0xD6E8FEB86659FD93, -1, 2**64))
    none = np.zeros(20_000, np.int64)
    slots, _ = found.add(chosen, none.astype(np.uint64), none)
    begins = found._begin(chosen, none)
    assert ((found._place[slots] - begins) & found._mask).max() < 100
    told = [subprocess.run([sys.executable, "-c", _TELL], capture_output=True, check=True).stdout for _ in range(2)]
    assert told[0] != told[1]


_TELL = "from flowc.runtime.streams.keyed import index; print(index._ONE, index._TWO)"


def test_an_index_grows_and_gives_slots_again() -> None:
    index, numbers = Index(), np.arange(50_000)
    for turn in range(6):
        hi = (numbers + turn).astype(np.uint64)
        slots, new = index.add(hi, hi, numbers)
        assert (len(new), len(index), int(slots.max()) < 50_000) == (50_000, 50_000, True)
        assert (index.find(hi, hi, numbers) == slots).all()
        index.remove(slots)
    assert index.nbytes < 50_000 * 120


def test_few_are_found_where_many_were() -> None:
    index, numbers = Index(), np.arange(50_000)
    for turn in range(20):  # as where a window ends, and a few rows of the next one are there already
        at = np.full(50_000, turn)
        slots, _ = index.add(numbers.astype(np.uint64), np.zeros(50_000, np.uint64), at)
        stay = numbers % 997 == turn
        index.remove(slots[~stay])
        found = index.find(numbers.astype(np.uint64), np.zeros(50_000, np.uint64), at)
        assert found.tolist() == np.where(stay, slots, -1).tolist()
        index.remove(slots[stay][:-1])
        assert len(index) == turn + 1
    assert index.nbytes < 50_000 * 120


_NAN = float("nan")
COLUMNS: list[list[pa.Array]] = [
    [],
    [pa.array([1, 2, None, 1, 0, -1])],
    [pa.array(["a", "b", None, "a", "", None])],
    [pa.array([1, 2, None, 1, 0, -1]), pa.array([1, None, None, 1, 0, 7], pa.int32())],
    [pa.array([1, 2, None, 1, 0, -1]), pa.array([1, None, None, 1, 0, 7])],
    [pa.array(["a", "b", None, "a", "", ""]), pa.array(["", "a", None, "", "a", None])],
    [pa.array([True, None, False, True, None, None]), pa.array([date(2000, 1, 1)] * 5 + [None])],
    [pa.array([Decimal(1), None, Decimal(0), Decimal(1), None, Decimal(2)], pa.decimal128(10, 2))],
    [pa.array([1.0, _NAN, None, 0.0, 2.0, None])],
    [pa.array([2**64 - 1, 0, None, 1, 1, 2], pa.uint64())],
    [pa.array([b"", b"\0", None, b"\0\0", b"", b"\0"])],
]


@pytest.mark.parametrize("columns", COLUMNS, ids=lambda columns: ", ".join(str(each.type) for each in columns))
def test_keys_are_equal_where_their_values_are(columns: list[pa.Array]) -> None:
    keys = GroupKeys([column.type for column in columns])
    bits = _bits(keys, columns, 6)
    values = list(zip(*(column.to_pylist() for column in columns), strict=True)) or [()] * 6
    assert [[a == b for a in bits] for b in bits] == [[a == b or _nans(a, b) for a in values] for b in values]
    assert bits == [_bits(keys, [column.slice(row, 1) for column in columns], 1)[0] for row in range(6)]


def _nans(one: Sequence[Any], other: Sequence[Any]) -> bool:
    return all(isinstance(each, float) and math.isnan(each) for each in (*one, *other))


def _bits(keys: GroupKeys, columns: Sequence[pa.Array], count: int) -> list[tuple[int, int]]:
    hi, lo = keys(columns, count)
    return list(zip(hi.tolist(), lo.tolist(), strict=True))


def test_zeros_are_one_key_and_so_are_nans() -> None:
    (zero, minus, nan, other) = _bits(GroupKeys([pa.float64()]), [pa.array([0.0, -0.0, _NAN, -_NAN])], 4)
    assert zero == minus != nan == other


def test_what_has_no_equality_is_no_key() -> None:
    with pytest.raises(TypeError):
        GroupKeys([pa.list_(pa.int64())])


@dataclass
class Driven:
    """A table, and what a store has of it."""

    groups: Groups = field(default_factory=lambda: _groups())
    stored: list[Segment] = field(default_factory=list)
    saved: int = 0
    keys: GroupKeys = field(default_factory=lambda: GroupKeys(_KEYS.types))

    def add(self, rows: Sequence[Row]) -> None:
        a, b, at, x, t = ([row[place] for row in rows] for place in range(5))
        schema = pa.schema([*_INPUT, (TIME, pa.timestamp("us", "UTC"))])
        columns = [a, b, x, t, at]
        batch = pa.RecordBatch.from_arrays(
            [pa.array(column, kind) for column, kind in zip(columns, schema.types, strict=True)], schema=schema
        )
        keys = [batch.column("a"), batch.column("b")]
        hi, lo = self.keys(keys, len(rows))
        slots = self.groups.add(hi, lo, np.array(at, np.int64), keys)
        _kept(self.groups).add(slots, batch)

    def save(self) -> None:
        self.saved += 1
        found = self.groups.snapshot()
        assert len({segment.group for segment in found}) == len(found)
        self.stored += [replace(segment, sequence=self.saved) for segment in found]
        assert sum(segment.rows for segment in self.stored) == len(self.groups)

    def merge(self) -> None:
        """Makes neighbours one, as stores do."""
        merged = []
        for group in sorted({segment.group for segment in self.stored}):
            parts = [segment for segment in self.stored if segment.group == group]
            data = joined([segment.data for segment in parts[:3]], "g", whole=True).data()
            rows = sum(segment.rows for segment in parts[:3])
            merged += [replace(parts[min(2, len(parts) - 1)], data=data, rows=rows), *parts[3:]]
        self.stored = merged

    def restart(self, fingerprint: str = "f") -> None:
        self.groups = _groups(fingerprint)
        self.groups.restore(self.stored)

    def shown(self) -> dict[tuple[Any, ...], tuple[Any, ...]]:
        slots = self.groups.slots()
        keys = [*(column.to_pylist() for column in self.groups.keys(slots)), self.groups.at(slots).tolist()]
        values = [column.to_pylist() for column in _kept(self.groups).results(slots)]
        pairs = zip(zip(*keys, strict=True), zip(*values, strict=True), strict=True)
        return dict(pairs)


def _kept(groups: Groups) -> Accumulators:
    assert isinstance(groups.kept, Accumulators)
    return groups.kept


def _groups(fingerprint: str = "f", **more: int) -> Groups:
    return Groups("g", fingerprint, _KEYS, Accumulators(_PLANS, _INPUT), **more)


def _model(rows: Sequence[Row]) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(row[:3], []).append(row)
    return {
        key: (len(own), sum(r[3] for r in own), max(r[4] for r in own), len({r[3] for r in own}))
        for key, own in groups.items()
    }


_ROW = st.tuples(
    st.sampled_from([1, 2, None]), st.sampled_from(["x", "", None]), st.integers(-3, 3), st.integers(-9, 9),
    st.text("ab", max_size=3),
)  # fmt: skip


@settings(deadline=None)
@given(st.data())
def test_groups_are_those_of_a_model_whatever_is_kept_and_restored(data: st.DataObject) -> None:
    driven, rows = Driven(), list[Row]()
    for _ in range(data.draw(st.integers(1, 10), "steps")):
        what = data.draw(st.sampled_from(["add", "add", "forget", "remove", "save", "merge", "restart", "other"]))
        if what == "add":
            more = data.draw(st.lists(_ROW, max_size=20), "rows")
            driven.add(more)
            rows += more
        elif what == "forget":
            time = data.draw(st.integers(-3, 4), "before")
            driven.groups.forget(time)
            rows = [row for row in rows if row[2] >= time]
        elif what == "remove":
            slots = driven.groups.slots()[:: data.draw(st.integers(1, 3), "each")]
            gone = {tuple(key) for key in zip(*(k.to_pylist() for k in driven.groups.keys(slots)), strict=True)}
            slots = driven.groups.slots()
            keys = zip(*(column.to_pylist() for column in driven.groups.keys(slots)), strict=True)
            driven.groups.remove(slots[np.array([key in gone for key in keys], bool)])
            rows = [row for row in rows if row[:2] not in gone]
        elif what == "save":
            driven.groups.mark = len(rows) - 3
            driven.save()
        elif what == "merge":
            driven.merge()
        else:
            driven.save()
            mark = driven.groups.mark
            driven.restart("other" if what == "other" else "f")
            assert driven.groups.mark == mark
            driven.stored = driven.stored if what == "restart" else []
            driven.groups.fingerprint = "f"
            driven.save()
        assert driven.shown() == _model(rows)
        assert driven.groups.times.tolist() == sorted({row[2] for row in rows})


def test_a_checkpoint_is_as_large_as_what_changed() -> None:
    driven = Driven()
    driven.add([(n, "x", 0, n, "") for n in range(10_000)])
    driven.save()
    whole = sum(len(segment.data) for segment in driven.stored)
    assert driven.groups.snapshot() == ()
    driven.add([(n, "x", 0, 1, "") for n in range(10)])
    (*changed,) = driven.groups.snapshot()
    assert (sum(segment.rows for segment in changed), len(changed) <= 10) == (0, True)
    assert sum(len(segment.data) for segment in changed) < whole // 50


def test_state_with_other_columns_is_not_read() -> None:
    driven = Driven()
    driven.add([(1, "x", 0, 2, "t")])
    driven.save()
    others = Groups("g", "f", _KEYS, Accumulators([replace(each, argument="a") for each in _PLANS[1:2]], _INPUT))
    with pytest.raises(EngineError) as failure:
        others.restore(driven.stored)
    assert (failure.value.code, "`g`" in str(failure.value)) == ("unreadable-state", True)


def test_too_many_groups_and_too_much_memory_are_told() -> None:
    rows: list[Row] = [(n, "x", 0, n, "t") for n in range(11)]
    driven = Driven(_groups(max_groups=10))
    driven.add(rows[:10])
    with pytest.raises(EngineError) as failure:
        driven.add(rows[10:])
    assert (failure.value.code, "more than 10 groups" in str(failure.value)) == ("too-many-groups", True)
    small = Driven(_groups(max_bytes=10_000))
    small.add(rows)
    with pytest.raises(EngineError) as failure:
        small.groups.check()
    assert failure.value.code == "state-too-large"
