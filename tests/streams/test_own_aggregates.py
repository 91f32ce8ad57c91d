"""Aggregates of windows that no batch may change: sketches, and functions of the project, by what is listed beside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowc.errors import DataError, UsageError
from flowc.loadplan import FunctionPlan
from flowc.nodes import KIND, TIME, AggregatePlan
from flowc.runtime.contracts.epoch import END
from flowc.runtime.engine.functions import Function
from flowc.runtime.streams.aggregates.accumulators import Accumulators
from flowc.runtime.streams.graph.graph import Graph
from flowc.types import BIGINT, DataType, Kind
from tests.extended import examples
from tests.streams import test_session_model as sessions
from tests.streams import test_window_model as windows
from tests.streams.compiled import plan

FLOAT, TEXT = DataType(Kind.FLOAT64), DataType(Kind.TEXT)


class Weighed:
    """How many rows there were, the sum of the products of two columns, and the longest text so far."""

    def __init__(self) -> None:
        self.rows, self.total, self.longest = 0, 0.0, ""

    def update(self, keys: pa.Array, numbers: pa.Array, weights: pa.Array) -> None:
        assert len(keys) == len(numbers) == len(weights) > 0
        self.rows += len(keys)
        self.total += sum((x or 0) * f for x, f in zip(numbers.to_pylist(), weights.to_pylist(), strict=True))
        self.longest = max([self.longest, *(key or "" for key in keys.to_pylist())])

    def merge(self, rows: pa.Array, totals: pa.Array, longest: pa.Array) -> None:
        self.rows += sum(rows.to_pylist())
        self.total += sum(totals.to_pylist())
        self.longest = max([self.longest, *longest.to_pylist()])

    def state(self) -> list[Any]:
        return [self.rows, self.total, self.longest]

    def evaluate(self) -> str:
        return f"{self.rows} {self.total:.3f} {self.longest}"


WEIGHED = FunctionPlan("weighed", "m:Weighed", True, (TEXT, BIGINT, FLOAT), TEXT, (BIGINT, FLOAT, TEXT))
FUNCTIONS = (Function(WEIGHED, Weighed),)
_LISTS = tuple(
    AggregatePlan(name, "array_agg", DataType(Kind.ARRAY, element=kind), name)
    for name, kind in (("x", BIGINT), ("f", FLOAT))
)
AGGREGATES = (
    *_LISTS,
    AggregatePlan("own", "weighed", TEXT, "k", more=("x", "f"), declared=WEIGHED),
    AggregatePlan("different", "approx_count_distinct", BIGINT, "x"),
    AggregatePlan("middle", "approx_percentile_cont", FLOAT, "f", level=0.5),
    AggregatePlan("high", "approx_percentile_cont", FLOAT, "x", level=0.9),
)


class _Sessions(sessions.Driven):
    """Sessions that have functions of the project."""

    def __post_init__(self) -> None:
        self.graph = Graph(sessions._stream(self.plan), {"source": sessions.ROWS}, functions=FUNCTIONS)

    def restart(self) -> None:
        self.__post_init__()
        self.graph.states.restore(self.point)


def _check(row: dict[str, Any]) -> None:
    """What is made of a group is what its values, which are listed beside it, give."""
    numbers, weights = row["x"], row["f"]
    known = [x for x in numbers if x is not None]
    total = sum((x or 0) * f for x, f in zip(numbers, weights, strict=True))
    assert row["own"] == f"{len(numbers)} {total:.3f} {row['k'] or ''}"
    assert row["different"] == len(set(known))
    assert row["middle"] == pytest.approx(float(np.quantile(weights, 0.5)))
    assert row["high"] == (pytest.approx(float(np.quantile(known, 0.9))) if known else None)


def _drive(driven: Any, data: st.DataObject, rows: Sequence[Any]) -> None:
    begin = 0
    for end in [*sorted(data.draw(st.sets(st.integers(0, len(rows)), max_size=4), "cuts")), len(rows)]:
        mark = max((at for *_, at in rows[:begin]), default=-200) - 40
        driven.epoch(rows[begin:end], mark)
        driven.keep()
        begin = end
        if data.draw(st.booleans(), "restart"):
            driven.restart()
    driven.epoch([], END)


@pytest.mark.parametrize(
    ("shape", "more"),
    [(windows.SHAPES[0], {}), (windows.SHAPES[3], {}), (windows.SHAPES[6], {}), (windows.SHAPES[3], {"emit": 5})],
    ids=["tumbling", "hopping", "cumulating", "hopping early"],
)
@settings(max_examples=examples(8), deadline=None)
@given(data=st.data())
def test_windows_have_sketches_and_own_functions(
    shape: windows.Shape, more: dict[str, Any], data: st.DataObject
) -> None:
    plan = windows.window(shape, aggregates=AGGREGATES, **more)
    driven = windows.Driven(plan, reopens=True, functions=FUNCTIONS)
    _drive(driven, data, data.draw(st.lists(windows._ROW, max_size=25), "rows"))
    for row in driven.out:
        assert (KIND in row) == bool(more)
        _check(row)


@settings(max_examples=examples(15), deadline=None)
@given(data=st.data())
def test_sessions_have_sketches_and_own_functions(data: st.DataObject) -> None:
    plan = sessions.session(10, 30, aggregates=AGGREGATES)
    driven = _Sessions(plan)
    rows = data.draw(st.lists(windows._ROW, max_size=25), "rows")
    _drive(driven, data, rows)
    assert sum(len(row["x"]) for row in driven.out) + driven.dropped == len(rows)
    for row in driven.out:
        _check(row)


def _made(
    function: FunctionPlan, python: Callable[[], Any], kind: pa.DataType | None = None, *more: AggregatePlan
) -> Accumulators:
    plans = [AggregatePlan("a", function.name, FLOAT, "x", where="w", declared=function), *more]
    schema = pa.schema([("x", kind or pa.float64()), ("w", pa.bool_())])
    made = Accumulators(plans, schema, functions=[Function(function, python)])
    made.grow(4)
    return made


def _add(made: Accumulators, slots: Sequence[int], values: Sequence[float | None], where: bool | None = True) -> None:
    columns = pa.array(values, pa.float64()), pa.array([where] * len(values), pa.bool_())
    times = pa.array([0] * len(values), pa.timestamp("us"))
    made.add(np.array(slots, np.int64), pa.record_batch([*columns, times], names=["x", "w", TIME]))


class Calls:
    """Counts what is called of it, and how many NULLs it is given."""

    called: ClassVar[list[str]] = []

    def __init__(self) -> None:
        self.nulls = 0

    def update_batch(self, values: pa.Array) -> None:
        self.called.append(f"update {len(values)}")
        self.nulls += values.null_count

    def merge_batch(self, nulls: pa.Array) -> None:
        self.called.append(f"merge {len(nulls)}")
        self.nulls += sum(nulls.to_pylist())

    def state(self) -> pa.Scalar:
        return pa.scalar(self.nulls)

    def evaluate(self) -> pa.Array:
        return pa.array([self.nulls])


COUNTED = FunctionPlan("nulls", "m:Calls", True, (FLOAT,), FLOAT, (BIGINT,))


def test_each_group_of_a_batch_is_updated_once() -> None:
    Calls.called = []
    made = _made(COUNTED, Calls)
    _add(made, [2, 0, 2, 2], [1.0, None, None, 2.0])
    assert Calls.called == ["update 1", "update 3"]
    _add(made, [2, 1], [None, None])
    assert Calls.called[2:] == ["update 1", "merge 1", "update 1"]
    _add(made, [3], [None], where=None)
    assert Calls.called[5:] == [], "a filter leaves its rows out before"
    assert made.results(np.arange(4))[0].to_pylist() == [1.0, 1.0, 2.0, 0.0]


@pytest.mark.parametrize("name", ["nulls", "percentiles", "distinct"])
def test_a_function_may_be_called_as_what_is_kept_of_others(name: str) -> None:
    middle = AggregatePlan("p", "approx_percentile_cont", FLOAT, "x", where="w", level=0.5)
    count = AggregatePlan("n", "count", BIGINT, "x", where="w")
    made = _made(replace(COUNTED, name=name), Calls, None, count, middle, replace(count, distinct=True))
    _add(made, [2, 0, 2, 2], [1.0, None, None, 2.0])
    assert [each.to_pylist() for each in made.results(np.array([0, 2]))] == [[1.0, 1.0], [0, 2], [None, 1.5], [0, 2]]


def test_states_of_a_group_are_merged_at_once_and_alone_are_taken_as_they_are() -> None:
    made, panes = _made(COUNTED, Calls), _made(COUNTED, Calls)
    _add(panes, [0, 1, 2], [None, None, 1.0])
    _add(made, [3], [None])
    Calls.called = []
    made.combine(np.array([0, 3, 1, 3]), panes, np.array([0, 1, 2, 0]))
    assert Calls.called == ["merge 3"]
    assert made.results(np.arange(4))[0].to_pylist() == [1.0, 0.0, 0.0, 3.0]


class Failing(Calls):
    """Fails where it is told to."""

    where = ""

    def update_batch(self, values: pa.Array) -> None:
        if self.where == "update":
            raise ValueError("no such price")

    def state(self) -> Any:
        return "a text" if self.where == "state" else [0, 0] if self.where == "states" else 0

    def evaluate(self) -> Any:
        return [] if self.where == "evaluate" else 1.0


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("update", "ValueError: no such price"), ("state", "`state` returned 'a text'"),
        ("states", "`state` returned 2 values, and 1 are declared"), ("evaluate", "`evaluate` returned []"),
    ],
)  # fmt: skip
def test_what_fails_is_told_with_the_functions_name(where: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Failing, "where", where)
    made = _made(COUNTED, Failing)

    def run() -> None:
        _add(made, [0], [1.0])
        made.results(np.array([0]))

    with pytest.raises(DataError) as failure:
        run()
    assert failure.value.code == "function-failed"
    assert str(failure.value).startswith("function `nulls` failed: ")
    assert words in str(failure.value)


def test_arguments_that_it_does_not_take_are_refused() -> None:
    with pytest.raises(UsageError) as failure:
        _made(COUNTED, Calls, pa.string())
    assert failure.value.code == "wrong-arguments"
    assert "`nulls` does not take what the SQL gives it (text)" in str(failure.value)


@pytest.mark.parametrize("call", ["count(DISTINCT {})", "approx_count_distinct({})"])
def test_lists_that_only_the_engine_knows_are_not_told_apart(tmp_path: Path, call: str) -> None:
    counted = call.format("string_to_array(name, ',')")
    sql = f"SELECT name, {counted} AS id FROM tumble(source, INTERVAL '1 minute') GROUP BY window_start, name"
    with pytest.raises(UsageError) as failure:
        plan(tmp_path, sql)
    assert failure.value.code == "unusable-keys"


def test_documents_that_only_the_engine_knows_have_no_order(tmp_path: Path) -> None:
    given = "WITH p AS (SELECT named_struct('id', id) AS doc, name FROM source)"
    sql = f"{given} SELECT name, max(doc) AS id FROM tumble(p, INTERVAL '1 minute') GROUP BY window_start, name"
    with pytest.raises(UsageError) as failure:
        plan(tmp_path, sql)
    assert failure.value.code == "unsupported-aggregate"
