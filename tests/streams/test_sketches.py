"""Sketches: exact of few values, near of many, and the same whatever batches, restarts and panes there were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowc.errors import UsageError
from flowc.nodes import AggregatePlan
from flowc.runtime.streams.aggregates import percentiles, sketches
from flowc.runtime.streams.aggregates.accumulators import Accumulators
from flowc.runtime.streams.aggregates.percentiles import Percentiles
from flowc.runtime.streams.aggregates.sketches import Approximate
from flowc.runtime.streams.keyed.slots import slot_column
from flowc.types import BIGINT, DataType, Kind
from tests.extended import examples
from tests.streams.test_aggregates import VALUES

FLOAT = DataType(Kind.FLOAT64)
PARTS = {"different": lambda: Approximate("x", pa.int64()), "percentiles": lambda: Percentiles("x")}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups of few values have sketches, and values wait for few others."""
    for module in (sketches, percentiles):
        monkeypatch.setattr(module, "FEW", 4)
        monkeypatch.setattr(module, "WAITING", 6)


def _made(part: str, count: int = 3) -> Any:
    made = PARTS[part]()
    made.grow(count)
    return made


def _add(part: Any, rows: Sequence[tuple[int, int]]) -> None:
    slots, values = (np.array([row[place] for row in rows], np.int64) for place in range(2))
    part.add(slots, pa.array(values), None)


def _told(part: Any, slots: Any) -> list[Any]:
    """What is kept of groups, and what it gives."""
    found = part.of(slots, 0.3).to_pylist() if isinstance(part, Percentiles) else part.of(slots).tolist()
    return [found, [column.to_pylist() for column in part.take(slots)]]


_ROWS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30)), max_size=60)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", PARTS)
@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=_ROWS, data=st.data())
def test_batches_and_restarts_change_no_bit(name: str, rows: list[tuple[int, int]], data: st.DataObject) -> None:
    whole, parts, slots = _made(name), _made(name), np.arange(3)
    _add(whole, rows)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(rows)), max_size=5), "cuts"))
    for begin, end in zip([0, *cuts], [*cuts, len(rows)], strict=True):
        _add(parts, rows[begin:end])
        if data.draw(st.booleans(), "restart"):
            state, parts = parts.take(slots), _made(name)
            parts.put(slots, state)
        elif data.draw(st.booleans(), "asked"):
            _told(parts, slots)
    assert _told(parts, slots) == _told(whole, slots)


@pytest.mark.usefixtures("small")
@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=_ROWS, data=st.data())
def test_different_values_are_counted_alike_in_any_order_and_in_panes(
    rows: list[tuple[int, int]], data: st.DataObject
) -> None:
    whole, panes, slots = _made("different"), _made("different", 6), np.arange(3)
    _add(whole, rows)
    _add(panes, [(slot + 3 * data.draw(st.integers(0, 1), "pane"), x) for slot, x in data.draw(st.permutations(rows))])
    together = _made("different")
    together.combine(np.arange(6) % 3, panes, np.arange(6))
    assert _told(together, slots) == _told(whole, slots)


@pytest.mark.usefixtures("small")
@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=_ROWS)
def test_panes_of_percentiles_are_put_together_in_their_order(rows: list[tuple[int, int]]) -> None:
    panes, at_once, one_by_one = _made("percentiles", 6), _made("percentiles"), _made("percentiles")
    _add(panes, [(slot + 3 * (place % 2), x) for place, (slot, x) in enumerate(rows)])
    at_once.combine(np.arange(6) % 3, panes, np.arange(6))
    for pane in (np.arange(3), np.arange(3, 6)):
        one_by_one.combine(np.arange(3), panes, pane)
    values = {slot: sorted(x for other, x in rows if other == slot) for slot in range(3)}
    for level in (0.0, 0.5, 1.0):
        found = at_once.of(np.arange(3), level).to_pylist()
        assert found == one_by_one.of(np.arange(3), level).to_pylist()
        for slot, value in enumerate(found):
            assert (value is None) == (not values[slot])
            assert value is None or values[slot][0] <= value <= values[slot][-1]


@pytest.mark.parametrize("name", PARTS)
def test_a_slot_that_was_cleared_has_seen_no_row(name: str) -> None:
    part = _made(name)
    before = _told(part, np.array([1]))
    _add(part, [(slot, value) for value in range(3000) for slot in (0, 1)])
    kept = _told(part, np.array([0]))
    part.clear(np.array([1]))
    assert _told(part, np.array([1])) == before
    assert _told(part, np.array([0])) == kept
    assert part.nbytes > 0


def _accumulated(plans: Sequence[AggregatePlan], values: pa.Array, slots: Any = None) -> Accumulators:
    made = Accumulators(plans, pa.schema([("x", values.type)]))
    made.grow(2)
    made.add(np.zeros(len(values), np.int64) if slots is None else slots, pa.record_batch([values], names=["x"]))
    return made


