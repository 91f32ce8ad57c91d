"""Sessions that come out before they are over, against a model row by row: after each epoch the target, a dict to which
the changes were applied, has those that are over, and the open ones as they were when event time came into its step."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from flowc.nodes import KIND, TIME, Change, WindowPlan
from flowc.runtime.contracts.epoch import END
from flowc.runtime.streams.operators.session import Sessions
from tests.extended import examples
from tests.streams.test_session_again import _ROW, _SHAPES, COUNT, Key, Target, bare
from tests.streams.test_session_model import FOREVER, Model, _shown, session


def early(gap: int, longest: int, every: int, **more: Any) -> WindowPlan:
    return session(gap, longest, emit=every, **more)


@dataclass
class Early(Target):
    """A stream from epoch to epoch, and a table that has what came of it."""

    @property
    def operator(self) -> Sessions:  # type: ignore[override]
        operator = self.graph.nodes[0].operator
        assert isinstance(operator, Sessions)
        return operator

    def _apply(self, row: dict[str, Any]) -> Key:
        key, kind = (row.get("k"), row["window_start"]), Change(row.pop(KIND))
        there = self.table.pop(key, None)
        assert kind != Change.DELETE or there is not None, "nothing goes that is not there"
        if kind != Change.DELETE:
            self.table[key] = row
        return key


@dataclass
class Shown(Model):
    """The model of sessions, with the steps of event time in which those that are open are shown."""

    every: int = 1
    step: int | None = None
    table: dict[Key, dict[str, Any]] = field(default_factory=dict)

    def _settle(self, mark: int) -> None:
        before, count = {key: each.first for key, each in self.open.items()}, len(self.out)
        super()._settle(mark)
        for row in self.out[count:]:
            self.table[row["k"], row["window_start"]] = row
        starts = {(row["k"], row["window_start"]) for row in self.out[count:]}
        starts |= {(key, each.first) for key, each in self.open.items()}
        for key, first in before.items():
            if (key, first) not in starts and self.table.pop((key, first), None) is not None:
                self._show([key] if key in self.open and self.open[key].first < first else [])
        if self.step is None or mark // self.every > self.step:
            self.step = mark // self.every
            self._show(self.open)

    def _show(self, keys: Any) -> None:
        for key in keys:
            if key in self.open:
                found = self.open[key]
                found.rows.sort(key=lambda row: row[3])
                self.table[key, found.first] = _shown(key, found, self.gap)


@settings(max_examples=examples(30), deadline=None)
@given(data=st.data())
def test_the_target_has_open_sessions_as_of_their_step(data: st.DataObject) -> None:
    gap, longest = data.draw(_SHAPES, "shape")
    every = data.draw(st.sampled_from([1, 3, 10, 40]), "every")
    steps = st.lists(st.tuples(st.lists(_ROW, max_size=8), st.integers(0, 10)), max_size=8)
    target, model, mark = Early(early(gap, longest, every)), Shown(gap, longest, every=every), -25
    end = data.draw(st.one_of(st.none(), st.integers(0, 7)), "end of a run")
    for turn, (rows, more) in enumerate(data.draw(steps, "epochs")):
        mark += more
        cuts = sorted(data.draw(st.sets(st.integers(0, len(rows)), max_size=2), "cuts"))
        for begin, stop in pairwise([0, *cuts, len(rows)]):
            target.epoch(rows[begin:stop], mark)
            model.run([(rows[begin:stop], mark)])
            assert _same(target, model)
            if data.draw(st.booleans(), "restart"):
                target.keep()
                target.restart()
        if turn == end:
            target.epoch([], END)
            model.run([([], END)])
    target.epoch([], END)
    model.run([([], END)])
    assert _same(target, model)
    assert target.dropped == len(model.late)
    assert {row["window_start"] for row in model.out} == {start for _, start in target.table}, "nothing is left over"


def _same(target: Target, model: Shown) -> bool:
    """Beside the order in which rows of one moment were added up."""
    found, wanted = bare(target.table), model.table
    assert {key: {**row, "all": None, "first": None} for key, row in found.items()} == {
        key: {**row, "all": None, "first": None} for key, row in wanted.items()
    }
    return True


def test_an_open_session_comes_out_with_each_step_in_which_it_changed() -> None:
    target = Early(early(10, FOREVER, 5, aggregates=COUNT))
    target.epoch([("a", 1, 0.0, 0), ("a", 1, 0.0, 4)], None)
    target.epoch([], 3)
    assert (target.changes, target.table["a", 0]["n"]) == ([(Change.UPDATE_AFTER, ("a", 0))], 1)
    target.epoch([], 4)
    assert target.changes == []
    target.epoch([], 6)
    assert (target.changes, target.table["a", 0]["n"]) == ([(Change.UPDATE_AFTER, ("a", 0))], 2)
    for at in (11, 15):
        target.epoch([], at)
        assert target.changes == [], "it has come out as it is"
    assert target.table["a", 0]["window_end"] == 14


def test_one_that_begins_earlier_by_a_row_that_came_later_goes_and_comes_at_once() -> None:
    target = Early(early(10, FOREVER, 10, aggregates=COUNT))
    target.epoch([("a", 1, 0.0, 18)], None)
    target.epoch([("a", 1, 0.0, 13)], 20)
    assert target.changes == [(Change.UPDATE_AFTER, ("a", 18))]
    target.keep()
    target.restart()
    target.epoch([], 21)
    assert target.changes == [(Change.DELETE, ("a", 18)), (Change.UPDATE_AFTER, ("a", 13))]
    assert [(row["n"], row[TIME]) for row in target.table.values()] == [(2, 27)]


def test_a_checkpoint_does_not_grow_by_what_is_shown() -> None:
    target = Early(early(1000, FOREVER, 10, aggregates=COUNT))
    target.epoch([(str(n), 1, 0.0, 3) for n in range(5000)], 1)
    target.epoch([], 5)
    target.keep()
    target.epoch([], 15)
    assert len(target.table) == len(target.changes) == 5000
    assert sum(len(each.data) for each in target.operator.snapshot()) < 2000, "of 5,000 sessions, none is kept again"
