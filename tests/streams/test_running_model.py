"""Running aggregates through a graph, against a model in plain Python that looks at every row of every group."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowc.errors import EngineError, UsageError
from flowc.nodes import KIND, ROW, TIME, AggregatePlan, RunningPlan
from flowc.runtime.contracts.epoch import END, Intent
from flowc.runtime.contracts.state import Checkpoint
from flowc.runtime.streams.graph.graph import Graph
from flowc.runtime.streams.keyed.segments import read
from flowc.runtime.streams.operators.running import Running
from flowc.stream import SourcePlan, StreamPlan
from flowc.types import BIGINT, DataType, Kind
from tests.extended import examples

_MICROS = pa.timestamp("us", "UTC")
ROWS = pa.schema([("k", pa.string()), ("l", pa.int64()), ("x", pa.int64()), ("f", pa.float64()), ("w", pa.bool_())])
FLOAT, LIST = DataType(Kind.FLOAT64), DataType(Kind.ARRAY, element=BIGINT)
AGGREGATES = (
    AggregatePlan("n", "count", BIGINT),
    AggregatePlan("some", "count", BIGINT, "x", where="w"),
    AggregatePlan("total", "sum", BIGINT, "x"),
    AggregatePlan("real", "sum", FLOAT, "f"),
    AggregatePlan("mean", "avg", FLOAT, "f"),
    AggregatePlan("least", "min", BIGINT, "x"),
    AggregatePlan("most", "max", BIGINT, "x", where="w"),
    AggregatePlan("first", "first", BIGINT, "x"),
    AggregatePlan("last", "last", BIGINT, "x"),
    AggregatePlan("different", "count", BIGINT, "x", distinct=True),
    AggregatePlan("all", "array_agg", LIST, "x"),
)
Row = tuple[str | None, int | None, int | None, float, bool | None, int]
"""Two keys, two numbers, a condition and an event time."""
Key = tuple[str | None, int | None]


def running(ttl: int | None = None, **more: Any) -> RunningPlan:
    return RunningPlan("r", ("source",), ("k", "l"), AGGREGATES, more.pop("fingerprint", "{}"), ttl, **more)


@dataclass
class Driven:
    """A stream from epoch to epoch, and the table that it writes."""

    plan: RunningPlan
    table: dict[Key, dict[str, Any]] = field(default_factory=dict)
    point: Checkpoint = field(default_factory=Checkpoint)
    graph: Graph = field(init=False)

    def __post_init__(self) -> None:
        self._build()

    def _build(self) -> None:
        source = SourcePlan("source", "bus", "kafka", "t", "json")
        self.graph = Graph(StreamPlan("s", (source,), (self.plan,), ()), {"source": ROWS})

    def epoch(self, rows: Sequence[Row], watermark: int | None) -> list[dict[str, Any]]:
        made = self.graph.whole(self.graph("source", batch(rows), Intent(1, 0, (), watermark)))
        assert made.column(ROW).null_count == made.num_rows
        shown = made.drop_columns([ROW]).to_pylist()
        assert len({(row["k"], row["l"]) for row in shown}) == len(shown) == len({row[:2] for row in rows})
        assert {row.pop(KIND) for row in shown} <= {2}
        self.table |= {(row["k"], row["l"]): row for row in shown}
        return shown

    def keep(self) -> int:
        """A checkpoint; how many rows it writes."""
        found = self.graph.states.snapshot(Checkpoint(self.point.epoch + 1))
        self.point = replace(found, segments=(*self.point.segments, *found.segments))
        return sum(len(read(segment.data)) for segment in found.segments)

    def restart(self) -> None:
        self._build()
        self.graph.states.restore(self.point)


def batch(rows: Sequence[Row]) -> pa.RecordBatch:
    columns = [[row[place] for row in rows] for place in range(6)]
    arrays = [pa.array(values, kind) for values, kind in zip(columns, [*ROWS.types, _MICROS], strict=True)]
    arrays.append(pa.array(range(len(rows)), pa.int64()))
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema([*ROWS, (TIME, _MICROS), (ROW, pa.int64())]))


@dataclass
class Model:
    """All rows of each group, by what its spec says: it is over so long after its last change."""

    ttl: int | None
    groups: dict[Key, list[Row]] = field(default_factory=dict)
    changed: dict[Key, int] = field(default_factory=dict)

    def take(self, rows: Iterable[Row], watermark: int | None) -> None:
        for row in rows:
            key, at = row[:2], row[5] if watermark is None else max(row[5], watermark)
            if self.ttl is not None and key in self.changed and at > self.changed[key] + self.ttl:
                self.groups.pop(key)
                self.changed.pop(key)
            self.groups.setdefault(key, []).append(row)
            self.changed[key] = max(at, self.changed.get(key, at))

    @property
    def table(self) -> dict[Key, dict[str, Any]]:
        return {key: {"k": key[0], "l": key[1], **_aggregated(rows)} for key, rows in self.groups.items()}


def _aggregated(rows: Sequence[Row]) -> dict[str, Any]:
    values, chosen = ([row[2] for row in rows if row[2] is not None and test(row)] for test in (bool, lambda r: r[4]))
    times, real = [row[5] for row in rows], 0.0
    for row in rows:
        real += row[3]
    last = max(range(len(rows)), key=lambda place: (times[place], place))
    return {
        "n": len(rows), "some": len(chosen), "total": sum(values) if values else None, "real": real,
        "mean": real / len(rows), "least": min(values, default=None), "most": max(chosen, default=None),
        "first": rows[times.index(min(times))][2], "last": rows[last][2], "different": len(set(values)),
        "all": [row[2] for row in sorted(rows, key=lambda row: row[5])],
    }  # fmt: skip


def rows_of(times: st.SearchStrategy[int]) -> st.SearchStrategy[Row]:
    return st.tuples(
        st.sampled_from(["a", "b", None]), st.sampled_from([1, 2, None]), st.one_of(st.none(), st.integers(-5, 5)),
        st.floats(-1e9, 1e9, allow_subnormal=False), st.one_of(st.none(), st.booleans()), times,
    )  # fmt: skip


TTL = st.sampled_from([None, 1, 7, 30])


@settings(max_examples=examples(25), deadline=None)
@given(data=st.data())
def test_the_table_is_that_of_the_model_after_each_epoch_whatever_restarts(data: st.DataObject) -> None:
    """Rows come in any order, far behind the watermark too: late ones change a group at the watermark."""
    driven = Driven(running(ttl := data.draw(TTL, "ttl")))
    model, watermark = Model(ttl), data.draw(st.one_of(st.none(), st.integers(-45, 0)), "watermark")
    for rows in data.draw(st.lists(st.lists(rows_of(st.integers(-40, 40)), max_size=12), max_size=7), "epochs"):
        driven.epoch(rows, watermark)
        model.take(rows, watermark)
        assert driven.table == model.table
        driven.keep()
        if data.draw(st.booleans(), "restart"):
            driven.restart()
        watermark = (-40 if watermark is None else watermark) + data.draw(st.integers(0, 25), "more")


@settings(max_examples=examples(25), deadline=None)
@given(data=st.data())
def test_batches_and_restarts_do_not_matter_to_rows_within_the_lateness(data: st.DataObject) -> None:
    ttl, lateness = data.draw(TTL, "ttl"), data.draw(st.integers(0, 10), "lateness")
    steps = data.draw(st.lists(st.tuples(st.integers(0, 12), st.integers(0, lateness)), max_size=30), "times")
    times, now = list[int](), -20
    for more, behind in steps:
        now += more
        times.append(now - behind)
    rows = [(*data.draw(rows_of(st.just(0)), "row")[:5], at) for at in times]
    model, driven = Model(ttl), Driven(running(ttl))
    model.take(rows, None)
    cuts = [0, *sorted(data.draw(st.sets(st.integers(0, len(rows)), max_size=6), "cuts")), len(rows)]
    for begin, end in pairwise(cuts):
        driven.epoch(rows[begin:end], max(times[:begin], default=0) - lateness if begin else None)
        driven.keep()
        if data.draw(st.booleans(), "restart"):
            driven.restart()
    assert driven.table == model.table


@settings(max_examples=examples(15), deadline=None)
@given(data=st.data())
def test_without_end_it_is_the_same_group_by_over_all_rows(data: st.DataObject) -> None:
    driven, rows = Driven(running()), list[Row]()
    for part in data.draw(st.lists(st.lists(rows_of(st.integers(-40, 40)), max_size=15), max_size=5), "epochs"):
        driven.epoch(part, None)
        rows += part
    table = batch(rows)
    query = (
        "SELECT k, l, count(*) AS n, count(x) FILTER (WHERE w) AS some, sum(x) AS total, min(x) AS least, "
        "max(x) FILTER (WHERE w) AS most, count(DISTINCT x) AS different FROM given GROUP BY k, l"
    )
    wanted = duckdb.from_arrow(pa.Table.from_batches([table])).query("given", query).to_arrow_table().to_pylist()
    found = [{name: row[name] for name in wanted[0]} for row in driven.table.values()] if wanted else [*driven.table]
    assert sorted(map(str, found)) == sorted(map(str, ({**row, "total": _whole(row["total"])} for row in wanted)))


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)


def row(key: str | None, x: int, at: int) -> Row:
    return key, 1, x, 0.0, None, at


def test_a_group_begins_anew_behind_the_ttl_and_not_at_it() -> None:
    driven = Driven(running(10))
    driven.epoch([row("a", 1, 0), row("b", 1, 0)], None)
    assert [each["n"] for each in driven.epoch([row("a", 2, 10)], 10)] == [2]
    assert [each["n"] for each in driven.epoch([row("b", 2, 11)], 10)] == [1]
    # in one batch, with the rows of other groups between
    found = driven.epoch([row("a", 3, 20), row("b", 3, 12), row("a", 4, 31), row("b", 4, 13), row("a", 5, 32)], 10)
    assert [(each["k"], each["total"]) for each in found] == [("a", 9), ("b", 9)]


def test_what_comes_out_is_not_older_than_was_promised() -> None:
    operator = Running(running(10), ROWS)
    operator.on_watermark(0, 50)
    rows = operator.process(0, batch([row("a", 1, 20), row("b", 1, 60), row("b", 1, 55)])).rows
    assert rows is not None
    assert rows.column(TIME).cast(pa.int64()).to_pylist() == [50, 60]


def test_what_is_over_is_forgotten_and_a_checkpoint_has_only_what_changed() -> None:
    driven = Driven(running(10))
    driven.epoch([row(f"{n}", 1, n % 3) for n in range(300)], None)
    assert driven.keep() == 300
    driven.epoch([row("7", 1, 4), row("8", 1, 4)], 4)
    assert driven.keep() == 2
    driven.epoch([], 13)
    assert driven.keep() == 0
    driven.restart()
    operator = driven.graph.nodes[0].operator
    assert isinstance(operator, Running)
    driven.epoch([row("9", 1, 14)], 13)
    assert len(operator._groups) == 3
    assert [each["n"] for each in driven.epoch([row("7", 1, 14), row("1", 1, 14)], 14)] == [3, 1]


def test_nothing_comes_of_silence_and_the_end_keeps_all() -> None:
    driven = Driven(running(1000))
    driven.epoch([row("a", 1, 0)], None)
    assert not driven.graph.due(10**9)
    assert not driven.graph.due(END)
    assert driven.epoch([], END) == []
    assert [each["n"] for each in driven.epoch([row("a", 1, 1)], None)] == [2]


def test_state_that_takes_too_much_is_told_with_the_mend() -> None:
    driven = Driven(running(10, max_bytes=1000))
    with pytest.raises(EngineError) as failure:
        driven.epoch([row("a", 1, 0)], None)
    assert failure.value.code == "state-too-large"
    assert "`group_ttl`" in str(failure.value.help)


@pytest.mark.parametrize(
    ("before", "now", "decision", "reason"),
    [
        (10, 10, "keep", ""), (20, 10, "keep", ""), (None, 10, "keep", ""), (None, None, "keep", ""),
        (10, 20, "migrate", "its group_ttl was 10s, is 20s: a group that was forgotten"),
        (10, None, "migrate", "its group_ttl was 10s, is never: a group that was forgotten"),
    ],
)  # fmt: skip
def test_another_ttl_goes_on_with_what_there_is(
    before: int | None, now: int | None, decision: str, reason: str
) -> None:
    said = '{{"operator":"running","group_ttl":{},"keys":[["k","text"]]}}'
    was, is_ = (said.format("null" if ttl is None else ttl * 1_000_000) for ttl in (before, now))
    found = Running(running(now, fingerprint=is_), ROWS).verdict(was)
    assert (found.decision.value, found.reason.startswith(reason)) == (decision, True)
    driven = Driven(running(before, fingerprint=was))
    driven.epoch([row("a", 1, 0)], None)
    driven.keep()
    driven.plan = running(now, fingerprint=is_)
    driven.restart()
    assert [each["n"] for each in driven.epoch([row("a", 1, 1)], None)] == [2]
    assert driven.keep() == 1


def test_state_of_other_keys_and_operators_is_refused_with_the_reason() -> None:
    now = '{"operator":"running","group_ttl":10,"keys":[["k","text"]]}'
    operator = Running(running(10, fingerprint=now), ROWS)
    for before, reason in (
        (now.replace('"k"', '"l"'), "its keys were (l text), are (k text)"),
        ('{"operator":"window","size":10}', "it was a window, and is a running aggregate"),
        ("dedupe", "what it remembers was kept by another version of flowc"),
    ):
        found = operator.verdict(before)
        assert found.decision.value == "refuse"
        assert found.reason.startswith(reason)
    driven = Driven(running(10, fingerprint=now.replace("text", "bigint")))
    driven.epoch([row("a", 1, 0)], None)
    driven.keep()
    driven.plan = running(10, fingerprint=now)
    with pytest.raises(UsageError) as failure:
        driven.restart()
    assert failure.value.code == "state-changed"
