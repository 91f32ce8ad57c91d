"""Joins of two inputs against a model in plain Python that looks at every pair of rows of the whole input."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Literal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowc.errors import EngineError
from flowc.nodes import ROW, TIME, JoinPlan
from flowc.runtime.contracts.epoch import END
from flowc.runtime.contracts.state import Segment
from flowc.runtime.streams.keyed import table as keyed
from flowc.runtime.streams.keyed.segments import joined
from flowc.runtime.streams.operators.contract import NO_MESSAGE, Decision, Emitted
from flowc.runtime.streams.operators.join import IntervalJoin
from tests.extended import examples

Kind = Literal["inner", "left", "right", "full"]
KINDS: tuple[Kind, ...] = ("inner", "left", "right", "full")
Row = tuple[int | None, str | None, int, int]
"""Two key columns, an event time, and a number that no other row of its side has."""
Pair = tuple[int | None, int | None, int]
"""The numbers of a left and a right row, and the event time of what comes out."""
_TIME = pa.timestamp("us", "UTC")
_FAR = 253_402_300_799_999_999
"""The last microsecond of the year 9999."""
LEFT = pa.schema([("a", pa.int64()), ("b", pa.string()), ("n", pa.int64())])
RIGHT = pa.schema([("m", pa.int64()), ("y", pa.string()), ("x", pa.int64())])
_HIDDEN = [pa.field(TIME, _TIME), pa.field(ROW, pa.int64())]
KEYS = st.sampled_from([(1, "x"), (1, "y"), (2, "x"), (12, ""), (1, "2"), (None, "x"), (1, None)])
FEW = st.sampled_from([(1, "x"), (2, "x"), (None, "x")])
BOUNDS = st.sampled_from([(0, 0), (-5, 5), (0, 7), (-3, 0), (2, 9), (-9, -2), (-1, 30), (4, 4), (-40, 40)])


def plan(kind: Kind = "inner", least: int = -5, most: int = 5, **more: Any) -> JoinPlan:
    columns = ((0, "a", "a"), (0, "n", "n"), (1, "m", "m"), (1, "x", "x"))
    return JoinPlan("join", ("l", "r"), kind, (("a", "x"), ("b", "y")), least, most, columns, "f", **more)


def operator(plan: JoinPlan) -> IntervalJoin:
    return IntervalJoin(plan, LEFT, RIGHT)


def batch(port: int, rows: Sequence[Row], first: int = 0) -> pa.RecordBatch:
    names = ("a", "b", TIME, "n") if port == 0 else ("x", "y", TIME, "m")
    values = [{**dict(zip(names, row, strict=True)), ROW: first + place} for place, row in enumerate(rows)]
    return pa.RecordBatch.from_pylist(values, schema=pa.schema([*(LEFT, RIGHT)[port], *_HIDDEN]))


def pairs(left: Iterable[Row], right: Iterable[Row], plan: JoinPlan) -> Counter[Pair]:
    """What comes out of the whole input."""
    found, lefts, rights = list[Pair](), [*left], [*right]
    for a, b, at, n in lefts:
        partners = [(m, to) for x, y, to, m in rights if (a, b) == (x, y) and plan.least <= to - at <= plan.most]
        partners = partners if a is not None and b is not None else []
        found += [(n, m, max(at, to)) for m, to in partners]
        found += [] if partners or not plan.outer[0] else [(n, None, at)]
    paired = {m for _, m, _ in found}
    found += [(None, m, to) for *_, to, m in rights if plan.outer[1] and m not in paired]
    return Counter(found)


@dataclass
class Driven:
    """A join from step to step, and what came out of it."""

    plan: JoinPlan
    made: IntervalJoin = field(init=False)
    stored: list[Segment] = field(default_factory=list)
    out: list[Pair] = field(default_factory=list)
    late: list[int] = field(default_factory=list)
    dropped: int = 0
    number: int = 0

    def __post_init__(self) -> None:
        self.made = operator(self.plan)

    def take(self, emitted: Emitted, promised: int | None) -> pa.RecordBatch | None:
        rows = emitted.rows
        self.late += [row.index for row in emitted.late]
        self.dropped += emitted.dropped
        if rows is not None:
            assert rows.schema.names == ["a", "n", "m", "x", TIME, ROW]
            at = rows.column(TIME).cast(pa.int64()).to_pylist()
            assert promised is None or min(at, default=promised) >= promised, "older than what was promised"
            self.out += zip(rows.column("n").to_pylist(), rows.column("m").to_pylist(), at, strict=True)
        return rows

    def process(self, port: int, rows: Sequence[Row], first: int = 0) -> pa.RecordBatch | None:
        return self.take(self.made.process(port, batch(port, rows, first)), self.made.watermark)

    def watermark(self, at: int) -> None:
        for port in (0, 1):
            promised = self.made.watermark
            due, before = self.made.due(at), len(self.out)
            self.take(self.made.on_watermark(port, at), promised)
            assert due or len(self.out) == before, "rows come out that were not due"

    def end(self) -> None:
        self.take(self.made.on_end(), self.made.watermark)

    def keep(self) -> None:
        self.number += 1
        found = [replace(segment, sequence=self.number) for segment in self.made.snapshot()]
        assert len({segment.group for segment in found}) == len(found)
        self.stored += found

    def compact(self, group: int) -> None:
        parts = [each for each in self.stored if each.group == group]
        if len(parts) > 1:
            whole = replace(parts[-1], data=joined([each.data for each in parts], "join", whole=True).data())
            self.stored = [each for each in self.stored if each.group != group] + [whole]

    def restart(self, mark: int | None) -> None:
        self.made = operator(self.plan)
        self.made.restore(self.stored)
        if mark is not None:
            self.watermark(mark)


@pytest.fixture(autouse=True, scope="module")
def small():
    """Runs of a few rows are merged, as many are."""
    before, keyed._SMALL = keyed._SMALL, 4
    yield
    keyed._SMALL = before


@settings(deadline=None, max_examples=examples(50))
@given(st.data())
def test_the_same_pairs_as_the_model_whatever_batches_restarts_and_order(data: st.DataObject) -> None:
    kind, (least, most) = data.draw(st.sampled_from(KINDS), "kind"), data.draw(BOUNDS, "bounds")
    driven = Driven(plan(kind, least, most, late=data.draw(st.sampled_from(["drop", "dlq"]), "late")))
    sides: tuple[list[Row], list[Row]] = ([], [])
    mark, number, late = None, 0, list[int]()
    for _ in range(data.draw(st.integers(0, 14), "steps")):
        step = data.draw(st.sampled_from(["rows", "rows", "rows", "watermark", "keep", "restart", "compact"]), "step")
        if step == "rows":
            port = data.draw(st.integers(0, 1), "port")
            drawn = data.draw(st.lists(st.tuples(KEYS, st.integers(-30, 60)), max_size=8), "rows")
            rows = [(*key, at, number + place) for place, (key, at) in enumerate(drawn)]
            made = driven.process(port, rows, first=number)
            if made is not None:
                own = made.column("n" if port == 0 else "m").to_pylist()
                assert made.column(ROW).to_pylist() == own, "a pair is of the message that came last"
                assert own == sorted(own)
            sides[port].extend(row for row in rows if mark is None or row[2] >= mark)
            late += [row[3] for row in rows if mark is not None and row[2] < mark]
            number += len(rows)
        elif step == "watermark":
            mark = (-40 if mark is None else mark) + data.draw(st.integers(0, 40), "more")
            driven.watermark(mark)
        elif step == "restart":
            driven.keep()
            driven.restart(mark)
        elif step == "keep":
            driven.keep()
        elif driven.stored:
            driven.compact(data.draw(st.sampled_from(sorted({each.group for each in driven.stored})), "group"))
    driven.end()
    assert Counter(driven.out) == pairs(*sides, driven.plan)
    assert (driven.late, driven.dropped) == ((late, 0) if driven.plan.late == "dlq" else ([], len(late)))


@settings(deadline=None, max_examples=examples(60))
@given(st.data())
def test_late_rows_within_what_is_allowed_find_their_partners(data: st.DataObject) -> None:
    kind, (least, most) = data.draw(st.sampled_from(KINDS[:3]), "kind"), data.draw(BOUNDS, "bounds")
    allowed = data.draw(st.sampled_from([0, 1, 7, 25, 100]), "allowed lateness")
    driven = Driven(plan(kind, least, most, late="reopen", allowed_lateness=allowed))
    sides: tuple[list[Row], list[Row]] = ([], [])
    mark, number, late = None, 0, 0
    for _ in range(data.draw(st.integers(2, 10), "steps")):
        step = data.draw(st.sampled_from(["rows", "rows", "watermark", "restart", "end"]), "step")
        if step == "rows":
            port = data.draw(st.integers(0, 1), "port")
            drawn = data.draw(st.lists(st.tuples(FEW, st.integers(-30, 10)), min_size=1, max_size=8), "rows")
            rows = [(*key, at, number + place) for place, (key, at) in enumerate(drawn)]
            driven.process(port, rows, first=number)
            sides[port].extend(row for row in rows if mark is None or row[2] >= mark - allowed)
            late += sum(mark is not None and row[2] < mark - allowed for row in rows)
            number += len(rows)
        elif step == "watermark":
            mark = (-40 if mark is None else mark) + data.draw(st.integers(0, 20), "more")
            driven.watermark(mark)
        elif step == "restart":
            driven.keep()
            driven.restart(mark)
        else:
            driven.end()
    driven.end()
    assert driven.dropped == late
    wanted, left, outer = pairs(*sides, driven.plan), dict[int, Pair](), int(kind == "right")
    alone = [pair for pair in driven.out if None in pair[:2]]
    assert len({pair[outer] for pair in alone}) == len(alone), "a row is out alone once at most"
    paired = {pair for pair in wanted if None not in pair[:2]}
    assert Counter(pair for pair in driven.out if pair not in alone) == Counter(paired)
    for pair in driven.out:  # as a target has them in the end whose key is that of the outer side
        assert left.get(pair[outer], pair) in alone or pair not in alone, "a pair is replaced by a row alone"
        left[pair[outer]] = pair
    assert {pair for pair in left.values() if pair in alone} == {pair for pair in wanted if None in pair[:2]}


@pytest.mark.parametrize(("kind", "allowed", "delay"), [("inner", 4, 4), ("left", 4, 9), ("left", 20, 20)])
def test_what_it_promises_is_behind_by_what_is_allowed(kind: Kind, allowed: int, delay: int) -> None:
    made = operator(plan(kind, -7, 9, late="reopen", allowed_lateness=allowed))
    made.on_watermark(0, 100)
    made.on_watermark(1, 100)
    assert made.watermark == 100 - delay


@settings(deadline=None, max_examples=examples(60))
@given(st.data())
def test_time_lets_out_what_no_partner_can_come_for_and_nothing_else(data: st.DataObject) -> None:
    kind, (least, most) = data.draw(st.sampled_from(KINDS), "kind"), data.draw(BOUNDS, "bounds")
    driven = Driven(plan(kind, least, most))
    drawn = data.draw(st.lists(st.tuples(st.integers(0, 1), KEYS, st.integers(-30, 60)), max_size=20), "rows")
    sides: tuple[list[Row], list[Row]] = ([], [])
    for number, (port, key, at) in enumerate(drawn):
        sides[port].append((*key, at, number))
    for port in (0, 1):
        driven.process(port, sides[port])
    mark = data.draw(st.integers(-60, 110), "watermark")
    driven.watermark(mark)
    alone = {pair for pair in pairs(*sides, driven.plan) if None in pair[:2]}
    times = {n: (a is None or b is None, at) for rows in sides for a, b, at, n in rows}
    ends = {(n, m, at): at + (-least if n is None else most) for n, m, at in alone}
    out = {pair for pair in alone if ends[pair] < mark or times[pair[1] if pair[0] is None else pair[0]][0]}
    assert {pair for pair in driven.out if None in pair[:2]} == out
    assert not driven.made.due(mark)
    for side in driven.made._sides:
        # What is forgotten is found out by slices.
        kept = [at for run in (side.paired._large, side.paired._small) for at in run.at.tolist()]
        assert all(at + side.most + driven.made._step >= mark for at in kept)


@pytest.mark.parametrize("off", [-1, 0, 1])
@pytest.mark.parametrize("bound", [-7, 9])
def test_both_bounds_belong_to_it(bound: int, off: int) -> None:
    driven = Driven(plan("inner", -7, 9))
    driven.process(0, [(1, "x", 100, 0)])
    driven.process(1, [(1, "x", 100 + bound + off, 1)])
    assert len(driven.out) == (-7 <= bound + off <= 9)


@pytest.mark.parametrize(("kind", "delay"), [("inner", 0), ("left", 9), ("right", 7), ("full", 9)])
def test_the_watermark_is_behind_by_the_age_of_a_row_without_a_partner(kind: Kind, delay: int) -> None:
    made = operator(plan(kind, -7, 9))
    made.on_watermark(0, 100)
    assert made.watermark is None, "the other input may still have anything"
    made.on_watermark(1, 50)
    assert made.watermark == 50 - delay


def test_a_row_comes_out_alone_when_the_watermark_is_behind_its_last_partner() -> None:
    driven = Driven(plan("left", 0, 10))
    driven.process(0, [(1, "x", 100, 7)])
    driven.watermark(110)
    assert (driven.out, driven.made.due(110), driven.made.due(111)) == ([], False, True)
    driven.process(1, [(1, "x", 110, 8)])
    driven.watermark(111)
    assert driven.out == [(7, 8, 110)]


def test_what_the_end_let_out_is_closed_and_everything_else_goes_on() -> None:
    driven = Driven(plan("left", -5, 5, late="dlq"))
    driven.watermark(0)
    driven.process(0, [(1, "x", 10, 0), (2, "x", 10, 1)])
    driven.process(1, [(2, "x", 11, 2)])
    assert driven.made.due(END)
    driven.end()
    driven.end()
    driven.keep()
    driven.restart(0)
    assert driven.out == [(1, 2, 11), (0, None, 10)]
    driven.process(1, [(1, "x", 12, 3), (2, "x", 12, 4), (1, "x", 16, 5)], first=70)
    assert (driven.out[2:], driven.late) == ([(1, 4, 12)], [70])
    driven.process(0, [(1, "x", 17, 6)])
    driven.end()
    assert driven.out[3:] == [(6, 5, 17)]


def test_it_goes_on_with_fewer_columns_under_other_names() -> None:
    before = operator(plan("left"))
    before.process(0, batch(0, [(1, "x", 10, 5), (2, "x", 11, 6)]))
    segments = [replace(each, sequence=1) for each in before.snapshot()]
    after = operator(replace(plan("left"), columns=((1, "x", "x"), (0, "n", "number")), fingerprint="g"))
    after.restore(segments)
    made = after.process(1, batch(1, [(1, "x", 12, 7)])).rows
    assert made is not None
    assert made.select(["number", "x"]).to_pylist() == [{"number": 5, "x": 1}]
    assert sum(segment.rows for segment in after.snapshot()) == 3
    made = after.on_end().rows
    assert made is not None
    assert made.column("number").to_pylist() == [6]


def test_a_late_row_of_no_message_is_counted() -> None:
    driven = Driven(plan(late="dlq"))
    driven.watermark(100)
    rows = batch(0, [(1, "x", 99, 0), (1, "x", 98, 1)])
    rows = rows.set_column(rows.num_columns - 1, ROW, pa.array([None, NO_MESSAGE], pa.int64()))
    made = driven.made.process(0, rows)
    assert (made.late, made.dropped, made.rows) == ((), 2, None)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (pa.string(), ["", "a", "A", "é", "a "]),
        (pa.binary(), [b"", b"\x00", b"\x00\x00"]),
        (pa.bool_(), [True, False]),
        (pa.int8(), [-1, 0, 127]),
        (pa.uint64(), [0, 2**64 - 1]),
        (pa.float64(), [0.0, -1.5, float("inf")]),
        (pa.decimal128(38, 10), [Decimal("1.5"), Decimal("-1.5"), Decimal(0)]),
        (pa.date32(), [date(1, 1, 1), date(9999, 12, 31)]),
        (pa.time64("us"), [time(0), time(23, 59)]),
        (pa.timestamp("us", "UTC"), [datetime(1969, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)]),
    ],
)
def test_keys_of_every_type_that_has_equality(kind: pa.DataType, values: list[Any]) -> None:
    schema = pa.schema([("k", kind)])
    columns = ((0, "k", "k"), (1, "k", "other"))
    made = IntervalJoin(JoinPlan("join", ("l", "r"), "full", (("k", "k"),), 0, 0, columns, "f"), schema, schema)
    rows = pa.RecordBatch.from_arrays(
        [pa.array([*values, None], kind), pa.array([_FAR] * (len(values) + 1), _TIME)], names=["k", TIME]
    )
    made.process(0, rows)
    made.on_watermark(0, _FAR)
    made.on_watermark(1, _FAR)
    out = made.process(1, rows).rows
    assert out is not None
    assert out.select(["k", "other"]).to_pylist() == [
        *({"k": value, "other": value} for value in values), {"k": None, "other": None}
    ]  # fmt: skip


def test_zeros_are_one_key_and_so_are_what_is_no_number() -> None:
    schema = pa.schema([("k", pa.float64())])
    made = IntervalJoin(JoinPlan("join", ("l", "r"), "inner", (("k", "k"),), 0, 0, (), "f"), schema, schema)
    sides = ([0.0, float("nan")], [-0.0, -float("nan")])
    rows = [pa.RecordBatch.from_arrays([pa.array(keys), pa.array([0, 0], _TIME)], names=["k", TIME]) for keys in sides]
    made.process(0, rows[0])
    out = made.process(1, rows[1]).rows
    assert out is not None
    assert out.num_rows == 2


def test_rows_without_columns_that_come_out_are_joined() -> None:
    made = IntervalJoin(replace(plan("full"), columns=((1, "m", "m"),)), LEFT, RIGHT)
    made.process(0, batch(0, [(1, "x", 10, 0), (2, "x", 10, 0)]))
    out = made.process(1, batch(1, [(1, "x", 10, 5)])).rows
    assert out is not None
    assert out.column("m").to_pylist() == [5]
    out = made.on_end().rows
    assert out is not None
    assert (out.schema.names, out.column("m").to_pylist()) == (["m", TIME, ROW], [None])


@pytest.mark.parametrize("kept", [(1, "x" * 50), (1, "x")])
def test_a_key_with_very_many_partners_is_refused_before_memory_is_taken(kept: tuple[int, str]) -> None:
    made = operator(plan("inner", max_bytes=1 << 20))
    rows = [(*kept, 10, n) for n in range(3000)]
    made.process(0, batch(0, rows))
    with pytest.raises(
        EngineError, match=r"`join` makes [0-9,]+ rows of one batch, which take more than 1 MiB"
    ) as found:
        made.process(1, batch(1, rows))
    assert found.value.code == "state-too-large"


def test_long_values_of_one_row_are_not_copied_without_a_limit() -> None:
    schema = pa.schema([("a", pa.int64()), ("b", pa.string()), ("n", pa.string())])
    made = IntervalJoin(plan("inner", max_bytes=4 << 20), schema, RIGHT)
    long = {"a": 1, "b": "x", "n": "é" * 500_000, TIME: 10, ROW: 0}
    made.process(0, pa.RecordBatch.from_pylist([long], schema=pa.schema([*schema, *_HIDDEN])))
    with pytest.raises(EngineError, match="which take more than 4 MiB"):
        made.process(1, batch(1, [(1, "x", 10, n) for n in range(100)]))


def test_all_that_it_keeps_counts_together() -> None:
    made = operator(plan("inner", max_bytes=20_000))
    made.process(0, batch(0, [(n, "x", 10, n) for n in range(250)]))
    with pytest.raises(EngineError, match="`join` remembers 500 rows, which take more than 20,000 bytes"):
        made.process(1, batch(1, [(1000 + n, "x", 10, n) for n in range(250)]))


_SAID = (
    '{"operator":"join","kind":"left","keys":[["a","x","bigint"]],"least":-5,"most":5,"from":["l","r"],'
    '"columns":[[0,"n","bigint"]]}'
)


@pytest.mark.parametrize(
    ("before", "decision", "reason"),
    [
        (_SAID, Decision.KEEP, ""),
        (_SAID.replace("-5", "-9"), Decision.KEEP, ""),
        (_SAID.replace("-5", "-3"), Decision.MIGRATE, "rows that were forgotten under the narrower bounds find no"),
        (_SAID.replace("left", "inner"), Decision.REFUSE, "its kind was changed"),
        (_SAID.replace('"a"', '"b"'), Decision.REFUSE, "its keys were changed"),
        (_SAID.replace('"x"', "\"x where m = 'card'\""), Decision.REFUSE, "a condition in its ON was added, removed"),
        (_SAID.replace('"l"', '"p"'), Decision.REFUSE, "what its sides read was changed"),
        (_SAID.replace('"n"', '"p"'), Decision.REFUSE, "it did not keep `n`, or not of"),
        (_SAID.replace('[[0,"n"', '[[0,"a","bigint"],[0,"n"'), Decision.KEEP, ""),
        ("what is no JSON", Decision.REFUSE, "it was no join"),
        (_SAID.replace('"least"', '"reopen":5,"least"'), Decision.KEEP, ""),
        (_SAID.replace('"least"', '"replaces":true,"least"'), Decision.REFUSE, "what becomes of its late rows was"),
    ],
)
def test_state_of_another_join(before: str, decision: Decision, reason: str) -> None:
    verdict = operator(replace(plan(), fingerprint=_SAID)).verdict(before)
    assert verdict.decision is decision
    assert verdict.reason.startswith(reason)


def test_state_of_a_join_that_kept_rows_for_less_time() -> None:
    longer, shorter = (_SAID.replace('"least"', f'"replaces":true,"reopen":{time},"least"') for time in (9, 5))
    verdict = operator(replace(plan(), fingerprint=longer)).verdict(shorter)
    assert (verdict.decision, "shorter allowed lateness" in verdict.reason) == (Decision.MIGRATE, True)
    assert operator(replace(plan(), fingerprint=shorter)).verdict(longer).decision is Decision.KEEP