@pytest.mark.parametrize("name", VALUES)
@settings(max_examples=examples(5), deadline=None)
@given(data=st.data())
def test_few_values_of_each_type_are_counted_exactly(name: str, data: st.DataObject) -> None:
    kind, values = VALUES[name]
    given = pa.array(data.draw(st.lists(st.one_of(st.none(), values), max_size=20)), kind)
    plans = [
        AggregatePlan("a", "approx_count_distinct", BIGINT, "x"),
        AggregatePlan("b", "count", BIGINT, "x", distinct=True),
    ]
    about, exact = _accumulated(plans, given).results(np.array([0, 1]))
    assert about == exact


def test_zeros_and_nan_are_one_value_each() -> None:
    nan, plan = float("nan"), AggregatePlan("a", "approx_count_distinct", BIGINT, "x")
    given = pa.array([0.0, -0.0, nan, -nan, None] * 300, pa.float64())
    assert _accumulated([plan], given).results(np.array([0]))[0].to_pylist() == [2]


def test_many_values_are_counted_within_three_standard_errors() -> None:
    for kind, count in ((pa.int64(), 1000), (pa.int64(), 200_000), (pa.string(), 20_000)):
        part = Approximate("x", kind)
        part.grow(1)
        for begin in range(0, count, 7000):
            values = pa.array(np.arange(begin, min(begin + 7000, count))).cast(kind)
            part.add(
                np.zeros(len(values), np.int64), pa.concat_arrays([values, values[:5]]).slice(0, len(values)), None
            )
        assert abs(part.of(np.array([0]))[0] / count - 1) < 3 * 0.011
        assert sum(column.nbytes for column in part.take(np.array([0]))) < 3000


def test_percentiles_of_few_numbers_are_those_of_numpy() -> None:
    chance = np.random.default_rng(3)
    numbers = chance.integers(-50, 50, 999)
    levels = [0.0, 0.01, 0.25, 0.5, 0.777, 1.0]
    plans = [AggregatePlan(str(p), "approx_percentile_cont", FLOAT, "x", level=p) for p in levels]
    for kind in (pa.int64(), pa.float32(), pa.decimal128(20, 1)):
        made = _accumulated(plans, pa.array(numbers.tolist(), pa.int64()).cast(kind)).results(np.array([0, 1]))
        assert [each.to_pylist() for each in made] == [
            [pytest.approx(float(np.quantile(numbers, level))), None] for level in levels
        ]


@pytest.mark.parametrize("shape", ["normal", "exponential", "rising", "few"])
def test_the_rank_of_a_percentile_of_many_numbers_is_near(shape: str) -> None:
    chance, count = np.random.default_rng(5), 100_000
    numbers = {
        "normal": chance.normal(size=count), "exponential": chance.exponential(size=count),
        "rising": np.arange(count) * 1.0, "few": chance.integers(0, 100, count) * 1.0,
    }[shape]  # fmt: skip
    part, ordered = Percentiles("x"), np.sort(numbers)
    part.grow(1)
    for begin in range(0, count, 7000):
        part.add(np.zeros(len(numbers[begin : begin + 7000]), np.int64), pa.array(numbers[begin : begin + 7000]), None)
    for level, most in ((0.001, 0.002), (0.01, 0.004), (0.1, 0.012), (0.5, 0.012), (0.9, 0.012), (0.999, 0.002)):
        value = part.of(np.array([0]), level)[0].as_py()
        low, high = (np.searchsorted(ordered, value, side) / count for side in ("left", "right"))
        assert low - most <= level <= high + most, (level, low, high)
    assert [part.of(np.array([0]), level)[0].as_py() for level in (0.0, 1.0)] == [ordered[0], ordered[-1]]
    assert sum(column.nbytes for column in part.take(np.array([0]))) < 20_000


@pytest.mark.parametrize("times", [1, 2000])
def test_infinities_are_at_both_ends_and_nan_behind_them(times: int) -> None:
    inf, nan = float("inf"), float("nan")
    plans = [AggregatePlan(str(p), "approx_percentile_cont", FLOAT, "x", level=p / 10) for p in range(11)]
    given = pa.array([nan, -inf, 1.0, 2.0, inf] * times, pa.float64())
    found = [each.to_pylist()[0] for each in _accumulated(plans, given).results(np.array([0]))]
    assert [found[0], found[10]] == [-inf, pytest.approx(nan, nan_ok=True)]
    assert found[5] == pytest.approx(2.0, abs=0.01)
    assert np.isnan(_accumulated(plans[5:6], pa.array([nan])).results(np.array([0]))[0].to_pylist()[0])


def test_percentiles_of_what_are_no_numbers_are_refused() -> None:
    for kind in (pa.string(), pa.timestamp("us"), pa.bool_(), pa.list_(pa.int64())):
        with pytest.raises(UsageError) as failure:
            _accumulated([AggregatePlan("a", "approx_percentile_cont", FLOAT, "x", level=0.5)], pa.array([], kind))
        assert failure.value.code == "unsupported-aggregate"


def test_large_values_that_were_replaced_take_no_memory() -> None:
    column = slot_column(pa.binary())
    column.grow(2)
    for number in range(300):
        column.put(np.array([number % 2]), pa.array([bytes([number % 251]) * 200_000]))
    assert column.nbytes < 40 * 2**20
    assert [value[:1] for value in column.take(np.arange(2)).to_pylist()] == [bytes([298 % 251]), bytes([299 % 251])]
