"""Sessions that reopen, against a model that knows nothing but which rows came in time: after each epoch the target,
a dict to which the changes were applied, has the sessions of these rows that are over, and no others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise, permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowc.errors import EngineError
from flowc.nodes import KIND, TIME, AggregatePlan, Change, WindowPlan
from flowc.runtime.contracts.epoch import END, Intent
from flowc.runtime.contracts.state import Checkpoint
from flowc.runtime.streams.graph.graph import Graph
from flowc.runtime.streams.operators.contract import Decision
from flowc.runtime.streams.operators.sessionagain import SessionsAgain
from flowc.types import BIGINT, DataType, Kind
from tests.extended import examples
from tests.streams.test_session_model import FOREVER, ROWS, Row, _plain, _stream, batch, session

COUNT = (AggregatePlan("n", "count", BIGINT),)
Key = tuple[str | None, int]


def again(gap: int, longest: int, allowed: int, **more: Any) -> WindowPlan:
    return session(gap, longest, late="reopen", allowed_lateness=allowed, **more)


@dataclass
class Target:
    """A stream from epoch to epoch, and a table that has what came of it."""

    plan: WindowPlan
    table: dict[Key, dict[str, Any]] = field(default_factory=dict)
    changes: list[tuple[Change, Key]] = field(default_factory=list)
    """What the last epoch did."""
    dropped: int = 0
    late: list[int] = field(default_factory=list)
    point: Checkpoint = field(default_factory=Checkpoint)
    graph: Graph = field(init=False)

    def __post_init__(self) -> None:
        self.graph = Graph(_stream(self.plan), {"source": ROWS})

    @property
    def operator(self) -> SessionsAgain:
        operator = self.graph.nodes[0].operator
        assert isinstance(operator, SessionsAgain)
        return operator

    def epoch(self, rows: Sequence[Row], mark: int | None) -> None:
        promised, due = self.operator.watermark, mark is not None and self.graph.due(mark)
        found = self.graph("source", batch(rows), Intent(1, 0, (), mark))
        shown = [row for part in found.rows for row in _plain(part)]
        assert due or rows or not shown, "rows come out where some are due or came, and nowhere else"
        assert promised is None or all(row[TIME] >= promised for row in shown)
        self.changes = [(Change(row[KIND]), self._apply(row)) for row in shown]
        self.dropped += sum(found.dropped.values())
        self.late += [rows[aside.row.index][1] or 0 for aside in found.late]

    def _apply(self, row: dict[str, Any]) -> Key:
        key, kind = (row.get("k"), row["window_start"]), row.pop(KIND)
        there = self.table.pop(key, None)
        assert (there is None) == (kind == Change.INSERT), "each change is one of what is there"
        assert there is None or there["session_id"] == row["session_id"]
        if kind != Change.DELETE:
            self.table[key] = row
        return key

    def keep(self) -> None:
        found = self.graph.states.snapshot(Checkpoint(self.point.epoch + 1))
        self.point = replace(found, segments=(*self.point.segments, *found.segments))
        state = self.operator._state
        assert sum(each.rows for each in self.point.segments) == len(state.groups) + len(state.waiting)

    def restart(self) -> None:
        self.graph = Graph(_stream(self.plan), {"source": ROWS})
        self.graph.states.restore(self.point)


@dataclass
class Model:
    """The rows that came in time; what is over of their sessions is computed from all of them, each time anew."""

    gap: int
    longest: int
    allowed: int
    mark: int = -(10**9)
    rows: list[Row] = field(default_factory=list)
    late: list[int] = field(default_factory=list)

    def epoch(self, rows: Sequence[Row], mark: int | None) -> None:
        if mark == END:
            mark = max((at + self.gap + 1 for *_, at in self.rows), default=None)
        self.mark = max(self.mark, self.mark if mark is None else mark)
        for row in rows:
            if row[3] + self.gap + self.allowed < self.mark:
                self.late.append(row[1] or 0)
            else:
                self.rows.append(row)

    def table(self) -> dict[Key, dict[str, Any]]:
        """Nothing is over before there is a watermark."""
        found: dict[Key, dict[str, Any]] = {}
        own: dict[str | None, list[Row]] = {}
        for row in sorted((row for row in self.rows if row[3] < self.mark), key=lambda row: row[3]):
            own.setdefault(row[0], []).append(row)
        for key, rows in own.items():
            for part, is_last in self._sessions(rows):
                if not is_last or part[-1][3] + self.gap < self.mark:
                    found[key, part[0][3]] = self._shown(part)
        return found

    def _sessions(self, rows: Sequence[Row]) -> list[tuple[list[Row], bool]]:
        made: list[list[Row]] = []
        for row in rows:
            if made and row[3] - made[-1][-1][3] <= self.gap and row[3] - made[-1][0][3] <= self.longest:
                made[-1].append(row)
            else:
                made.append([row])
        return [(part, part is made[-1]) for part in made]

    def _shown(self, rows: Sequence[Row]) -> dict[str, Any]:
        values, end = [x for _, x, _, _ in rows if x is not None], rows[-1][3] + self.gap
        return {
            "window_start": rows[0][3], "window_end": end, "k": rows[0][0], "n": len(rows),
            "real": sum(f for _, _, f, _ in rows), "most": max(values, default=None), "first": rows[0][1],
            "different": len(set(values)), "all": [x for _, x, _, _ in rows], TIME: end - 1,
        }  # fmt: skip


def bare(table: dict[Key, dict[str, Any]]) -> dict[Key, dict[str, Any]]:
    return {key: {name: value for name, value in row.items() if name != "session_id"} for key, row in table.items()}


_ROW = st.tuples(
    st.sampled_from(["a", None]), st.one_of(st.none(), st.integers(-5, 5)),
    st.integers(0, 64).map(lambda n: n / 8), st.integers(-25, 25),
)  # fmt: skip
_SHAPES = st.sampled_from([(10, FOREVER), (10, 30), (10, 25), (7, 7), (1, 5), (20, 20), (5, 3)])


@settings(max_examples=examples(20), deadline=None)
@given(data=st.data())
def test_the_target_has_the_sessions_of_all_rows_in_time(data: st.DataObject) -> None:
    gap, longest = data.draw(_SHAPES, "shape")
    allowed = data.draw(st.sampled_from([0, 3, 15, 60]), "allowed")
    steps = st.lists(st.tuples(st.lists(_ROW, max_size=8), st.integers(0, 10)), max_size=8)
    target, model, mark = Target(again(gap, longest, allowed)), Model(gap, longest, allowed), -25
    end = data.draw(st.one_of(st.none(), st.integers(0, 7)), "end of a run")
    for turn, (rows, more) in enumerate(data.draw(steps, "epochs")):
        mark += more
        cuts = sorted(data.draw(st.sets(st.integers(0, len(rows)), max_size=2), "cuts"))
        for begin, stop in pairwise([0, *cuts, len(rows)]):
            for each in (target, model):
                each.epoch(rows[begin:stop], mark)
            assert bare(target.table) == model.table()
            if data.draw(st.booleans(), "restart"):
                target.keep()
                target.restart()
        if turn == end:
            for each in (target, model):
                each.epoch([], END)
    for each in (target, model):
        each.epoch([], END)
    assert bare(target.table) == model.table()
    assert target.dropped == len(model.late)
    waiting = target.operator._state.waiting
    assert waiting.earliest is None or waiting.earliest >= model.mark - gap - allowed, "what is over is forgotten"


EVENTS = {
    "mixed": [0, 10, 21, 31, 32, 43], "a gap apart": [0, 10, 20, 30, 40, 50], "ties": [5, 5, 15, 15, 26, 27],
}  # fmt: skip


@pytest.mark.covering
@pytest.mark.parametrize("longest", [FOREVER, 20])
@pytest.mark.parametrize("times", EVENTS.values(), ids=EVENTS)
def test_all_permutations_of_up_to_six_events(times: list[int], longest: int) -> None:
    """Each is one key of its own, with an event in each epoch, before each of which what is there is over by then.

    Of those of six, sessions of either length have the half that the others have not.
    """
    orders = [order for count in range(1, 6) for order in permutations(times[:count])]
    orders += [*permutations(times)][longest == FOREVER :: 2]
    target, model = Target(again(10, longest, 100, aggregates=COUNT)), Model(10, longest, 100)
    for turn in range(6):
        rows: list[Row] = [(str(n), 0, 0.0, order[turn]) for n, order in enumerate(orders) if turn < len(order)]
        mark = [-100, -10, 12, 33, 47, 70][turn]
        for each in (target, model):
            each.epoch(rows, mark)
        target.keep()
        target.restart()
        for each in (target, model):
            each.epoch([], mark + 5)
        wanted = {key: (row["window_end"], row["n"]) for key, row in model.table().items()}
        assert {key: (row["window_end"], row["n"]) for key, row in target.table.items()} == wanted
    assert (target.dropped, model.late) == (0, [])
    whole = {n: sorted(at for key, at in target.table if key == str(n)) for n, order in enumerate(orders)}
    for count in range(1, 7):
        assert len({str(whole[n]) for n, order in enumerate(orders) if len(order) == count}) == 1


def _driven(gap: int, longest: int, allowed: int, **more: Any) -> Target:
    target = Target(again(gap, longest, allowed, **more))
    target.epoch([("a", 1, 0.0, 0), ("a", 2, 0.0, 20)], None)
    target.epoch([], 31)
    assert target.changes == [(Change.INSERT, ("a", 0)), (Change.INSERT, ("a", 20))]
    return target


def test_a_row_that_bridges_two_sessions_takes_the_second_back() -> None:
    target = _driven(10, FOREVER, 50)
    target.epoch([("a", 3, 0.0, 10)], 31)
    assert target.changes == [(Change.DELETE, ("a", 20)), (Change.UPDATE_AFTER, ("a", 0))]
    assert [(row["window_end"], row["all"]) for row in target.table.values()] == [(30, [1, 3, 2])]
    target.epoch([("b", 0, 0.0, 0)], 31)
    assert target.changes == [(Change.INSERT, ("b", 0))]


def test_a_row_that_bridges_into_an_open_session_takes_what_was_out_back() -> None:
    target = _driven(10, FOREVER, 50)
    target.epoch([("a", 3, 0.0, 35)], 31)
    target.epoch([("a", 4, 0.0, 28)], 36)
    assert target.changes == [(Change.DELETE, ("a", 20))]
    target.epoch([], 46)
    assert target.changes == [(Change.INSERT, ("a", 20))]
    assert target.table["a", 20]["all"] == [2, 4, 3]


def test_an_earlier_row_makes_it_another_session() -> None:
    target = _driven(10, FOREVER, 50)
    before = target.table["a", 20]["session_id"]
    target.epoch([("a", 3, 0.0, 15)], 31)
    assert target.changes == [(Change.DELETE, ("a", 20)), (Change.INSERT, ("a", 15))]
    assert target.table["a", 15]["session_id"] != before


@pytest.mark.parametrize("allowed", [0, 50])
def test_a_session_that_is_full_comes_out_when_the_next_one_has_begun(allowed: int) -> None:
    target = Target(again(10, 20, allowed))
    target.epoch([("a", n, 0.0, at) for n, at in enumerate([0, 10, 20, 22])], None)
    target.epoch([], 21)
    assert target.changes == []
    target.epoch([], 23)
    assert target.changes == [(Change.INSERT, ("a", 0))]


def test_the_last_row_that_is_in_time_finds_the_session_it_is_of() -> None:
    target = Target(again(10, FOREVER, 5))
    target.epoch([("a", 1, 0.0, 0)], None)
    target.epoch([], 25)
    target.epoch([("a", 2, 0.0, 10), ("a", 3, 0.0, 9)], 25)
    assert (target.dropped, target.changes) == (1, [(Change.UPDATE_AFTER, ("a", 0))])
    assert target.table["a", 0]["all"] == [1, 2]


def test_sessions_without_keys_reopen_and_floats_are_added_by_time() -> None:
    target = Target(
        again(10, FOREVER, 50, keys=(), aggregates=(*COUNT, AggregatePlan("real", "sum", DataType(Kind.FLOAT64), "f")))
    )
    target.epoch([("a", 1, 1e16, 0), ("b", 2, 1.0, 20)], 40)
    target.epoch([("c", 3, -1e16, 10), ("d", 4, 0.5, 200)], 40)
    assert target.changes == [(Change.DELETE, (None, 20)), (Change.UPDATE_AFTER, (None, 0))]
    assert [(row["n"], row["real"]) for row in target.table.values()] == [(3, 1.0)]


def test_a_row_that_moves_where_sessions_are_split_changes_all_that_follow() -> None:
    target = Target(again(10, 20, 100))
    target.epoch([("a", n, 0.0, 10 * n) for n in range(1, 7)], None)
    target.epoch([], 80)
    assert [start for _, start in target.table] == [10, 40]
    target.epoch([("a", 0, 0.0, 0)], 80)
    assert [kind for kind, _ in target.changes] == [Change.DELETE] * 2 + [Change.INSERT] * 3
    assert [(start, row["all"]) for (_, start), row in target.table.items()] == [
        (0, [0, 1, 2]), (30, [3, 4, 5]), (60, [6]),
    ]  # fmt: skip


def test_rows_are_in_time_as_long_as_a_session_of_them_alone_may_come_again() -> None:
    target = Target(again(10, FOREVER, 5))
    target.epoch([("a", 1, 0.0, 100)], None)
    target.epoch([("b", 2, 0.0, 85), ("b", 3, 0.0, 84), ("a", 4, 0.0, 84)], 100)
    assert (target.dropped, target.changes) == (2, [(Change.INSERT, ("b", 85))])
    target.epoch([], END)
    assert [*target.table] == [("b", 85), ("a", 100)]
    target.keep()
    target.restart()
    target.epoch([("a", 5, 0.0, 95), ("a", 6, 0.0, 96)], 100)
    assert target.dropped == 3
    assert [row["all"] for key, row in target.table.items() if key[0] == "a"] == [[6, 1]]


def test_it_is_refused_to_go_on_where_sessions_are_forgotten_that_would_come_again() -> None:
    def told(**more: int) -> str:
        return json.dumps({"operator": "window", "kind": "session", "step": 10, **more})

    operator = SessionsAgain(again(10, 60, 5, fingerprint=told(reopen=5)), ROWS)
    verdicts = {before: operator.verdict(told(reopen=before)) for before in (9, 5, 4, 0)}
    assert [verdict.decision for verdict in verdicts.values()] == [Decision.KEEP] * 2 + [Decision.REFUSE] * 2
    assert verdicts[4].reason == "its allowed lateness was 4us, is 5us"
    assert operator.verdict(told()).reason == "its allowed lateness was 0, is 5us"
    assert SessionsAgain(again(10, 60, 0, fingerprint=told(reopen=0)), ROWS).verdict(told()).decision is Decision.REFUSE


def test_less_lateness_goes_on_with_what_there_is() -> None:
    target = _driven(10, FOREVER, 50, fingerprint='{"reopen":50}')
    target.keep()
    target.plan = again(10, FOREVER, 3, fingerprint='{"reopen":3}')
    target.restart()
    target.epoch([("a", 3, 0.0, 10), ("a", 4, 0.0, 20)], 31)
    assert (target.dropped, target.changes) == (1, [(Change.UPDATE_AFTER, ("a", 20))])
    target.epoch([], 100)
    assert len(target.operator._state.waiting) == len(target.operator._groups) == 0


def test_a_checkpoint_is_as_large_as_what_changed_and_too_much_is_told() -> None:
    target = Target(again(10, FOREVER, 100, aggregates=COUNT))
    target.epoch([(str(n), n, 0.0, 0) for n in range(10_000)], None)
    target.epoch([], 5)
    target.keep()
    whole = sum(len(each.data) for each in target.point.segments)
    target.epoch([(str(n), n, 0.0, 1) for n in range(5)], 20)
    assert sum(len(each.data) for each in target.operator.snapshot()) < whole // 50
    target = Target(again(10, FOREVER, 100, max_bytes=300_000))
    with pytest.raises(EngineError) as failure:
        target.epoch([("a", 1, 0.0, at) for at in range(10_000)], None)
    assert failure.value.code == "state-too-large"
