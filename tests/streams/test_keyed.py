"""The table of keyed state against a list of rows in plain Python: whatever batches, restarts and merging there are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowc.errors import EngineError
from flowc.runtime.contracts.state import Segment
from flowc.runtime.streams.keyed import table as keyed
from flowc.runtime.streams.keyed.runs import Run
from flowc.runtime.streams.keyed.segments import joined, read
from flowc.runtime.streams.keyed.table import Table
from flowc.runtime.streams.state.compaction import FEW, due
from tests.extended import examples

_SCHEMA = pa.schema([("text", pa.string()), ("n", pa.int64())])
_KEYS = [(0, 0), (0, 1), (2**64 - 1, 0), (1 << 58, 3), (1 << 58, 4), (5 << 59, 9)]
Row = tuple[int, int, int]
"""The place of a key in `_KEYS`, a time, and a value that no other row has."""


def _columns(rows: list[Row]) -> tuple[np.ndarray, np.ndarray, np.ndarray, pa.RecordBatch]:
    keys = [_KEYS[key] for key, _, _ in rows]
    values = [{"text": f"é{n}" if n % 3 else None, "n": n} for _, _, n in rows]
    hi, lo = (np.array([key[part] for key in keys], np.uint64) for part in (0, 1))
    return hi, lo, np.array([at for _, at, _ in rows], np.int64), pa.RecordBatch.from_pylist(values, schema=_SCHEMA)


class Kept:
    """What a store would hold: segments of each group, of which neighbours may be made one."""

    def __init__(self) -> None:
        self.groups: dict[int, list[Segment]] = {}
        self.number = 0

    def take(self, table: Table) -> None:
        self.number += 1
        for segment in table.snapshot():
            self.groups.setdefault(segment.group, []).append(replace(segment, sequence=self.number))

    def merge(self, group: int, start: int, end: int) -> None:
        parts = self.groups.get(group, [])
        if parts[start:end]:
            made = joined([part.data for part in parts[start:end]], "t", whole=start == 0)
            rows = sum(part.rows for part in parts[start:end])
            parts[start:end] = [replace(parts[start:end][-1], data=made.data(), rows=rows)]

    @property
    def all(self) -> list[Segment]:
        return [segment for parts in self.groups.values() for segment in parts]


@pytest.fixture(autouse=True, scope="module")
def small():
    """Runs of a few rows are merged, and what is removed is taken out, as many are."""
    before, keyed._SMALL = keyed._SMALL, 4
    yield
    keyed._SMALL = before


@settings(deadline=None, max_examples=examples(150))
@given(st.data())
def test_a_table_does_as_a_list_of_rows(data: st.DataObject) -> None:
    table, model, kept, number = Table("t", "f", _SCHEMA), list[Row](), Kept(), 0
    stored: list[Row] = []
    for _ in range(data.draw(st.integers(0, 14), "steps")):
        step = data.draw(st.sampled_from(["insert", "insert", "remove", "forget", "due", "keep", "restart", "merge"]))
        if step == "insert":
            drawn = data.draw(st.lists(st.tuples(st.integers(0, len(_KEYS) - 1), st.integers(-5, 20)), max_size=9))
            rows = [(key, at, number + n) for n, (key, at) in enumerate(drawn)]
            number += len(rows)
            hi, lo, at, values = _columns(rows)
            table.insert(hi, lo, at, values)
            model += rows
        elif step == "remove":
            keys = sorted(data.draw(st.sets(st.integers(0, len(_KEYS) - 1), max_size=3)), key=lambda key: _KEYS[key])
            hi, lo, _, _ = _columns([(key, 0, 0) for key in keys])
            asked, found = table.find(hi, lo)
            wanted = sorted((row for row in model if row[0] in keys), key=lambda r: (keys.index(r[0]), r[1], r[2]))
            assert table.values(found).column("n").to_pylist() == [n for *_, n in wanted]
            assert [keys[place] for place in asked.tolist()] == [key for key, *_ in wanted]
            some = data.draw(st.lists(st.booleans(), min_size=len(wanted), max_size=len(wanted)))
            table.remove(found.where(np.array(some, bool)))
            model = [row for row in model if row not in [row for row, gone in zip(wanted, some, strict=True) if gone]]
        elif step in ("forget", "due"):
            before = data.draw(st.integers(-5, 21), "before")
            out = sorted((row for row in model if row[1] < before), key=lambda row: row[1:])
            if step == "due":
                rows_, values_ = table.take_due(before)
                assert values_ is not None
                assert rows_.at.tolist() == [at for _, at, _ in out]
                assert values_.to_pylist() == _columns(out)[3].to_pylist()
            else:
                table.forget(before)
            model = [row for row in model if row[1] >= before]
        elif step == "keep":
            kept.take(table)
            stored = list(model)
        elif step == "restart":
            table, model = table.restored(kept.all), list(stored)
        else:
            group = data.draw(st.sampled_from(sorted(kept.groups) or [0]))
            start, end = sorted(data.draw(st.tuples(st.integers(0, 6), st.integers(0, 6))))
            kept.merge(group, start, end)
        assert len(table) == len(model)
        assert sum(segment.rows for segment in kept.all) == len(stored)
        assert (table.earliest is None) == (not model)
        assert not model or (table.earliest or 0) <= min(at for _, at, _ in model)
    rows_, values_ = table.take_due(100)
    assert values_ is not None
    assert values_.column("n").to_pylist() == [n for *_, n in sorted(model, key=lambda row: row[1:])]


def test_a_snapshot_holds_what_changed_and_nothing_else() -> None:
    table = Table("t", "f")
    hi = np.arange(100_000, dtype=np.uint64) << np.uint64(47)
    table.insert(hi, hi, np.arange(100_000))
    first = sum(len(segment.data) for segment in table.snapshot())
    assert 32 * 100_000 < first <= 32 * 100_000 + 24 * 64
    assert table.snapshot() == ()
    _, found = table.find(hi[500:501], hi[500:501])
    table.remove(found)
    table.insert(hi[7:8], hi[7:8], np.array([5]))
    table.insert(hi[9:10], hi[9:10], np.array([6]))
    table.remove(table.find(hi[9:10], hi[9:10])[1].where(slice(0, 1)))
    (changed,) = table.snapshot()
    piece = read(changed.data)
    assert (piece.rows.at.tolist(), piece.gone.tolist(), changed.rows) == ([5], [500], 0)
    table.forget(50_000)
    floors = table.snapshot()
    assert sum(segment.rows for segment in floors) == -50_000
    assert {(len(read(each.data)), len(read(each.data).gone)) for each in floors} == {(0, 0)}
    assert sum(len(segment.data) for segment in floors) < first / 20


def test_what_takes_too_much_is_refused_with_the_mend() -> None:
    table = Table("t", "f", max_bytes=3200)
    hi = np.arange(100, dtype=np.uint64)
    table.insert(hi, hi, np.arange(100))
    with pytest.raises(EngineError, match=r"`t` remembers 101 rows, which take more than 3,200 bytes") as found:
        table.insert(hi[:1], hi[:1], np.arange(1))
    assert found.value.code == "state-too-large"
    assert "max_bytes" in str(found.value.help)
    table = Table("t", "f")
    table.insert(hi, hi, np.arange(100))
    with pytest.raises(EngineError, match="which take more than"):
        Table("t", "f", max_bytes=3000).restored(table.snapshot())


def test_state_of_another_format_is_not_read() -> None:
    with pytest.raises(EngineError, match="the state of `t` has a format") as found:
        Table("t", "f").restored([Segment("t", "f", 0, 1, b"fks3" + bytes(40))])
    assert found.value.code == "unreadable-state"


@pytest.mark.parametrize("sizes", [[1] * 3000, [10**6, *[1] * 3000], [3**n for n in range(20)], [1, 1000] * 1500])
def test_few_segments_are_left_and_each_byte_is_written_again_a_few_times(sizes: list[int]) -> None:
    left, written = list[int](), 0
    for size in sizes:
        left.append(size)
        start = due(left)
        if start < len(left):
            written += sum(left[start:])
            left[start:] = [sum(left[start:])]
        assert len(left) <= FEW
    assert sum(left) == sum(sizes)
    assert written <= 8 * sum(sizes)


def test_a_run_tells_keys_apart_that_share_half_of_their_bits() -> None:
    run = Run.of(np.array([5, 5, 5], np.uint64), np.array([2, 1, 2], np.uint64), np.array([9, 9, 8]), np.arange(3))
    hi, lo = np.array([5, 5, 6], np.uint64), np.array([2, 3, 2], np.uint64)
    asked, found = run.each(*run.between(hi, lo, *(np.full(3, at) for at in (-99, 99))))
    assert (asked.tolist(), found.row.tolist()) == ([0, 0], [2, 0])
