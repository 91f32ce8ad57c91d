"""Aggregates of groups against the engine's own GROUP BY over all rows, whatever the batches, restarts and panes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from math import isfinite
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowc.errors import DataError, UsageError
from flowc.nodes import TIME, AggregatePlan
from flowc.runtime.arrow import data_type
from flowc.runtime.engine.context import new_context
from flowc.runtime.streams.aggregates.accumulators import Accumulators
from flowc.types import BIGINT, DataType, Kind
from tests.extended import examples

_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=6)
_FLOATS = st.floats(width=32, allow_subnormal=False, min_value=-1e6, max_value=1e6)
_ADD_ZERO = (0.0).__add__
"""The two zeros are one value to SQL, and two to the engine's count of different ones."""
VALUES: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "i8": (pa.int8(), st.integers(-128, 127)),
    "i16": (pa.int16(), st.integers(-(2**15), 2**15 - 1)),
    "i32": (pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    "i64": (pa.int64(), st.integers(-(2**55), 2**55)),
    "u32": (pa.uint32(), st.integers(0, 2**32 - 1)),
    "u64": (pa.uint64(), st.integers(0, 2**55)),
    "f32": (pa.float32(), _FLOATS.map(_ADD_ZERO)),
    "f64": (pa.float64(), st.one_of(_FLOATS, st.sampled_from([0.1, 1e300, -1e300])).map(_ADD_ZERO)),
    "short": (pa.decimal128(12, 2), st.decimals(-(10**9), 10**9, places=2)),
    "long": (pa.decimal128(30, 4), st.decimals(-(10**25), 10**25, places=4)),
    "huge": (pa.decimal256(60, 0), st.integers(-(10**55), 10**55).map(Decimal)),
    "text": (pa.string(), _TEXT),
    "bytes": (pa.binary(), st.binary(max_size=4)),
    "bool": (pa.bool_(), st.booleans()),
    "date": (pa.date32(), st.dates(date(1900, 1, 1), date(2100, 1, 1))),
    "time": (pa.time64("us"), st.times()),
    "stamp": (pa.timestamp("us"), st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1))),
    "zoned": (
        pa.timestamp("us", "UTC"), st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
    ),
}  # fmt: skip
NUMBERS = ("i8", "i16", "i32", "i64", "u32", "u64", "f32", "f64", "short", "long", "huge")
Row = tuple[int, Any, int]
"""A group, a value, and an event time."""


def _rows(rows: Sequence[Row], kind: pa.DataType) -> pa.RecordBatch:
    groups, values, times = ([row[place] for row in rows] for place in range(3))
    at = pa.array(times, pa.int64()).cast(pa.timestamp("us", "UTC"))
    columns = [pa.array(groups, pa.int64()), pa.array(values, kind), at]
    return pa.RecordBatch.from_arrays(columns, names=["g", "x", TIME])


def _engine(batch: pa.RecordBatch, calls: Sequence[str]) -> list[list[Any]]:
    """What the engine gives of each group, by group, and the types."""
    context = new_context(target_partitions="1")
    context.register_batch("t", batch)
    made = ", ".join(f"{call} AS c{n}" for n, call in enumerate(calls))
    found = context.sql(f"SELECT g, {made} FROM t GROUP BY g ORDER BY g").to_arrow_table()
    return [found.column(f"c{n}").to_pylist() for n in range(len(calls))]


def _kind(call: str, kind: pa.DataType) -> DataType:
    context = new_context(target_partitions="1")
    context.register_batch("t", _rows([], kind))
    return data_type(context.sql(f"SELECT {call} AS c FROM t").schema().field("c").type)


def _plans(calls: dict[str, tuple[str, bool]], kind: pa.DataType) -> list[AggregatePlan]:
    return [
        AggregatePlan(str(n), name, _kind(call, kind), None if call == "count(*)" else "x", distinct)
        for n, (call, (name, distinct)) in enumerate(calls.items())
    ]


@cache
def _all_plans(name: str) -> list[AggregatePlan]:
    """Those of a type, for which the engine is asked once."""
    return _plans(_calls(name), VALUES[name][0])


