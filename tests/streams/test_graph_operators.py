"""The contract of operators, held to by two of the tests' own that are given to a graph as any: whatever the batches,
restarts and interleavings, the same changes come out, and nothing is older than what was promised.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowc.errors import DataError
from flowc.nodes import ROW, TIME, DedupePlan, SqlPlan
from flowc.runtime.badrows import BadRow
from flowc.runtime.contracts.epoch import END, Intent, Range
from flowc.runtime.contracts.source import Polled
from flowc.runtime.contracts.state import Checkpoint, Segment
from flowc.runtime.streams.graph.build import Node, built
from flowc.runtime.streams.graph.graph import Build, Graph
from flowc.runtime.streams.operators.contract import Decision, Emitted, Least, Operator, Verdict
from flowc.runtime.streams.operators.dedupe import Dedupe
from flowc.stream import SourcePlan, StreamPlan
from tests.extended import examples
from tests.streams.compiled import NOON, Computed, messages
from tests.streams.compiled import plan as planned

KIND = "_flowc_kind"
DELAY = 5
_TIME = pa.timestamp("us", "UTC")
ROWS = pa.schema([("id", pa.int64()), ("n", pa.int64())])
_HIDDEN = (pa.field(TIME, _TIME), pa.field(ROW, pa.int64()))
Row = tuple[int, int, int]
"""An id, a number, and its event time."""


def _ints(rows: pa.RecordBatch, name: str) -> list[Any]:
    return list(rows.column(name).cast(pa.int64()).to_pylist())


class Hold:
    """Puts the rows of two ports in the order of their times: each is held until nothing before it is expected."""

    fingerprint = "hold"

    def __init__(self, ports: int = 2, schema: pa.Schema = ROWS) -> None:
        self._input, self._schema = Least(ports), schema
        self._held: list[tuple[int, list[Any]]] = []
        self._closed = -1
        """Up to which time all is out."""

    @property
    def watermark(self) -> int | None:
        return None if self._input.value is None else self._input.value - DELAY + 1

    def process(self, port: int, rows: pa.RecordBatch) -> Emitted:
        late = []
        values = zip(*(rows.column(name).to_pylist() for name in self._schema.names), strict=True)
        for at, message, row in zip(_ints(rows, TIME), rows.column(ROW).to_pylist(), values, strict=True):
            if at <= self._closed:
                late.append(BadRow(message, "late-row", "it came too late"))
            else:
                self._held.append((at, list(row)))
        return Emitted(None, tuple(late))

    def due(self, at: int) -> bool:
        return any(at == END or time + DELAY <= at for time, _ in self._held)

    def on_watermark(self, port: int, at: int) -> Emitted:
        self._input.at(port, at)
        return self._out(self._input.value - DELAY) if self._input.value is not None else Emitted()

    def on_end(self) -> Emitted:
        return self._out(max((at for at, _ in self._held), default=-1))

    def _out(self, until: int) -> Emitted:
        out = sorted(held for held in self._held if held[0] <= until)
        self._held, self._closed = [held for held in self._held if held[0] > until], max(self._closed, until)
        schema = pa.schema([*self._schema, *_HIDDEN])
        # The number of a message of another epoch: the graph has to take it away.
        rows = [dict(zip(schema.names, [*row, at, 0], strict=True)) for at, row in out]
        return Emitted(pa.RecordBatch.from_pylist(rows, schema=schema))

    def snapshot(self) -> tuple[Segment, ...]:
        data = json.dumps([self._closed, self._held]).encode()
        return (Segment("hold", self.fingerprint, 0, 0, data, whole=True),)

    def restore(self, segments: Iterable[Segment]) -> None:
        for segment in segments:
            self._closed, held = json.loads(segment.data)
            self._held = [(at, row) for at, row in held]

    def verdict(self, written_by: str) -> Verdict:
        return Verdict(Decision.REFUSE)


class Sums:
    """The sum of each id so far, as changes: what it was before is taken back."""

    fingerprint = "sums"

    def __init__(self) -> None:
        self._input, self._sums, self._new = Least(1), dict[int, int](), set[int]()

    @property
    def watermark(self) -> int | None:
        return self._input.value

    def process(self, port: int, rows: pa.RecordBatch) -> Emitted:
        out = []
        for id_, n, at, message in zip(*(_ints(rows, name) for name in ("id", "n", TIME, ROW)), strict=True):
            before = self._sums.get(id_)
            self._sums[id_] = (before or 0) + n
            self._new.add(id_)
            kinds = [(0, self._sums[id_])] if before is None else [(1, before), (2, self._sums[id_])]
            out += [{"id": id_, "n": value, KIND: kind, TIME: at, ROW: message} for kind, value in kinds]
        return Emitted(pa.RecordBatch.from_pylist(out, schema=pa.schema([*CHANGES, *_HIDDEN])))

    def due(self, at: int) -> bool:
        return False

    def on_watermark(self, port: int, at: int) -> Emitted:
        self._input.at(port, at)
        return Emitted()

    def on_end(self) -> Emitted:
        return Emitted()

    def snapshot(self) -> tuple[Segment, ...]:
        new, self._new = sorted(self._new), set()
        return tuple(Segment("sums", "sums", id_, 0, str(self._sums[id_]).encode(), whole=True) for id_ in new)

    def restore(self, segments: Iterable[Segment]) -> None:
        self._sums = {segment.group: int(segment.data) for segment in segments}

    def verdict(self, written_by: str) -> Verdict:
        return Verdict(Decision.REFUSE)


CHANGES = pa.schema([*ROWS, (KIND, pa.int8())])


@dataclass
class Promising:
    """An operator, and a look at what it promises."""

    operator: Operator
    promised: int | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.operator, name)

    def _kept(self, made: Emitted) -> Emitted:
        if made.rows is not None and self.promised is not None and TIME in made.rows.schema.names:
            assert all(at >= self.promised for at in _ints(made.rows, TIME)), "older than what was promised"
        self.promised = self.operator.watermark
        return made

    def process(self, port: int, rows: pa.RecordBatch) -> Emitted:
        return self._kept(self.operator.process(port, rows))

    def on_watermark(self, port: int, at: int) -> Emitted:
        return self._kept(self.operator.on_watermark(port, at))

    def on_end(self) -> Emitted:
        return self._kept(self.operator.on_end())


PLAN = StreamPlan(
    "s", tuple(SourcePlan(name, "bus", "kafka", name, "json") for name in "ab"),
    (SqlPlan(
        "query", ("once",), ("once",), f'SELECT id, n, "{KIND}", "{TIME}", "{ROW}" FROM once WHERE id <> 9',
        traced=True, timed=True,
    ),), (),
)  # fmt: skip
ONCE = DedupePlan("once", ("sums",), ("id", "n", KIND), 0, "once")


def nodes(plans: Sequence[SqlPlan], schemas: object, *_: object, passing: bool) -> tuple[Node, ...]:
    """Both sources → in order → sums of ids → no change twice at one time → SQL."""
    remembering = [
        Node("hold", Hold(), ("a", "b"), ("hold",), remembers=True),
        Node("sums", Sums(), ("hold",), ("sums",), remembers=True),
        Node("once", Dedupe(ONCE), ("sums",), ("once",), remembers=True),
    ]
    promising = [replace(node, operator=Promising(node.operator)) for node in remembering]
    return (*promising, *built(plans, {"once": CHANGES}))


def batch(rows: Sequence[Row]) -> pa.RecordBatch:
    values = [{"id": id_, "n": n, TIME: at, ROW: place} for place, (id_, n, at) in enumerate(rows)]
    return pa.RecordBatch.from_pylist(values, schema=pa.schema([*ROWS, *_HIDDEN]))


def model(rows: Iterable[Row]) -> list[tuple[int, int, int, int]]:
    """The changes as (id, n, kind, time), in plain Python."""
    sums, found = dict[int, int](), list[tuple[int, int, int, int]]()
    for at, id_, n in sorted((at, id_, n) for id_, n, at in rows):
        found += [(id_, sums[id_], 1, at)] if id_ in sums else []
        sums[id_] = sums.get(id_, 0) + n
        found.append((id_, sums[id_], 2 if any(f[0] == id_ for f in found) else 0, at))
    return [change for change in dict.fromkeys(found) if change[0] != 9]


@dataclass
class Driven:
    """A graph from epoch to epoch, and what came out of it."""

    graph: Graph = field(default_factory=lambda: Graph(PLAN, {"a": ROWS, "b": ROWS}, build=nodes))
    point: Checkpoint = field(default_factory=Checkpoint)
    out: list[tuple[int, ...]] = field(default_factory=list)
    late: list[tuple[int, str]] = field(default_factory=list)

    def epoch(self, source: str, rows: Sequence[Row], watermark: int | None) -> None:
        promised = self.graph.nodes[-1].operator.watermark
        found = self.graph(source, batch(rows), Intent(1, 0, (), watermark))
        made = self.graph.whole(found)
        assert promised is None or all(at >= promised for at in _ints(made, TIME))
        assert made.column(ROW).null_count == made.num_rows, "a row is blamed on a message of another epoch"
        self.out += zip(*(_ints(made, name) for name in ("id", "n", KIND, TIME)), strict=True)
        self.late += [(aside.row.index, aside.row.code) for aside in found.late]

    def keep(self) -> None:
        found = self.graph.states.snapshot(Checkpoint(self.point.epoch + 1))
        whole = {(each.node, each.group) for each in found.segments if each.whole}
        kept = (each for each in self.point.segments if (each.node, each.group) not in whole)
        self.point = replace(found, segments=(*kept, *found.segments))

    def restart(self) -> None:
        self.graph = Driven().graph
        self.graph.states.restore(self.point)


@settings(max_examples=examples(25), deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.sampled_from("ab"), st.integers(7, 9), st.integers(1, 3), st.integers(0, 60)), max_size=16
    ),
    data=st.data(),
)
def test_the_same_changes_whatever_batches_restarts_and_interleavings(
    rows: list[tuple[str, int, int, int]], data: st.DataObject
) -> None:
    left = {name: [row[1:] for row in rows if row[0] == name] for name in "ab"}
    driven, watermark = Driven(), None
    while any(left.values()):
        source = data.draw(st.sampled_from([name for name, there in left.items() if there]), "source")
        count = data.draw(st.integers(1, len(left[source])), "rows")
        mark = data.draw(st.integers(-5, min(at for there in left.values() for *_, at in there)), "watermark")
        watermark = mark if watermark is None else max(mark, watermark)
        driven.epoch(source, left[source][:count], watermark)
        left[source] = left[source][count:]
        driven.keep()
        if data.draw(st.booleans(), "restart"):
            driven.restart()
    driven.epoch("a", [], END)
    assert not driven.late
    assert driven.out == model(row[1:] for row in rows)


def test_what_the_end_closed_is_closed_for_the_runs_after_it() -> None:
    driven = Driven()
    driven.epoch("b", [(7, 1, 10), (8, 1, 20)], 0)
    driven.epoch("a", [], END)
    driven.keep()
    driven.restart()
    driven.epoch("a", [(7, 5, 20), (7, 2, 21)], 0)
    assert driven.late == [(0, "late-row")]
    driven.epoch("a", [], END)
    assert driven.out == [(7, 1, 0, 10), (8, 1, 0, 20), (7, 1, 1, 21), (7, 3, 2, 21)]


def test_time_of_a_silent_port_holds_the_other_one_back() -> None:
    hold = Hold()
    hold.process(0, batch([(1, 1, 3)]))
    assert hold.on_watermark(0, 100).rows is None
    assert hold.watermark is None
    let_out = hold.on_watermark(1, 9).rows
    assert let_out is not None
    assert (let_out.num_rows, hold.watermark) == (1, 5)


def _held(plan: StreamPlan) -> tuple[StreamPlan, Build]:
    """A plan whose rows are held on their way to the SQL."""
    ids = pa.schema([("id", pa.int64()), ("name", pa.string()), ("tags", pa.list_(pa.string()))])

    def build(plans: Sequence[SqlPlan], schemas: object, *more: Any, passing: bool) -> tuple[Node, ...]:
        hold = Node("hold", Hold(1, ids), ("source",), ("hold",), ids, remembers=True)
        return (hold, *built(plans, {"hold": ids}, *more))

    query = plan.nodes[0]
    assert isinstance(query, SqlPlan)
    sources = tuple(replace(source, beside=(TIME, "_partition")) for source in plan.sources)
    return replace(plan, nodes=(replace(query, inputs=("hold",)),), sources=sources), build


@pytest.mark.parametrize("divisor", ["id", "(id + 1)"])
def test_a_row_that_was_held_is_blamed_on_no_message(tmp_path: Path, divisor: str) -> None:
    """The second epoch lets out what the first one held; where the SQL fails on a row of that, the stream stops."""
    sql = f"SELECT id, name, 10000 / {divisor} AS n FROM source"
    small = planned(tmp_path, sql, "{ table: small }", on_error="dlq")
    plan, build = _held(small)
    made = Computed(plan, {"build": build})
    first = made.epoch([{"id": id_, "name": "x"} for id_ in (0, 1, 100)])
    assert (first.rows.num_rows, first.dead) == (0, None)
    ranges = (Range.numbered("source", 0, 3, 5),)
    later = messages([{"id": 5, "name": "y"}, b"nothing"], start=3)
    polled = Polled("source", later, ranges, 0.0)
    if divisor == "id":
        with pytest.raises(DataError, match="a row that came of no message"):
            made.compute(polled, Intent(2, NOON, ranges, NOON + DELAY))
        assert made.bad == []
        return
    second = made.compute(polled, Intent(2, NOON, ranges, NOON + DELAY))
    assert [(row["id"], row["n"]) for row in second.rows.to_pylist()] == [(0, 10_000), (1, 5_000), (100, 99)]
    assert second.dead is not None
    # The third message came too late for what is out.
    letters = second.dead.select(["message_position", "error_code"]).to_pylist()
    assert [tuple(letter.values()) for letter in letters] == [("3", "late-row"), ("4", "undecodable-message")]
    assert [text.split(" ")[0] for text in made.bad] == ["3", "4"]
    assert second.without is not None
    with pytest.raises(DataError, match="a row that came of no message"):
        second.without([BadRow(1, "refused", "no")])
