"""Windows through a graph, against a model in plain Python that looks at every row and every window."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowc.errors import EngineError, UsageError
from flowc.nodes import KIND, ROW, TIME, AggregatePlan, Late, NodePlan, SqlPlan, WindowPlan
from flowc.runtime.contracts.epoch import END, Intent
from flowc.runtime.contracts.state import Checkpoint
from flowc.runtime.engine.functions import Function
from flowc.runtime.streams.graph.build import Node, built
from flowc.runtime.streams.graph.graph import Graph
from flowc.runtime.streams.operators.localtime import LocalTime
from flowc.runtime.streams.operators.window import Windows
from flowc.stream import SourcePlan, StreamPlan
from flowc.types import BIGINT, DataType, Kind
from tests.extended import examples

ROWS = pa.schema([("k", pa.string()), ("x", pa.int64()), ("f", pa.float64())])
_TIME = pa.timestamp("us", "UTC")
_FLOAT, _TEXT = DataType(Kind.FLOAT64), DataType(Kind.TEXT)
_AGGREGATES = (
    AggregatePlan("n", "count", BIGINT),
    AggregatePlan("total", "sum", BIGINT, "x"),
    AggregatePlan("real", "sum", _FLOAT, "f"),
    AggregatePlan("least", "min", BIGINT, "x"),
    AggregatePlan("first", "first", BIGINT, "x"),
    AggregatePlan("last", "last", BIGINT, "x"),
    AggregatePlan("different", "count", BIGINT, "x", distinct=True),
    AggregatePlan("all", "array_agg", DataType(Kind.ARRAY, element=BIGINT), "x"),
)
Row = tuple[str | None, int | None, float, int]
"""A key, two numbers and an event time."""
Shape = tuple[Any, int, int, int]
"""The kind of windows, their size and step, and the offset."""


def window(shape: Shape, zone: str | None = None, **more: Any) -> WindowPlan:
    kind, size, step, offset = shape
    return WindowPlan(
        "w", ("source",), kind, size, step, ("k",), more.pop("aggregates", _AGGREGATES), more.pop("fingerprint", "{}"),
        offset, zone, **more,
    )  # fmt: skip


def _stream(plan: WindowPlan) -> StreamPlan:
    kind = [KIND] if plan.replaces else []
    shown = ["window_start", "window_end", "k", *(each.name for each in plan.aggregates), *kind]
    names = ", ".join(f'"{name}"' for name in shown)
    text = f'SELECT {names}, "{TIME}", "{ROW}" FROM w'
    query = SqlPlan("query", ("w",), ("w",), text, traced=True, timed=True)
    return StreamPlan("s", (SourcePlan("source", "bus", "kafka", "t", "json"),), (plan, query), ())


def _graph(plan: WindowPlan, functions: Sequence[Function] = ()) -> Graph:
    """The graph of a stream; the query, which remembers nothing, is planned once for all that give the same columns."""
    stream = _stream(plan)

    def build(plans: Sequence[NodePlan], schemas: Any, *more: Any, passing: bool) -> tuple[Node, ...]:
        (node,) = built(plans[:1], schemas, functions=functions)
        return node, _query(stream.nodes[1], node.schema)

    return Graph(stream, {"source": ROWS}, build=build)


_QUERIES: list[tuple[NodePlan, Node]] = []


def _query(plan: NodePlan, schema: pa.Schema | None) -> Node:
    found = next((node for known, node in _QUERIES if known == plan), None)
    if found is None:
        (found,) = built([plan], {"w": schema})
        _QUERIES.append((plan, found))
    return found


@dataclass
class Driven:
    """A stream from epoch to epoch, and what came out of it."""

    plan: WindowPlan
    reopens: bool = False
    functions: Sequence[Function] = ()
    out: list[dict[str, Any]] = field(default_factory=list)
    late: list[int] = field(default_factory=list)
    dropped: int = 0
    point: Checkpoint = field(default_factory=Checkpoint)
    graph: Graph = field(init=False)

    def __post_init__(self) -> None:
        self.graph = _graph(self.plan, self.functions)

    def epoch(self, rows: Sequence[Row], watermark: int | None) -> list[dict[str, Any]]:
        promised = self.graph.nodes[0].operator.watermark
        due = watermark is not None and self.graph.due(watermark)
        found = self.graph("source", batch(rows), Intent(1, 0, (), watermark))
        made = self.graph.whole(found)
        assert made.column(ROW).null_count == made.num_rows
        shown = made.select(range(made.num_columns - 1)).to_pylist()
        if self.reopens:
            self.out += shown
            self.dropped += sum(found.dropped.values())
            return shown
        assert due == bool(shown), "rows come out where some are due, and nowhere else"
        ends = [_micros(row["window_end"]) for row in shown]
        assert ends == sorted(ends)
        assert promised is None or all(end > promised for end in ends)
        self.out += shown
        self.late += [aside.row.index for aside in found.late]
        self.dropped += sum(found.dropped.values())
        return shown

    def keep(self) -> None:
        found = self.graph.states.snapshot(Checkpoint(self.point.epoch + 1))
        self.point = replace(found, segments=(*self.point.segments, *found.segments))

    def restart(self) -> None:
        self.graph = _graph(self.plan, self.functions)
        self.graph.states.restore(self.point)


def batch(rows: Sequence[Row]) -> pa.RecordBatch:
    columns = [[row[place] for row in rows] for place in range(4)]
    arrays = [pa.array(values, kind) for values, kind in zip(columns, [*ROWS.types, _TIME], strict=True)]
    arrays.append(pa.array(range(len(rows)), pa.int64()))
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema([*ROWS, (TIME, _TIME), (ROW, pa.int64())]))


def _micros(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def windows_of(at: int, shape: Shape) -> Iterator[tuple[int, int]]:
    """The windows that a time is in, by their ends."""
    kind, size, step, offset = shape
    if kind == "cumulating":
        begin = (at - offset) // size * size + offset
        ends = sorted({min(begin + n * step, begin + size) for n in range(1, -(-size // step) + 1)})
        yield from ((begin, end) for end in ends if end > at)
        return
    step = size if kind == "tumbling" else step
    begin = (at - offset) // step * step + offset
    starts = range(begin, at - size, -step)
    yield from ((start, start + size) for start in reversed(starts))


def model(epochs: Iterable[tuple[Sequence[Row], int | None]], shape: Shape) -> tuple[list[dict[str, Any]], int]:
    """The rows of all windows in their order, and how many rows are late. `END` is an end of all that came so far."""
    held: dict[tuple[int, int], dict[str | None, list[Row]]] = {}
    closed, late, out = -(2**62), 0, list[dict[str, Any]]()
    for rows, watermark in epochs:
        if watermark == END:
            watermark = max((end for _, end in held), default=closed)
        closed = max(closed, watermark) if watermark is not None else closed
        for start, end in sorted((each for each in held if each[1] <= closed), key=lambda each: (each[1], each[0])):
            groups = held.pop((start, end))
            out += [_aggregated(start, end, key, groups[key]) for key in groups]
        for row in rows:
            found = [each for each in windows_of(row[3], shape) if each[1] > closed]
            late += not found
            for each in found:
                held.setdefault(each, {}).setdefault(row[0], []).append(row)
    return out, late


def _aggregated(start: int, end: int, key: str | None, rows: Sequence[Row]) -> dict[str, Any]:
    values = [x for _, x, _, _ in rows if x is not None]
    times = [at for *_, at in rows]
    last = max(range(len(rows)), key=lambda place: (times[place], place))
    return {
        "window_start": start, "window_end": end, "k": key, "n": len(rows), "total": sum(values) if values else None,
        "real": sum(f for _, _, f, _ in rows), "least": min(values, default=None),
        "first": rows[times.index(min(times))][1], "last": rows[last][1], "different": len(set(values)),
        "all": [x for _, x, _, _ in sorted(rows, key=lambda row: row[3])],
    }  # fmt: skip


def _shown(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """In an order, with whole numbers for times; lists of panes are in the order of these."""
    found = [
        {name: _micros(v) if isinstance(v, datetime) else v for name, v in row.items() if name != TIME} for row in rows
    ]
    for row in found:
        row["all"] = sorted(row["all"], key=lambda value: (value is None, value))
    return sorted(found, key=lambda row: (row["window_end"], row["window_start"], row["k"] is None, row["k"] or ""))


SHAPES: tuple[Shape, ...] = (
    ("tumbling", 10, 10, 0), ("tumbling", 7, 7, 3), ("hopping", 10, 5, 0), ("hopping", 10, 4, 1), ("hopping", 9, 2, 0),
    ("hopping", 6, 6, 0), ("cumulating", 12, 4, 0), ("cumulating", 10, 4, 3), ("hopping", 15, 3, -2),
)  # fmt: skip
# Sums of these are exact, so that it does not matter in which panes they are.
_ROW = st.tuples(
    st.sampled_from(["a", "b", None]), st.one_of(st.none(), st.integers(-5, 5)),
    st.integers(0, 64).map(lambda n: n / 8), st.integers(-40, 40),
)  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@settings(max_examples=examples(6), deadline=None)
@given(data=st.data())
def test_windows_are_those_of_the_model_whatever_batches_and_restarts(shape: Shape, data: st.DataObject) -> None:
    steps = st.lists(st.tuples(st.lists(_ROW, max_size=12), st.one_of(st.none(), st.integers(-45, 60))), max_size=7)
    epochs, watermark = list[tuple[list[Row], int | None]](), None
    for rows, mark in data.draw(steps, "epochs"):
        watermark = mark if watermark is None else max(watermark, mark if mark is not None else watermark)
        epochs.append((rows, watermark))
    policy = data.draw(st.sampled_from(["drop", "dlq"]), "late")
    driven = Driven(window(shape, late=policy))
    for rows, mark in epochs:
        cuts = sorted(data.draw(st.sets(st.integers(0, len(rows)), max_size=2), "cuts"))
        for begin, end in zip([0, *cuts], [*cuts, len(rows)], strict=True):
            driven.epoch(rows[begin:end], mark)
            driven.keep()
            if data.draw(st.booleans(), "restart"):
                driven.restart()
    driven.epoch([], END)
    wanted, late = model([*epochs, ([], END)], shape)
    assert _shown(driven.out) == _shown(wanted)
    assert (driven.dropped, len(driven.late)) == ((late, 0) if policy == "drop" else (0, late))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@settings(max_examples=3, deadline=None)
@given(data=st.data())
def test_what_the_end_let_out_stays_closed_in_later_runs(shape: Shape, data: st.DataObject) -> None:
    runs = data.draw(st.lists(st.lists(_ROW, max_size=10), min_size=2, max_size=3), "runs")
    driven, epochs = Driven(window(shape)), list[tuple[list[Row], int | None]]()
    for rows in runs:
        driven.epoch(rows, -20)
        driven.epoch([], END)
        driven.keep()
        driven.restart()
        epochs += [(rows, -20), ([], END)]
    wanted, late = model(epochs, shape)
    assert (_shown(driven.out), driven.dropped) == (_shown(wanted), late)


@pytest.mark.parametrize("shape", [SHAPES[0], SHAPES[2], SHAPES[3], *SHAPES[6:]], ids=str)
@settings(max_examples=examples(5), deadline=None)
@given(data=st.data())
def test_windows_that_come_out_early_are_whole_behind_an_end_and_a_restart(shape: Shape, data: st.DataObject) -> None:
    """A worker may go on behind the end of a drained run that it finishes for another, and be restarted then."""
    driven = Driven(window(shape, emit=data.draw(st.sampled_from([1, 4, 25]), "emit")), reopens=True)
    watermark, epochs = -40, list[tuple[list[Row], int | None]]()
    steps = st.tuples(st.lists(_ROW, max_size=6), st.integers(0, 15), st.booleans(), st.booleans())
    for rows, more, ends, restarts in data.draw(st.lists(steps, max_size=7), "epochs"):
        watermark += more
        epochs += [(rows, watermark), *([([], END)] if ends else [])]
        for each in epochs[-2 if ends else -1 :]:
            driven.epoch(*each)
        driven.keep()
        if restarts:
            driven.restart()
    driven.epoch([], END)
    wanted, late = model([*epochs, ([], END)], shape)
    assert (_net(driven.out), driven.dropped) == (_shown(wanted), late)


@pytest.mark.parametrize("shape", [SHAPES[0], SHAPES[2], SHAPES[6]], ids=str)
def test_the_zeros_of_a_key_come_out_as_one(shape: Shape) -> None:
    plan = replace(window(shape, aggregates=_AGGREGATES[:1], emit=1), keys=("f",))
    for batches in ([[0.0, -0.0]], [[0.0], [-0.0]], [[-0.0], [0.0]]):
        operator, made = Windows(plan, ROWS), []
        for number, values in enumerate(batches):
            operator.process(0, batch([("a", 1, value, 1) for value in values]))
            made.append(operator.on_watermark(0, 2 + number).rows)
        zeros = [
            str(value)
            for rows in (*made, operator.on_end().rows)
            if rows is not None
            for value in rows.column("f").to_pylist()
        ]
        assert {*zeros} == {"0.0"}


def test_a_cumulating_window_takes_its_panes_together_within_its_groups() -> None:
    operator = Windows(window(("cumulating", 60, 10, 0), max_groups=3), ROWS)
    operator.process(0, batch([(key, 1, 0.0, 15) for key in "abc"]))
    rows = operator.on_watermark(0, 20).rows
    assert rows is not None
    assert rows.column("k").to_pylist() == ["a", "b", "c"] or rows.num_rows == 3
    with pytest.raises(EngineError, match="more than 3 groups"):
        operator.process(0, batch([("d", 1, 0.0, 25)]))


def _net(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is left of changes: the last one of each window and key."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        key = row["window_start"], row["window_end"], row["k"]
        assert row[KIND] == 2 or (row[KIND] == 0 and key not in found)
        found[key] = {name: value for name, value in row.items() if name != KIND}
    return _shown(found.values())


@pytest.mark.parametrize("shape", [SHAPES[0], SHAPES[2], SHAPES[3], *SHAPES[6:]], ids=str)
@settings(max_examples=examples(6), deadline=None)
@given(data=st.data())
def test_windows_reopen_for_late_rows_as_long_as_it_is_allowed(shape: Shape, data: st.DataObject) -> None:
    allowed = data.draw(st.sampled_from([1, 7, 25]), "allowed")
    driven = Driven(window(shape, late="reopen", allowed_lateness=allowed), reopens=True)
    steps = st.lists(st.tuples(st.lists(_ROW, max_size=8), st.integers(0, 20)), max_size=7)
    watermark, held, late = -40, dict[tuple[int, int], dict[str | None, list[Row]]](), 0
    for rows, more in data.draw(steps, "epochs"):
        watermark += more
        driven.epoch(rows, watermark)
        driven.keep()
        if data.draw(st.booleans(), "restart"):
            driven.restart()
        for row in rows:
            found = [each for each in windows_of(row[3], shape) if each[1] + allowed > watermark]
            late += not found
            for each in found:
                held.setdefault(each, {}).setdefault(row[0], []).append(row)
        assert _net(driven.out) == _held(held, watermark)
    driven.epoch([], END)
    assert _net(driven.out) == _held(held, END)
    assert driven.dropped == late


def _held(held: dict[tuple[int, int], dict[str | None, list[Row]]], until: int) -> list[dict[str, Any]]:
    """The rows of the windows that end by then."""
    ended = [(bounds, keys) for bounds, keys in held.items() if bounds[1] <= until]
    return _shown(_aggregated(*bounds, key, rows) for bounds, keys in ended for key, rows in keys.items())


def _bits(rows: Iterable[dict[str, Any]]) -> list[Any]:
    return [(row["window_start"], row["window_end"], row["k"], row["real"].hex(), row["all"]) for row in rows]


@pytest.mark.parametrize("shape", SHAPES[:1] + SHAPES[2:4] + SHAPES[6:8], ids=str)
@settings(max_examples=examples(6), deadline=None)
@given(data=st.data())
def test_floats_are_the_same_to_the_last_bit_and_rows_in_the_same_order(shape: Shape, data: st.DataObject) -> None:
    value = st.floats(-1e9, 1e9, allow_subnormal=False)
    row = st.tuples(st.sampled_from("abcdef"), st.integers(0, 3), value, st.integers(-40, 40))
    epochs = data.draw(st.lists(st.lists(row, max_size=20), max_size=4), "epochs")
    whole, parts = Driven(window(shape)), Driven(window(shape))
    for number, rows in enumerate(epochs):
        whole.epoch(rows, 15 * number - 20)
        cut = data.draw(st.integers(0, len(rows)), "cut")
        for piece in (rows[:cut], rows[cut:]):
            parts.epoch(piece, 15 * number - 20)
            parts.keep()
            parts.restart()
    whole.epoch([], END)
    parts.epoch([], END)
    assert _bits(whole.out) == _bits(parts.out)


def test_bounds_are_half_open_and_lateness_is_exact() -> None:
    driven = Driven(window(("tumbling", 10, 10, 0), late="dlq"))
    driven.epoch([("a", 1, 0.0, 0), ("a", 2, 0.0, 9), ("a", 3, 0.0, 10), ("a", 4, 0.0, -1), ("a", 5, 0.0, -10)], None)
    assert driven.epoch([], -1) == []
    assert [row["all"] for row in driven.epoch([], 0)] == [[5, 4]]
    assert driven.epoch([("a", 6, 0.0, -1), ("a", 7, 0.0, 0)], 9) == []
    assert driven.late == [0]
    assert [row["all"] for row in driven.epoch([], 10)] == [[1, 7, 2]]
    assert [(_micros(row["window_start"]), _micros(row[TIME])) for row in driven.out] == [(-10, -1), (0, 9)]


def test_a_late_row_is_told_with_its_time_and_the_watermark() -> None:
    operator = Windows(window(("tumbling", 10, 10, 0), late="dlq"), ROWS)
    operator.on_watermark(0, 1_700_000_000_000_000)
    late = operator.process(0, batch([("a", 1, 0.0, 1_600_000_000_000_000)])).late
    assert [(row.index, row.code) for row in late] == [(0, "late-row")]
    assert "2020-09-13 12:26:40+00:00" in late[0].message
    assert "2023-11-14 22:13:20+00:00" in late[0].message


def test_a_window_may_end_behind_the_last_year() -> None:
    last, day = 253_402_300_799_999_999, 86_400_000_000
    operator = Windows(window(("tumbling", day, day, 0), late="dlq"), ROWS)
    operator.process(0, batch([("a", 1, 0.0, last)]))
    operator.on_end()
    late = operator.process(0, batch([("a", 1, 0.0, last)])).late
    assert "the watermark is 9999-12-31 23:59:59.999999+00:00" in late[0].message


def test_a_late_row_that_came_of_no_message_is_only_counted() -> None:
    operator = Windows(window(("tumbling", 10, 10, 0), late="dlq"), ROWS)
    operator.on_watermark(0, 100)
    rows = batch([("a", 1, 0.0, 0)])
    of_none = rows.set_column(rows.num_columns - 1, ROW, pa.nulls(1, pa.int64()))
    made = operator.process(0, of_none)
    assert (made.late, made.dropped) == ((), 1)


DAY = 86_400_000_000


def _at(text: str, zone: str) -> int:
    return _micros(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)))


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", "2024-03-31", 23), ("Europe/Berlin", "2024-10-27", 25), ("Europe/Berlin", "2024-07-01", 24),
        ("America/Havana", "2024-11-03", 25), ("America/Havana", "2024-03-10", 23), ("Asia/Kolkata", "2024-03-31", 24),
        ("America/Sao_Paulo", "2018-11-04", 23), ("America/Sao_Paulo", "2018-02-17", 25), ("UTC", "1969-12-31", 24),
        ("Australia/Lord_Howe", "2024-04-07", 24.5), ("Asia/Tokyo", "1949-04-03", 23),
    ],
)  # fmt: skip
def test_days_of_a_zone_are_as_long_as_they_are_there(zone: str, day: str, hours: float) -> None:
    plan = window(("tumbling", DAY, DAY, 0), zone, aggregates=_AGGREGATES[:1])
    driven, noon = Driven(plan), _at(f"{day} 12:00", zone)
    driven.epoch([("a", 1, 0.0, noon)], None)
    (row,) = driven.epoch([], END)
    assert (row["window_end"] - row["window_start"]) / timedelta(hours=1) == hours
    start = row["window_start"].astimezone(UTC)
    before = (start - timedelta(microseconds=1)).astimezone(ZoneInfo(zone))
    assert str(start.astimezone(ZoneInfo(zone)).date()) == day > str(before.date())
    driven.restart()
    first, last = _micros(row["window_start"]), _micros(row["window_end"]) - 1
    driven.epoch([("a", 1, 0.0, first), ("a", 1, 0.0, last), ("a", 1, 0.0, first - 1), ("a", 1, 0.0, last + 1)], None)
    assert [each["n"] for each in driven.epoch([], END)] == [1, 2, 1]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Havana", "Australia/Lord_Howe", "Africa/Casablanca"])
def test_windows_of_a_zone_follow_each_other_without_a_gap(zone: str) -> None:
    local = LocalTime(zone)
    begin = _at("2024-01-01 00:00", "UTC")
    times = pa.array(range(begin, begin + 366 * DAY, DAY // 96)).to_numpy()
    seen = local.local(times)
    assert (seen[1:] >= seen[:-1]).all()
    for size in (DAY // 24, DAY // 48, DAY // 4, DAY, 7 * DAY):
        starts = seen - seen % size
        begins, ends = local.instants(starts), local.instants(starts + size)
        assert ((begins <= times) & (times < ends)).all()
        following = local.local(ends)
        assert (local.instants(following - following % size) == ends).all()


@pytest.mark.parametrize("shape", [("tumbling", DAY, DAY, 0), ("hopping", 2 * DAY, DAY, 0)])
def test_a_window_of_a_zone_comes_out_when_its_day_is_over_there(shape: Shape) -> None:
    driven = Driven(window(shape, "Europe/Berlin"))
    driven.epoch([("a", 1, 0.0, _at("2024-10-27 02:30", "Europe/Berlin"))], None)
    midnight = _at("2024-10-28 00:00", "Europe/Berlin")
    assert driven.epoch([], midnight - 1) == []
    assert len(driven.epoch([], midnight)) == 1


@pytest.mark.parametrize("shape", [SHAPES[0], SHAPES[2], SHAPES[6]], ids=str)
@pytest.mark.parametrize("aggregates", [(), _AGGREGATES[:1]])
@pytest.mark.parametrize("keys", [(), ("k",)])
def test_windows_need_neither_keys_nor_aggregates(
    shape: Shape, aggregates: tuple[AggregatePlan, ...], keys: tuple[str, ...]
) -> None:
    plan = replace(window(shape, aggregates=aggregates), keys=keys)
    before, after = Windows(plan, ROWS), Windows(plan, ROWS)
    before.process(0, batch([("a", 1, 0.0, 1), ("a", 2, 0.0, 3), (None, 1, 0.0, 12)]))
    after.restore(before.snapshot())
    one, other = before.on_end().rows, after.on_end().rows
    assert one is not None
    assert one == other
    times = zip(one.column("window_start").to_pylist(), one.column("window_end").to_pylist(), strict=True)
    assert len({*times}) == one.num_rows == len({each for at in (1, 12) for each in windows_of(at, shape)})


def test_too_many_groups_are_told() -> None:
    driven = Driven(window(("tumbling", 10, 10, 0), max_groups=2))
    driven.epoch([("a", 1, 0.0, 0), ("b", 1, 0.0, 0)], None)
    with pytest.raises(EngineError) as failure:
        driven.epoch([("c", 1, 0.0, 0)], None)
    assert failure.value.code == "too-many-groups"
    driven = Driven(window(("tumbling", 10, 10, 0), max_bytes=1000))
    with pytest.raises(EngineError) as failure:
        driven.epoch([("a", 1, 0.0, 0)], None)
    assert failure.value.code == "state-too-large"


def test_state_of_other_windows_is_refused_with_the_reason() -> None:
    told = '{{"operator":"window","size":{},"keys":[["k","text"]],"timezone":"UTC"}}'
    driven = Driven(window(("tumbling", 10, 10, 0), fingerprint=told.format(10)))
    driven.epoch([("a", 1, 0.0, 0)], None)
    driven.keep()
    driven.plan = window(("tumbling", 20, 20, 0), fingerprint=told.format(20).replace("UTC", "Asia/Tokyo"))
    with pytest.raises(UsageError) as failure:
        driven.restart()
    assert failure.value.code == "state-changed"
    operator = Windows(driven.plan, ROWS)
    assert (
        operator.verdict(told.format(10)).reason
        == "its size was 10us, is 20us and its time zone was UTC, is Asia/Tokyo"
    )
    assert operator.verdict('{"operator":"dedupe"}').reason == "it was a dedupe, and is a window"
    assert operator.verdict("dedupe").reason == "what it remembers was kept by another version of flowc"
    assert operator.verdict(driven.plan.fingerprint).decision.value == "keep"


@pytest.mark.parametrize(
    ("before", "now", "decision"), [(0, 5, "refuse"), (5, 9, "refuse"), (9, 5, "keep"), (9, 0, "keep")]
)
def test_windows_that_are_forgotten_do_not_reopen(before: int, now: int, decision: str) -> None:
    fingerprints = [f'{{"operator":"window","reopen":{allowed}}}' for allowed in (before, now)]
    operator = Windows(window(SHAPES[0], late="reopen", allowed_lateness=now, fingerprint=fingerprints[1]), ROWS)
    assert operator.verdict(fingerprints[0]).decision.value == decision
    assert operator.verdict(fingerprints[0].replace(f',"reopen":{before}', "")).decision.value == (
        "refuse" if now else "keep"
    )


@pytest.mark.covering
@pytest.mark.parametrize("allowed", [0, 5])
@pytest.mark.parametrize("late", ["drop", "reopen"])
@pytest.mark.parametrize("shape", [("tumbling", 10, 10, 0), ("hopping", 12, 4, 0), ("cumulating", 12, 4, 0)], ids=str)
def test_windows_that_reopen_no_more_do_not_come_again(shape: Shape, late: Late, allowed: int) -> None:
    """What the longer lateness had kept of windows that are out is forgotten, whatever comes next."""
    fingerprint = '{"operator":"window","reopen":100}'
    now = window(shape, late=late, allowed_lateness=allowed, fingerprint=fingerprint.replace("100", str(allowed)))
    for last in (3, 19):
        driven, wanted = Driven(replace(now, allowed_lateness=100, late="reopen"), reopens=True), Driven(now, True)
        driven.plan = replace(driven.plan, fingerprint=fingerprint)
        for each in (driven, wanted):
            each.epoch([("a", 1, 1.0, 3), ("b", 1, 1.0, last)], None)
            each.epoch([], 20)
        driven.keep()
        driven.plan = now
        driven.restart()
        for rows, watermark in (([("a", 1, 1.0, 33)], 31), ([], END)):
            assert driven.epoch(rows, watermark) == wanted.epoch(rows, watermark)


def _stepped(shape: Shape, **more: Any) -> Driven:
    return Driven(window(shape, emit=10, **more), reopens=True)


@pytest.mark.parametrize("shape", [SHAPES[0], SHAPES[2], SHAPES[3], SHAPES[8]], ids=str)
@settings(max_examples=examples(6), deadline=None)
@given(data=st.data())
def test_windows_that_come_early_are_the_same_over_every_restart(shape: Shape, data: st.DataObject) -> None:
    """What comes out of each epoch is, and in the end each window is as it is without `emit`."""
    steps = st.lists(st.tuples(st.lists(_ROW, max_size=8), st.integers(0, 20)), max_size=7)
    whole, restarted, once = _stepped(shape), _stepped(shape), Driven(window(shape))
    watermark = -40
    for rows, more in data.draw(steps, "epochs"):
        watermark += more
        wanted = whole.epoch(rows, watermark)
        due = restarted.graph.due(watermark)
        assert restarted.epoch(rows, watermark) == wanted
        assert due or not wanted
        once.epoch(rows, watermark)
        restarted.keep()
        if data.draw(st.booleans(), "restart"):
            restarted.restart()
    assert whole.epoch([], END) == restarted.epoch([], END)
    once.epoch([], END)
    assert _net(whole.out) == _shown(once.out)
    assert (whole.dropped, restarted.dropped) == (once.dropped, once.dropped)


@pytest.mark.parametrize("shape", [("tumbling", 30, 30, 0), ("hopping", 30, 10, 0)], ids=str)
def test_only_what_changed_comes_again(shape: Shape) -> None:
    driven = _stepped(shape, aggregates=_AGGREGATES[:1])

    def came(rows: Sequence[tuple[str, int]], watermark: int) -> set[tuple[int, str, int]]:
        found = driven.epoch([(key, 1, 0.0, at) for key, at in rows], watermark)
        return {(_micros(row["window_start"]), row["k"], row["n"]) for row in found}

    starts = {at: range(at - at % shape[2], at - 30, -shape[2]) for at in (21, 35)}
    assert came([("a", 21), ("b", 22)], 1) == set()
    assert came([("b", 23)], 9) == set()
    assert came([("b", 24)], 10) == {(start, key, n) for start in starts[21] for key, n in (("a", 1), ("b", 2))}
    assert came([], 19) == set()
    assert came([], 20) == {(start, "b", 3) for start in starts[21]}
    assert came([], 29) == set()
    assert came([], 30) == set()
    assert came([("c", 35)], 31) == set()
    assert came([], 41) == {(start, "c", 1) for start in starts[35]}


def test_state_of_windows_that_come_early_is_not_that_of_others() -> None:
    said = '{{"operator":"window"{}}}'
    for before, now in (("", ',"emit":10'), (',"emit":10', ""), (',"emit":10', ',"emit":20')):
        operator = Windows(window(SHAPES[0], emit=10, fingerprint=said.format(now)), ROWS)
        assert operator.verdict(said.format(before)).decision.value == "refuse"