def _calls(name: str) -> dict[str, tuple[str, bool]]:
    """The engine's words for aggregates, and flowc's."""
    found = {
        "count(*)": ("count", False), "count(x)": ("count", False), "min(x)": ("min", False), "max(x)": ("max", False),
        "count(DISTINCT x)": ("count", True), f'array_agg(x ORDER BY "{TIME}")': ("array_agg", False),
        f'first_value(x ORDER BY "{TIME}")': ("first", False),
    }  # fmt: skip
    # As flowc has the engine compute means of decimals.
    decimals = "CAST(avg(CAST(x AS DECIMAL(76, 18))) AS DECIMAL(38, 10))"
    mean = {} if name == "huge" else {decimals if name in ("short", "long") else "avg(x)": ("avg", False)}
    return {**found, "sum(x)": ("sum", False), **mean} if name in NUMBERS else found


def _accumulated(plans: Sequence[AggregatePlan], batch: pa.RecordBatch, cuts: Sequence[int]) -> Accumulators:
    """All rows added, in batches with restarts between them; the slots are the numbers of the groups."""
    made = _fresh(plans, batch)
    for begin, end in zip([0, *cuts], [*cuts, batch.num_rows], strict=True):
        part = batch.slice(begin, end - begin)
        made.add(part.column("g").to_numpy(), part)
        slots = np.unique(batch.slice(0, end).column("g").to_numpy())
        state, made = made.take(slots), _fresh(plans, batch)
        made.put(slots, state)
    return made


def _fresh(plans: Sequence[AggregatePlan], batch: pa.RecordBatch) -> Accumulators:
    made = Accumulators(plans, batch.schema.remove(batch.schema.get_field_index(TIME)))
    made.grow(8)
    return made


def _rounding(values: Iterable[Any]) -> float:
    """By how much sums of floats may differ that are added in another order: 1e300 - 1e300 + 1 is 1 or 0.

    The engine adds whole numbers as floats too where it makes a mean of them.
    """
    numbers = (abs(value) for value in values if isinstance(value, int | float) and isfinite(value))
    return 1e-12 * max(numbers, default=0.0)


def _same(found: Any, wanted: Any, near: float = 0.0) -> bool:
    """Equal, and NaN is; means of whole numbers are exact here, and the engine's are those of floats."""
    if isinstance(found, float) and isinstance(wanted, float):
        return found == pytest.approx(wanted, rel=1e-12, abs=max(near, 1e-9), nan_ok=True)
    if isinstance(found, list):
        return len(found) == len(wanted) and all(map(_same, found, wanted))
    return bool(found == wanted)


@pytest.mark.parametrize("name", VALUES)
@settings(max_examples=examples(12), deadline=None)
@given(data=st.data())
def test_each_aggregate_of_each_type_is_the_engines(name: str, data: st.DataObject) -> None:
    kind, values = VALUES[name]
    row = st.tuples(st.integers(0, 4), st.one_of(st.none(), values), st.integers(-9, 9))
    rows = data.draw(st.lists(row, min_size=1, max_size=30, unique_by=lambda each: each[2]), "rows")
    batch, calls = _rows(rows, kind), _calls(name)
    plans = _all_plans(name)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(rows)), max_size=3), "cuts"))
    made = _accumulated(plans, batch, cuts)
    found = made.results(np.unique(batch.column("g").to_numpy()))
    for plan, call, column, wanted in zip(plans, calls, found, _engine(batch, list(calls)), strict=True):
        assert data_type(column.type) == plan.type, call
        given = column.to_pylist()
        near = _rounding(value for _, value, _ in rows) if call.startswith(("sum", "avg")) else 0.0
        assert all(_same(*both, near) for both in zip(given, wanted, strict=True)), (call, given, wanted)


