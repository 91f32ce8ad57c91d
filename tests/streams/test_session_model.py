"""Sessions through a graph, against a model in plain Python that goes from row to row."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise, permutations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowc.errors import EngineError
from flowc.nodes import ROW, TIME, AggregatePlan, SqlPlan, WindowPlan
from flowc.runtime.contracts.epoch import END, Intent, Range
from flowc.runtime.contracts.source import Polled
from flowc.runtime.contracts.state import Checkpoint, Segment
from flowc.runtime.streams.graph.graph import Graph
from flowc.runtime.streams.keyed.segments import joined
from flowc.runtime.streams.keyed.waiting import Waiting
from flowc.runtime.streams.operators.contract import Decision, Verdict
from flowc.runtime.streams.operators.session import Sessions
from flowc.runtime.streams.operators.sessionsplit import let_in
from flowc.stream import SourcePlan, StreamPlan
from flowc.types import BIGINT, DataType, Kind
from tests.extended import examples
from tests.streams.compiled import NOON, Computed, messages
from tests.streams.compiled import plan as planned

ROWS = pa.schema([("k", pa.string()), ("x", pa.int64()), ("f", pa.float64())])
_TIME = pa.timestamp("us", "UTC")
_AGGREGATES = (
    AggregatePlan("n", "count", BIGINT),
    AggregatePlan("real", "sum", DataType(Kind.FLOAT64), "f"),
    AggregatePlan("most", "max", BIGINT, "x"),
    AggregatePlan("first", "first", BIGINT, "x"),
    AggregatePlan("different", "count", BIGINT, "x", distinct=True),
    AggregatePlan("all", "array_agg", DataType(Kind.ARRAY, element=BIGINT), "x"),
)
Row = tuple[str | None, int | None, float, int]
"""A key, two numbers and an event time."""
Epoch = tuple[Sequence[Row], int | None]
"""Rows, and the watermark before them."""
FOREVER = 10**15


def session(gap: int, longest: int = FOREVER, **more: Any) -> WindowPlan:
    keys, made = more.pop("keys", ("k",)), more.pop("aggregates", _AGGREGATES)
    return WindowPlan("w", ("source",), "session", longest, gap, keys, made, more.pop("fingerprint", "{}"), **more)


def _stream(plan: WindowPlan) -> StreamPlan:
    return StreamPlan("s", (SourcePlan("source", "bus", "kafka", "t", "json"),), (plan,), ())


@dataclass
class Driven:
    """A stream from epoch to epoch, and what came out of it."""

    plan: WindowPlan
    out: list[dict[str, Any]] = field(default_factory=list)
    late: list[int] = field(default_factory=list)
    """The values of `x` of rows that were late."""
    dropped: int = 0
    point: Checkpoint = field(default_factory=Checkpoint)
    graph: Graph = field(init=False)

    def __post_init__(self) -> None:
        self.graph = Graph(_stream(self.plan), {"source": ROWS})

    @property
    def operator(self) -> Sessions:
        operator = self.graph.nodes[0].operator
        assert isinstance(operator, Sessions)
        return operator

    def epoch(self, rows: Sequence[Row], watermark: int | None) -> list[dict[str, Any]]:
        promised = self.operator.watermark
        due = watermark is not None and self.graph.due(watermark)
        found = self.graph("source", batch(rows), Intent(1, 0, (), watermark))
        made = self.graph.whole(found)
        assert made.column(ROW).null_count == made.num_rows
        shown = [row for rows in found.rows for row in _plain(rows)]
        assert made.num_rows == len(shown)
        assert due or not shown, "rows come out where some are due, and nowhere else"
        assert [row["window_start"] for row in shown] == sorted(row["window_start"] for row in shown)
        if promised is not None:
            assert all(row[TIME] >= promised for row in shown)
        self.out += shown
        self.late += [rows[aside.row.index][1] or 0 for aside in found.late]
        self.dropped += sum(found.dropped.values())
        return shown

    def keep(self) -> None:
        found = self.graph.states.snapshot(Checkpoint(self.point.epoch + 1))
        assert len({each.group for each in found.segments}) == len(found.segments)
        self.point = replace(found, segments=(*self.point.segments, *found.segments))
        state = self.operator._state
        assert sum(each.rows for each in self.point.segments) == len(state.groups) + len(state.waiting)

    def merge(self, begin: int) -> None:
        """Makes neighbours one, as stores do: three of each group, from the one of that number on."""
        merged: list[Segment] = []
        for group in sorted({each.group for each in self.point.segments}):
            own = [each for each in self.point.segments if each.group == group]
            few = own[begin : begin + 3]
            if few:
                data = joined([each.data for each in few], "w", whole=not begin).data()
                few = [replace(few[-1], data=data, rows=sum(each.rows for each in few))]
            merged += [*own[:begin], *few, *own[begin + 3 :]]
        self.point = replace(self.point, segments=tuple(merged))

    def restart(self, *, keeps: bool = False) -> None:
        if keeps:
            self.keep()
        self.graph = Graph(_stream(self.plan), {"source": ROWS})
        self.graph.states.restore(self.point)


def batch(rows: Sequence[Row]) -> pa.RecordBatch:
    columns = [[row[place] for row in rows] for place in range(4)]
    arrays = [pa.array(values, kind) for values, kind in zip(columns, [*ROWS.types, _TIME], strict=True)]
    arrays.append(pa.array(range(len(rows)), pa.int64()))
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema([*ROWS, (TIME, _TIME), (ROW, pa.int64())]))


def _plain(rows: pa.RecordBatch) -> list[dict[str, Any]]:
    """With whole numbers for times."""
    shown = rows.drop_columns([ROW])
    columns = [c.cast(pa.int64()) if pa.types.is_timestamp(c.type) else c for c in shown.columns]
    return pa.RecordBatch.from_arrays(columns, names=shown.schema.names).to_pylist()


@dataclass
class _Session:
    rows: list[Row]
    first: int
    last: int


@dataclass
class Model:
    """Sessions row by row: of each key those that are open, and the rows that the watermark has not passed."""

    gap: int
    longest: int = FOREVER
    mark: int | None = None
    open: dict[str | None, _Session] = field(default_factory=dict)
    waiting: dict[str | None, list[Row]] = field(default_factory=dict)
    out: list[dict[str, Any]] = field(default_factory=list)
    late: list[int] = field(default_factory=list)

    def run(self, epochs: Iterable[Epoch]) -> Model:
        for rows, mark in epochs:
            if mark == END:
                times = [s.last for s in self.open.values()] + [r[3] for rows in self.waiting.values() for r in rows]
                mark = max(times) + self.gap + 1 if times else None
            if mark is not None and (self.mark is None or mark > self.mark):
                self._settle(mark)
            for row in rows:
                self._take(row)
        return self

    def _take(self, row: Row) -> None:
        if self.mark is not None and row[3] + self.gap < self.mark:
            there = [each[3] for each in self.waiting.get(row[0], []) if each[3] < self.mark]
            open_ = self.open.get(row[0])
            if not self._is_let_in(row[3], there, open_):
                self.late.append(row[1] or 0)
                return
        self.waiting.setdefault(row[0], []).append(row)

    def _is_let_in(self, at: int, there: Sequence[int], open_: _Session | None) -> bool:
        """Whether it belongs to what is there, and what it begins ends no earlier than the watermark."""
        assert self.mark is not None
        if not there and open_ is None:
            return False
        if open_ is not None and at >= open_.first:
            return True
        if at < min([*there, *([open_.first] if open_ is not None else [])]) - self.gap:
            return False
        spans = [(each, each) for each in there if open_ is None or not open_.first <= each <= open_.last]
        spans += [(open_.first, open_.last)] if open_ is not None else []
        end = at
        for first, last in sorted(spans):
            if first > at and first - end <= self.gap and last - at <= self.longest:
                end = max(end, last)
        return end + self.gap >= self.mark

    def _settle(self, mark: int) -> None:
        self.mark, found = mark, list[tuple[Any, _Session]]()
        for key in {*self.open, *self.waiting}:
            rows = self.waiting.pop(key, [])
            self.waiting[key] = [row for row in rows if row[3] >= mark]
            due = sorted((row for row in rows if row[3] < mark), key=lambda row: row[3])
            sessions = self._sessions(due, self.open.pop(key, None))
            if sessions and sessions[-1].last + self.gap >= mark:
                self.open[key] = sessions.pop()
            found += [(key, each) for each in sessions]
        self.out += [_shown(key, each, self.gap) for key, each in sorted(found, key=lambda each: each[1].first)]

    def _sessions(self, due: Sequence[Row], before: _Session | None) -> list[_Session]:
        parts = [_Session([row], row[3], row[3]) for row in due]
        if before is not None:
            inside = [part for part in parts if before.first <= part.first <= before.last]
            before.rows += [row for part in inside for row in part.rows]
            parts = sorted([before, *(part for part in parts if part not in inside)], key=lambda part: part.first)
        made: list[_Session] = []
        for part in parts:
            if made and part.first - made[-1].last <= self.gap and part.last - made[-1].first <= self.longest:
                made[-1] = _Session(made[-1].rows + part.rows, made[-1].first, part.last)
            else:
                made.append(part)
        return made


def _shown(key: str | None, found: _Session, gap: int) -> dict[str, Any]:
    values = [x for _, x, _, _ in found.rows if x is not None]
    times = [at for *_, at in found.rows]
    return {
        "window_start": found.first, "window_end": found.last + gap, "k": key, "n": len(times),
        "real": sum(f for _, _, f, _ in found.rows), "most": max(values, default=None),
        "first": found.rows[times.index(min(times))][1], "different": len(set(values)),
        "all": [x for _, x, _, _ in sorted(found.rows, key=lambda row: row[3])], TIME: found.last + gap - 1,
    }  # fmt: skip


def _sorted(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """In an order, without the ids."""
    found = [{name: value for name, value in row.items() if name != "session_id"} for row in rows]
    return sorted(found, key=lambda row: (row["window_start"], row["k"] is None, row["k"] or "", row["window_end"]))


def greedy(rows: Iterable[Row], gap: int, longest: int) -> list[list[int]]:
    """The times of the sessions of rows of one key, all in time."""
    found: list[list[int]] = []
    for at in sorted(row[3] for row in rows):
        if found and at - found[-1][-1] <= gap and at - found[-1][0] <= longest:
            found[-1].append(at)
        else:
            found.append([at])
    return found


GAP = 10
EVENTS = {
    "far apart": [0, 11, 22, 33, 44], "a gap apart": [0, 10, 20, 30, 40], "mixed": [0, 10, 21, 31, 32],
    "ties": [5, 5, 15, 15, 26], "before 1970": [-25, -15, -4, 6, 7], "all at once": [3, 3, 3, 3, 3],
    "six": [0, 9, 10, 20, 21, 31],
}  # fmt: skip
CAPS = (FOREVER, 20, 10)


@pytest.mark.parametrize("longest", CAPS)
@pytest.mark.parametrize("times", EVENTS.values(), ids=EVENTS)
def test_all_permutations_of_events_give_the_same_sessions(times: list[int], longest: int) -> None:
    """Each permutation is one key, one event in each epoch. Caps share restarts, and permutations of six events."""
    cap, count = CAPS.index(longest), 6 if len(times) > 5 else 2
    halves = [[*permutations(range(len(times)))][(2 * cap + (cap + n) % 2) % count :: count] for n in (0, 1)]
    wanted = [
        {"window_start": part[0], "window_end": part[-1] + GAP, "n": len(part)}
        for part in greedy([("k", 0, 0.0, at) for at in times], GAP, longest)
    ]
    for restarts, orders in enumerate(halves):
        driven = Driven(session(GAP, longest, aggregates=_AGGREGATES))
        for turn in range(len(times)):
            driven.epoch([(str(n), order[turn], 0.1, times[order[turn]]) for n, order in enumerate(orders)], -100)
            if restarts and (turn + cap) % 2:
                driven.restart(keeps=True)
        driven.epoch([], max(times) + GAP + 1)
        found: dict[str, list[dict[str, Any]]] = {}
        for row in driven.out:
            found.setdefault(row["k"], []).append(row)
        assert [[{name: row[name] for name in wanted[0]} for row in rows] for rows in found.values()] == (
            [wanted] * len(orders)
        )
        shapes = {str([(row["real"], row["most"], sorted(row["all"])) for row in rows]) for rows in found.values()}
        assert len(shapes) == 1


_MARKS = ([0, 10, 20, 31, 42], [-5, 16, 17, 30, 31], [20, 20, 21, 30, 41])


@pytest.mark.parametrize("longest", [FOREVER, 20])
@pytest.mark.parametrize("events", ["mixed", "ties", "six"])
@pytest.mark.parametrize("marks", _MARKS, ids=str)
def test_all_permutations_with_a_watermark_are_those_of_the_model(events: str, longest: int, marks: list[int]) -> None:
    """The watermark goes on after each event: many are behind it, some too late. Cases share permutations, restarts."""
    times = EVENTS[events]
    case, count = _MARKS.index(marks) + 3 * (longest == FOREVER), 6 if len(times) > 5 else 2
    orders = [*permutations(range(len(times)))][case % count :: count]
    epochs: list[Epoch] = [
        ([(str(n), order[turn], 0.125, times[order[turn]]) for n, order in enumerate(orders)], mark)
        for turn, mark in zip(range(len(times)), [None, *marks], strict=False)
    ]
    driven = Driven(session(GAP, longest, late="dlq"))
    for turn, (rows, mark) in enumerate(epochs):
        driven.epoch(rows[: 50 * turn], mark)
        if (turn + case // 3) % 2:
            driven.restart(keeps=True)
        driven.epoch(rows[50 * turn :], mark)
    driven.epoch([], END)
    wanted = Model(GAP, longest).run([*epochs, ([], END)])
    assert _sorted(driven.out) == _sorted(wanted.out)
    assert driven.late == wanted.late != []


_ROW = st.tuples(
    st.sampled_from(["a", "b", None]), st.one_of(st.none(), st.integers(-5, 5)),
    st.integers(0, 64).map(lambda n: n / 8), st.integers(-60, 60),
)  # fmt: skip
_SHAPES = st.sampled_from([(10, FOREVER), (10, 30), (10, 25), (7, 7), (1, 5), (20, 20), (5, 3)])


def _drawn(data: st.DataObject) -> list[Epoch]:
    steps = st.lists(st.tuples(st.lists(_ROW, max_size=12), st.one_of(st.none(), st.integers(-65, 80))), max_size=8)
    epochs, watermark = list[Epoch](), None
    for rows, mark in data.draw(steps, "epochs"):
        watermark = mark if watermark is None else max(watermark, mark if mark is not None else watermark)
        epochs.append((rows, watermark))
    return epochs


@settings(max_examples=examples(30), deadline=None)
@given(data=st.data())
def test_sessions_are_those_of_the_model_whatever_batches_and_restarts(data: st.DataObject) -> None:
    gap, longest = data.draw(_SHAPES, "shape")
    epochs, policy = _drawn(data), data.draw(st.sampled_from(["drop", "dlq"]), "late")
    driven = Driven(session(gap, longest, late=policy))
    for rows, mark in epochs:
        cuts = sorted(data.draw(st.sets(st.integers(0, len(rows)), max_size=2), "cuts"))
        for begin, end in pairwise([0, *cuts, len(rows)]):
            driven.epoch(rows[begin:end], mark)
            what = data.draw(st.sampled_from(["go on", "keep", "merge", "restart"]), "then")
            if what != "go on":
                driven.keep()
            if what == "merge":
                driven.merge(data.draw(st.integers(0, 2), "from"))
            if what in ("merge", "restart"):
                driven.restart()
    driven.epoch([], END)
    wanted = Model(gap, longest).run([*epochs, ([], END)])
    assert _sorted(driven.out) == _sorted(wanted.out)
    assert (driven.dropped, driven.late) == ((len(wanted.late), []) if policy == "drop" else (0, wanted.late))


@settings(max_examples=examples(30), deadline=None)
@given(data=st.data())
def test_rows_in_time_give_the_same_bits_whatever_their_order_of_arrival(data: st.DataObject) -> None:
    gap, longest = data.draw(_SHAPES, "shape")
    value = st.floats(-1e9, 1e9, allow_subnormal=False)
    row = st.tuples(st.sampled_from("abc"), st.integers(0, 3), value, st.integers(-60, 60))
    rows = data.draw(st.lists(row, max_size=30, unique_by=lambda row: (row[0], row[3])), "rows")
    shown = []
    for _ in range(2):
        driven, left, watermark = Driven(session(gap, longest)), data.draw(st.permutations(rows), "order"), -100
        while left:
            count = data.draw(st.integers(1, len(left)), "count")
            driven.epoch(left[:count], watermark)
            left = left[count:]
            watermark = data.draw(st.integers(watermark, max(watermark, min([r[3] for r in left], default=0))), "mark")
            driven.keep()
            if data.draw(st.booleans(), "restart"):
                driven.restart()
        driven.epoch([], END)
        assert (driven.dropped, len(driven.late)) == (0, 0)
        shown.append(sorted(driven.out, key=lambda row: (row["window_start"], row["k"])))
    assert str(shown[0]) == str(shown[1])
    for key in "abc":
        times = [[r["window_start"], r["window_end"] - gap, r["n"]] for r in shown[0] if r["k"] == key]
        own = greedy([each for each in rows if each[0] == key], gap, longest)
        assert times == [[part[0], part[-1], len(part)] for part in own]


@settings(max_examples=examples(20), deadline=None)
@given(data=st.data())
def test_what_the_end_let_out_stays_closed_in_later_runs(data: st.DataObject) -> None:
    gap, longest = data.draw(_SHAPES, "shape")
    driven, epochs = Driven(session(gap, longest, late="dlq")), list[Epoch]()
    for rows in data.draw(st.lists(st.lists(_ROW, max_size=10), min_size=2, max_size=3), "runs"):
        driven.epoch(rows, -20)
        driven.epoch([], END)
        driven.restart(keeps=True)
        epochs += [(rows, -20), ([], END)]
    wanted = Model(gap, longest).run(epochs)
    assert (_sorted(driven.out), driven.late) == (_sorted(wanted.out), wanted.late)


def test_bounds_belong_to_a_session() -> None:
    """Rows exactly a gap apart, and the row that makes it exactly as long as it may be."""
    driven = Driven(session(10, 20))
    driven.epoch([("a", n, 0.0, at) for n, at in enumerate([0, 10, 20, 21, 31, 42])], None)
    assert [row["all"] for row in driven.epoch([], 31)] == [[0, 1, 2]]
    assert driven.epoch([], 41) == []
    assert [row["all"] for row in driven.epoch([], 42)] == [[3, 4]]
    assert driven.epoch([], 52) == []
    assert [(row["all"], row["window_start"], row["window_end"]) for row in driven.epoch([], 53)] == [([5], 42, 52)]
    assert [row["window_end"] for row in driven.out] == [30, 41, 52]


def test_a_row_that_comes_too_late_by_itself_is_taken_by_a_session_that_is_open() -> None:
    driven = Driven(session(10, late="dlq"))
    driven.epoch([("a", 1, 0.0, 40), ("a", 2, 0.0, 50), ("b", 3, 0.0, 0)], None)
    driven.epoch([("a", 4, 0.0, 30), ("a", 5, 0.0, 45), ("a", 6, 0.0, 19), ("b", 7, 0.0, 30), ("a", 8, 0.0, 20)], 55)
    assert driven.late == [6, 7]
    driven.restart(keeps=True)
    driven.epoch([("a", 9, 0.0, 10), ("a", 10, 0.0, -1)], 55)
    driven.epoch([], END)
    assert driven.late == [6, 7, 10]
    assert [(row["window_start"], row["all"]) for row in driven.out] == [(0, [3]), (10, [9, 8, 4, 1, 5, 2])]


def test_a_late_row_is_told_with_its_time_and_the_watermark() -> None:
    operator = Sessions(session(10, late="dlq"), ROWS)
    operator.on_watermark(0, 1_700_000_000_000_000)
    late = operator.process(0, batch([("a", 1, 0.0, 1_600_000_000_000_000)])).late
    assert [(row.index, row.code) for row in late] == [(0, "late-row")]
    assert "2020-09-13 12:26:40+00:00" in late[0].message
    assert "2023-11-14 22:13:20+00:00" in late[0].message


def test_an_id_is_of_a_key_and_a_start_alone() -> None:
    def ids(rows: Sequence[Row], **more: Any) -> dict[tuple[str | None, int], str]:
        driven = Driven(session(10, **more))
        driven.epoch(rows, None)
        return {(row["k"], row["window_start"]): row["session_id"] for row in driven.epoch([], END)}

    rows: list[Row] = [("a", 1, 0.0, 0), ("a", 1, 0.0, 50), ("b", 1, 0.0, 0), (None, 1, 0.0, 0)]
    whole = ids(rows)
    assert len(set(whole.values())) == 4
    assert all(len(each) == 32 and int(each, 16) for each in whole.values())
    assert whole == {key: name for row in rows for key, name in ids([row]).items()}
    assert whole == ids([("a", 2, 1.0, 5), *reversed(rows)], aggregates=_AGGREGATES[:1])


def test_sessions_without_keys_and_with_a_count_alone() -> None:
    driven = Driven(session(10, keys=(), aggregates=_AGGREGATES[:1]))
    driven.epoch([("a", 1, 0.0, 0), ("b", 1, 0.0, 5), ("c", 1, 0.0, 30)], 0)
    driven.epoch([], 7)
    driven.restart(keeps=True)
    driven.epoch([("d", 1, 0.0, 8)], 7)
    driven.epoch([], END)
    assert [(row["window_start"], row["window_end"], row["n"]) for row in driven.out] == [(0, 18, 3), (30, 40, 1)]


def test_a_filter_counts_the_rows_where_it_is_true() -> None:
    given = pa.schema([*ROWS, ("yes", pa.bool_())])
    some = AggregatePlan("n", "count", BIGINT, where="yes")
    operator = Sessions(session(10, aggregates=(some,)), given)
    rows = batch([("a", 1, 0.0, 0), ("a", 1, 0.0, 1), ("a", 1, 0.0, 2)])
    operator.process(0, rows.append_column("yes", pa.array([True, None, False])))
    made = operator.on_end().rows
    assert made is not None
    assert made.column("n").to_pylist() == [1]


def test_too_many_sessions_and_too_much_memory_are_told() -> None:
    driven = Driven(session(10, max_groups=2))
    driven.epoch([(key, 1, 0.0, at) for key, at in [("a", 0), ("b", 1), ("c", 20), ("d", 40), ("e", 41)]], None)
    assert len(driven.epoch([], 42)) == 3
    driven.epoch([("f", 1, 0.0, 43)], 42)
    with pytest.raises(EngineError) as failure:
        driven.epoch([], 44)
    assert failure.value.code == "too-many-groups"
    driven = Driven(session(10, max_bytes=300_000))
    with pytest.raises(EngineError) as failure:
        driven.epoch([("a", 1, 0.0, at) for at in range(10_000)], None)
    assert failure.value.code == "state-too-large"
    assert "remembers 0 sessions and 10,000 rows" in str(failure.value)


def test_what_was_kept_by_other_sessions_is_refused_with_the_reason() -> None:
    def said(**changed: int) -> str:
        return json.dumps({"operator": "window", "kind": "session", "size": 60, "step": 10, **changed})

    operator = Sessions(session(10, 60, fingerprint=said()), ROWS)
    assert operator.verdict(said()).decision is Decision.KEEP
    for other, reason in [
        (said(step=11), "its gap was 11us, is 10us"),
        (said(size=61), "its max_duration was 61us, is 60us"),
    ]:
        assert operator.verdict(other) == Verdict(Decision.REFUSE, reason)
    assert operator.verdict("dedupe").decision is Decision.REFUSE


def test_a_checkpoint_is_as_large_as_what_changed() -> None:
    driven = Driven(session(10))
    driven.epoch([(str(n), n, 0.0, 0) for n in range(10_000)], None)
    driven.epoch([], 5)
    driven.keep()
    whole = sum(len(each.data) for each in driven.point.segments)
    assert driven.operator.snapshot() == ()
    driven.epoch([(str(n), n, 0.0, 7) for n in range(5)], 5)
    assert sum(len(each.data) for each in driven.operator.snapshot()) < whole // 100
    driven.epoch([], 9)
    assert sum(len(each.data) for each in driven.operator.snapshot()) < whole // 50


def test_state_of_before_is_kept_anew_by_another_fingerprint() -> None:
    driven = Driven(session(10))
    driven.epoch([("a", 1, 0.0, 0), ("a", 2, 0.0, 5)], None)
    driven.epoch([("b", 3, 0.0, 20)], 3)
    driven.keep()
    other = Sessions(session(10, fingerprint="{ }"), ROWS)
    other.restore(driven.point.segments)
    again = Sessions(session(10, fingerprint="{ }"), ROWS)
    again.restore(replace(each, sequence=1) for each in other.snapshot())
    assert again.snapshot() == ()
    made = again.on_end().rows
    assert made is not None
    assert [row["all"] for row in _plain(made)] == [[1, 2], [3]]


def test_a_row_is_let_in_by_those_that_came_before_it_in_its_group() -> None:
    group, at = np.array([0, 0, 0, 0, 1, 1]), np.array([7, 18, 9, 2, 10, 1])
    first, nothing = np.array([20, 20, 20, 20, 2**63 - 1, 2**63 - 1]), np.zeros(6, bool)
    judge = partial(let_in, first=first, last=np.full(6, 25), closed=0, gap=10, longest=FOREVER)
    assert judge(group, at, nothing).tolist() == [False, True, True, True, False, False]
    assert judge(group, at, np.array([0, 0, 0, 0, 1, 0], bool)).tolist() == [False, *[True] * 5]
    count = 1_000
    chain = let_in(
        np.zeros(count, int), -10 * np.arange(count), np.zeros(count, bool), first=np.full(count, 5),
        last=np.full(count, 5), closed=0, gap=10, longest=FOREVER,
    )  # fmt: skip
    assert chain.all()


def test_a_row_whose_session_would_come_out_behind_the_watermark_is_late() -> None:
    driven = Driven(session(10, 20, late="dlq"))
    driven.epoch([("a", 1, 0.0, 10), ("a", 2, 0.0, 20), ("a", 3, 0.0, 30)], 0)
    driven.epoch([("a", 5, 0.0, 5), ("a", 6, 0.0, 12)], 32)
    driven.epoch([("a", 4, 0.0, 10)], 33)
    driven.epoch([], END)
    assert driven.late == [5]
    assert [(row["window_start"], row["n"]) for row in driven.out] == [(10, 5)]


def test_rows_that_are_left_of_a_batch_do_not_hold_on_to_it() -> None:
    """Of each batch one row is far ahead of time: the rest leaves, and so does its memory."""
    waiting, before = Waiting(ROWS), pa.total_allocated_bytes()
    for turn in range(300):
        at = np.append(np.full(4_999, turn), 10**9 + turn)
        keys = np.arange(5_000).astype(np.uint64)
        rows = batch([("a" * 50, 1, 0.0, 0)]).select(ROWS.names)
        waiting.insert(keys, keys, at, rows.take(pa.array(np.zeros(5_000, int))))
        assert len(waiting.take(turn + 1)[0]) == 4_999
    assert len(waiting) == 300
    assert pa.total_allocated_bytes() - before < 2**20
    assert waiting.take(2 * 10**9)[0].at.tolist() == [10**9 + turn for turn in range(300)]


def test_sessions_in_sql_and_far_apart_in_time() -> None:
    """Behind SQL, and where times of many keys, each split, would not fit into one line of numbers."""
    plan = session(2, 3, aggregates=_AGGREGATES[:1])
    query = SqlPlan(
        "query", ("w",), ("w",), f'SELECT k, window_start, n, "{TIME}", "{ROW}" FROM w WHERE n > 1',
        traced=True, timed=True,
    )  # fmt: skip
    graph = Graph(replace(_stream(plan), nodes=(plan, query)), {"source": ROWS})
    years = 10**16
    rows: list[Row] = [
        (str(key), 1, 0.0, (key % 40 - 20) * years + step) for key in range(2_000) for step in (0, 2, 3, 4, 5, 6)
    ]
    graph("source", batch(rows), Intent(1, 0, (), None))
    made = graph.whole(graph("source", batch([]), Intent(2, 0, (), END)))
    assert made.schema.names[:3] == ["k", "window_start", "n"]
    assert made.column("n").to_pylist() == [3] * 4_000


def test_windows_of_sessions_lose_none() -> None:
    """A session that ends exactly at the watermark is still open, and comes out in time for the window before it."""
    sessions = session(10, aggregates=_AGGREGATES[:1])
    ends = WindowPlan("t", ("w",), "tumbling", 30, 30, (), (AggregatePlan("n", "count", BIGINT),), "{}")
    graph = Graph(replace(_stream(sessions), nodes=(sessions, ends)), {"source": ROWS})
    found = []
    for turn, mark in enumerate([None, 30, 31, 40, 60, END]):
        rows: list[Row] = [("a", 1, 0.0, 20), ("b", 1, 0.0, 49), ("c", 1, 0.0, 21)] if mark is None else []
        made = graph("source", batch(rows), Intent(turn + 1, 0, (), mark))
        assert not made.dropped
        found += [(mark, row["window_start"], row["n"]) for part in made.rows for row in _plain(part)]
    assert found == [(31, 0, 1), (END, 30, 2)]


def test_sessions_of_sql_come_out_with_their_ids(tmp_path: Path) -> None:
    sql = (
        "SELECT session_id AS name, count(*) AS id FROM session(source, INTERVAL '5 minutes', INTERVAL '1 hour') "
        "WHERE id > 0 GROUP BY window_start, session_id, name HAVING count(*) > 1"
    )
    made = Computed(planned(tmp_path, sql, on_error="fail", more="watermark: { lateness: 1h }"))
    rows = messages([{"id": id_, "name": name} for id_, name in ((1, "a"), (2, "a"), (3, "b"), (0, "b"), (4, None))])
    ranges = (Range.numbered("source", 0, 0, rows.num_rows),)
    for number, own, mark in ((1, rows, None), (2, rows.slice(0, 0), END)):
        found = made.compute(Polled("source", own, ranges, 0.0), Intent(number, NOON, ranges, mark))
    assert [(row["id"], len(row["name"])) for row in found.rows.to_pylist()] == [(2, 32)]