@settings(max_examples=examples(50), deadline=None)
@given(data=st.data())
def test_panes_that_are_combined_are_as_rows_that_are_added(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["i64", "f32", "long", "text", "zoned"]), "type")
    kind, values = VALUES[name]
    row = st.tuples(st.integers(0, 2), st.one_of(st.none(), values), st.integers(-9, 9))
    rows = sorted(data.draw(st.lists(row, max_size=20), "rows"), key=lambda each: each[2] // 5)
    batch = _rows(rows, kind)
    calls = {**_calls(name), "last": ("last", False)}
    plans = [
        AggregatePlan(str(n), function, BIGINT if function == "count" else data_type(
            pa.list_(kind) if function == "array_agg" else pa.decimal256(76, 4) if name == "long" and function in
            ("sum", "avg") else pa.float64() if function == "avg" else kind), "x", distinct)
        for n, (function, distinct) in enumerate(calls.values())
    ]  # fmt: skip
    whole = _fresh(plans, batch)
    whole.add(batch.column("g").to_numpy(), batch)
    pane = np.array([(at // 5 + 2) * 3 + g for g, _, at in rows], np.int64)
    panes, out = _fresh(plans, batch), _fresh(plans, batch)
    panes.grow(12)
    panes.add(pane, batch)
    slots = np.unique(pane)
    out.combine(slots % 3, panes, slots)
    groups = np.unique(batch.column("g").to_numpy())
    for one, other in zip(out.results(groups), whole.results(groups), strict=True):
        assert all(map(_same, one.to_pylist(), other.to_pylist()))


def _one(function: str, kind: pa.DataType, values: Sequence[Any], result: DataType, **more: Any) -> Any:
    plans = [AggregatePlan("a", function, result, "x", **more)]
    batch = _rows([(0, value, n) for n, value in enumerate(values)], kind)
    made = _fresh(plans, batch)
    made.add(batch.column("g").to_numpy(), batch)
    return made.results(np.array([0]))[0].to_pylist()[0]


def test_sums_of_whole_numbers_never_wrap() -> None:
    most, wide = [2**63 - 1] * 3, DataType(Kind.DECIMAL, precision=38, scale=0)
    assert _one("sum", pa.int64(), most, wide) == 3 * (2**63 - 1)
    assert _one("sum", pa.int64(), [-(2**63)] * 5, wide) == -5 * 2**63
    assert _one("sum", pa.int64(), [2**63 - 1, 1, -1], BIGINT) == 2**63 - 1
    assert _one("sum", pa.uint64(), [2**64 - 1] * 4, wide) == 4 * (2**64 - 1)
    with pytest.raises(DataError) as failure:
        _one("sum", pa.int64(), most, BIGINT)
    assert failure.value.code == "arithmetic-overflow"
    with pytest.raises(DataError):
        _one("sum", pa.decimal128(38, 0), [Decimal(10**38 - 1)] * 2, wide)


def test_sums_carry_in_time() -> None:
    plans = [AggregatePlan("a", "sum", DataType(Kind.DECIMAL, precision=38, scale=0), "x")]
    batch = _rows([(0, -(2**62) + 1, 0), (0, 7, 0)] * 1000, pa.int64())
    made = _fresh(plans, batch)
    for _ in range(2000):
        made.add(batch.column("g").to_numpy(), batch)
    assert made.results(np.array([0]))[0].to_pylist() == [2_000_000 * (8 - 2**62)]


def test_means_are_rounded_as_numerics_are() -> None:
    thirds = DataType(Kind.DECIMAL, precision=38, scale=10)
    money = pa.decimal128(10, 2)
    assert _one("avg", money, [Decimal("0.01"), Decimal(0), Decimal(0)], thirds) == Decimal("0.0033333333")
    assert _one("avg", money, [Decimal("-0.02"), Decimal(0), Decimal(0)], thirds) == Decimal("-0.0066666667")
    half = DataType(Kind.DECIMAL, precision=38, scale=0)
    assert _one("avg", pa.int64(), [0, 1], half) == 1
    assert _one("avg", pa.int64(), [0, -1], half) == -1
    assert _one("avg", pa.decimal128(20, 12), [Decimal("1e-12"), Decimal("2e-12")], thirds) == 0
    assert _one("avg", pa.int64(), [2**62] * 7, DataType(Kind.FLOAT64)) == float(2**62)


def test_floats_are_added_in_the_order_in_which_they_come() -> None:
    values = [0.1, 1e16, -1e16, 0.2, 0.3] * 7
    wanted = 0.0
    for value in values:
        wanted += value
    assert _one("sum", pa.float64(), values, DataType(Kind.FLOAT64)) == wanted
    nan = float("nan")
    assert _one("min", pa.float64(), [nan, 1.0], DataType(Kind.FLOAT64)) == 1.0
    assert np.isnan(_one("max", pa.float64(), [nan, 1.0], DataType(Kind.FLOAT64)))
    assert _one("count", pa.float64(), [0.0, -0.0, nan, -nan], BIGINT, distinct=True) == 2


def test_first_and_last_are_by_time_and_of_ties_by_arrival() -> None:
    rows = [(0, "b", 5), (0, "a", 3), (0, None, 3), (0, "z", 9), (0, "y", 9), (1, None, 0)]
    batch = _rows(rows, pa.string())
    for cuts in ([], [1], [1, 2, 3, 4, 5]):
        made = _accumulated([AggregatePlan(f, f, DataType(Kind.TEXT), "x") for f in ("first", "last")], batch, cuts)
        assert [each.to_pylist() for each in made.results(np.array([0, 1]))] == [["a", None], ["y", None]]


def test_lists_are_in_the_order_of_time_and_of_ties_in_that_of_arrival() -> None:
    batch = _rows([(0, "c", 5), (0, "a", 3), (0, None, 3), (1, "x", 9), (0, "d", 5), (0, "b", 4)], pa.string())
    plans = [AggregatePlan("all", "array_agg", DataType(Kind.ARRAY, element=DataType(Kind.TEXT)), "x")]
    for cuts in ([], [1], [1, 2, 3, 4, 5]):
        found = _accumulated(plans, batch, cuts).results(np.array([1, 0]))[0]
        assert found.to_pylist() == [["x"], ["a", None, "b", "c", "d"]]


def test_a_filter_is_for_rows_of_which_it_is_true() -> None:
    batch = _rows([(0, n, n) for n in range(4)], pa.int64())
    batch = batch.append_column("w", pa.array([True, False, None, True]))
    calls = ["count", "sum", "min", "max", "first", "last"]
    plans = [AggregatePlan(call, call, BIGINT, "x", where="w") for call in calls]
    plans.append(AggregatePlan("all", "array_agg", DataType(Kind.ARRAY, element=BIGINT), "x", where="w"))
    made = _accumulated(plans, batch, [2])
    assert [each.to_pylist()[0] for each in made.results(np.array([0]))] == [2, 3, 0, 3, 0, 3, [0, 3]]
    untrue = batch.set_column(3, "w", pa.array([False] * 4))
    made = _accumulated(plans, untrue, [2])
    assert [each.to_pylist()[0] for each in made.results(np.array([0]))] == [0, None, None, None, None, None, None]


def test_a_slot_that_was_cleared_has_seen_no_row() -> None:
    for name, (kind, _) in VALUES.items():
        values = {"text": "x", "bytes": b"x", "bool": True, "date": date(2000, 1, 1), "time": time(1)}
        value = values.get(name, datetime(2000, 1, 1) if name == "stamp" else 1)
        value = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(1) if name == "zoned" else value
        batch = _rows([(0, value, 0), (1, value, 0)], kind)
        made = _fresh(_plans(_calls(name), kind), batch)
        before = made.results(np.array([2]))
        made.add(batch.column("g").to_numpy(), batch)
        kept = made.results(np.array([1]))
        made.clear(np.array([0]))
        assert made.results(np.array([0])) == before, name
        assert made.results(np.array([1])) == kept, name


def test_an_aggregate_of_a_type_that_it_is_not_for_is_refused() -> None:
    for function, kind, more in (
        ("sum", pa.string(), {}), ("median", pa.int64(), {}), ("array_agg", pa.string(), {"distinct": True}),
        ("min", pa.list_(pa.int64()), {}), ("max", pa.month_day_nano_interval(), {}),
    ):  # fmt: skip
        with pytest.raises(UsageError) as failure:
            _one(function, kind, [None], DataType(Kind.TEXT), **more)
        assert failure.value.code == "unsupported-aggregate"
