"""scd2 on real engines against the model, over random histories."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowc.compiler.ir import Apply
from flowc.loadplan import Counter
from tests.model import histories as h
from tests.model.engines import HERE, WAYS, Engine
from tests.model.loads import load, outcome, refused, state, target
from tests.model.model import History, Table, key_of, scd2

pytestmark = pytest.mark.turns("engine", 2)


def expected(table: Table, *, soft: bool) -> list[tuple]:
    rows = []
    for versions in table.values():
        for v in versions:
            row = {**v.row, "at": h.written(v.row["at"])}
            if soft:
                row["deleted_at"] = h.written(v.mark)
            row |= {"valid_from": h.written(v.start), "valid_to": h.written(v.end), "is_current": v.end is None}
            rows.append(tuple(sorted(row.items())))
    return sorted(rows, key=repr)


def sound(table: Table) -> None:
    """What holds for every history, whatever was loaded."""
    for versions in table.values():
        ordered = sorted(versions, key=lambda v: v.start)
        assert sum(v.end is None for v in ordered) <= 1
        for version, following in pairwise(ordered):
            assert version.end is not None
            assert version.start <= version.end <= following.start


def present(table: Table, batch: list[dict], how: History) -> None:
    """With `deletes: close`, what the source has is current, or has expired."""
    if how.deletes == "close":
        for row in batch:
            last = max(table[key_of(row, how.keys)], key=lambda v: v.start)
            assert last.end is None or (how.ttl is not None and last.end == last.start + how.ttl)


def applied(engine: Engine, how: History) -> Apply:
    """The load that the model's options describe."""
    return h.apply_for(
        engine.kind,
        "scd2",
        event_time=how.time,
        ttl=None if how.ttl is None else how.ttl * 86400.0,
        deletes=how.deletes,
        soft_delete_column="deleted_at" if how.deletes == "soft" else None,
        dedupe=h.latest(how.order, engine.kind) if how.order else None,
        allow_empty=how.allow_empty,
    )


def check(engine: Engine, how: History, batches: list[tuple[int, str, list[dict]]]) -> None:
    apply = applied(engine, how)
    engine.reset()
    table: Table = {}
    now = 0
    last = None
    for pause, way, batch in batches:
        now += pause
        if _both(engine, apply, how, table, batch, now, way):
            last = batch, now, way
    if last is not None:
        _again(engine, apply, *last)


def _both(engine: Engine, apply: Apply, how: History, table: Table, batch: list[dict], now: int, way: str) -> bool:
    """Whether the model takes the batch; the engine does as it does."""
    counts = outcome(scd2, table, batch, how, now)
    if isinstance(counts, str):
        refused(engine, apply, batch, now, way=way, code=counts)
        return False
    assert load(engine, apply, batch, now, way=way) == counts
    assert target(engine) == expected(table, soft=how.deletes == "soft")
    sound(table)
    present(table, batch, how)
    hashes(engine, how)
    return True


def _again(engine: Engine, apply: Apply, batch: list[dict], now: int, way: str) -> None:
    """The last load once more changes nothing. Histories that end there show it of those before."""
    before = state(engine)
    again = load(engine, apply, batch, now, way=way)
    assert {c for c in (Counter.INSERTED, Counter.UPDATED, Counter.DELETED) if again[c]} == set()
    assert again[Counter.READ] == len(batch)
    assert state(engine) == before


def hashes(engine: Engine, how: History) -> None:
    """Versions have one `row_hash` when and only when they agree in what is compared, however they arrived."""
    rows = engine.query("SELECT * FROM tgt")
    pairs = {(tuple(row[n] for n in how.compare), row["row_hash"]) for row in rows}
    assert len({content for content, _ in pairs}) == len({digest for _, digest in pairs}) == len(pairs)


def runs(batch: st.SearchStrategy, most: int = 4, pauses: tuple[int, int] = (0, 6)) -> st.SearchStrategy:
    """Batches, each some days after the one before, and arriving in a way of its own."""
    return st.lists(st.tuples(st.integers(*pauses), st.sampled_from(WAYS), batch), min_size=1, max_size=most)


@st.composite
def one_key(draw: st.DrawFn) -> list[dict]:
    """A full source of one key: it is there, as before or not, or it is gone."""
    row = {
        "k1": 1,
        "K 2": "x",
        "a": draw(st.sampled_from(["a", None])),
        "b": 0,
        "note": "n",
        "at": draw(st.integers(0, 9)),
    }
    return draw(st.sampled_from([[], [row], [row]]))


@h.BUDGET
@given(batches=runs(h.agreeing()))
def test_event_times_in_any_order(engine: Engine, batches: list) -> None:
    check(engine, History(h.KEYS, h.COMPARE, "at"), batches)


@h.BUDGET
@given(batches=runs(h.agreeing(most=8)), ttl=st.integers(1, 6))
def test_expiry(engine: Engine, batches: list, ttl: int) -> None:
    check(engine, History(h.KEYS, h.COMPARE, "at", ttl=ttl), batches)


@h.BUDGET
@given(batches=runs(h.agreeing()), deletes=st.sampled_from(["hard", "soft", "close"]), empty=st.booleans())
def test_deletes_and_returns(engine: Engine, batches: list, deletes: str, empty: bool) -> None:
    check(engine, History(h.KEYS, h.COMPARE, "at", deletes=deletes, allow_empty=empty), batches)


@h.BUDGET
@given(batches=runs(h.agreeing()), deletes=st.sampled_from(["soft", "close"]), ttl=st.integers(1, 6))
def test_deletes_with_expiry(engine: Engine, batches: list, deletes: str, ttl: int) -> None:
    check(engine, History(h.KEYS, h.COMPARE, "at", ttl=ttl, deletes=deletes, allow_empty=True), batches)


@h.BUDGET
@given(batches=runs(h.rows(odd=5, ticks=(0, 3))), order=st.sampled_from([None, "b"]))
def test_ties_and_nulls(engine: Engine, batches: list, order: str | None) -> None:
    check(engine, History(h.KEYS, h.COMPARE, "at", order=order), batches)


@h.BUDGET
@given(
    batches=runs(h.rows(most=3)),
    deletes=st.sampled_from(["ignore", "hard", "soft", "close"]),
    ttl=st.none() | st.integers(1, 4),
)
def test_time_of_the_load(engine: Engine, batches: list, deletes: str, ttl: int | None) -> None:
    check(engine, History(h.KEYS, h.COMPARE, None, ttl=ttl, deletes=deletes, allow_empty=True), batches)


@h.BUDGET
@given(
    batches=runs(h.agreeing(most=3, odd=999, ticks=(0, 0)), pauses=(-3, 3)),
    deletes=st.sampled_from(["ignore", "hard", "soft", "close"]),
    ttl=st.none() | st.integers(1, 4),
)
def test_a_clock_that_is_set_back(engine: Engine, batches: list, deletes: str, ttl: int | None) -> None:
    check(engine, History(h.KEYS, h.COMPARE, None, ttl=ttl, deletes=deletes, allow_empty=True), batches)


@h.BUDGET
@given(
    batches=st.lists(st.tuples(st.integers(0, 4), st.just(HERE), one_key()), min_size=3, max_size=6),
    time=st.sampled_from(["at", None]),
    ttl=st.none() | st.integers(2, 6),
)
def test_a_key_goes_and_comes_back(engine: Engine, batches: list, time: str | None, ttl: int | None) -> None:
    check(engine, History(h.KEYS, h.COMPARE, time, ttl=ttl, deletes="close", allow_empty=True), batches)


@h.BUDGET
@given(
    rows=h.agreeing(most=9),
    ways=st.lists(st.sampled_from(WAYS), min_size=9, max_size=9),
    cuts=st.lists(st.integers(0, 9), max_size=3),
    ttl=st.none() | st.integers(1, 6),
)
def test_any_split_of_rows_in_order_gives_one_table(
    engine: Engine, rows: list, ways: list, cuts: list, ttl: int | None
) -> None:
    """On the engines alone, the model has no say in it. Rows that all came by `now`, in the order of their times."""
    apply = applied(engine, History(h.KEYS, h.COMPARE, "at", ttl=ttl))
    ordered = sorted((r for r in rows if None not in (r["at"], r["k1"])), key=lambda r: r["at"])
    engine.reset()
    load(engine, apply, ordered, 9)
    whole = state(engine)
    engine.reset()
    places = [0, *sorted({min(c, len(ordered)) for c in cuts}), len(ordered)]
    for way, (begin, end) in zip(ways, pairwise(places), strict=False):
        load(engine, apply, ordered[begin:end], 9, way=way)
    assert state(engine) == whole


@h.BUDGET
@given(rows=h.agreeing(most=7), order=st.randoms(use_true_random=False))
def test_late_rows_that_nothing_contradicts_give_the_table_of_one_batch(engine: Engine, rows: list, order: Any) -> None:
    """Without deletes and expiry even the order in which single rows arrive is of no matter to what was when."""
    apply = applied(engine, History(h.KEYS, h.COMPARE, "at"))
    good = list({(r["k1"], r["K 2"], r["at"]): r for r in rows if None not in (r["at"], r["k1"])}.values())
    engine.reset()
    load(engine, apply, good, 9)
    whole = spells(engine)
    engine.reset()
    load(engine, apply, [], 9)
    order.shuffle(good)
    for row in good:
        load(engine, apply, [row], 9)
    assert spells(engine) == whole


def spells(engine: Engine) -> list[tuple]:
    """What held when, of the columns that are compared."""
    shown = ("k1", "K 2", *h.COMPARE, "valid_from", "valid_to", "is_current", "row_hash")
    return sorted((tuple(row[n] for n in shown) for row in engine.query("SELECT * FROM tgt")), key=repr)


def test_no_two_contents_share_a_hash(engine: Engine) -> None:
    """Not NULL and nothing, and not texts that move what looks like the bounds between columns."""
    texts = (None, "", "n", "0:", "x", "s1:x", "xs1:y", "s:x", "xs:y", "ys:z", "y", "z", "|", "x|", "|x", "\x1f")
    contents = [(a, note) for a in texts for note in texts]
    rows = [{"k1": n, "K 2": "x", "a": a, "b": 0, "note": note, "at": 1} for n, (a, note) in enumerate(contents)]
    apply = h.apply_for(engine.kind, "scd2", event_time="at", compare=("a", "note"))
    engine.reset()
    load(engine, apply, rows, 9)
    assert len({row["row_hash"] for row in engine.query("SELECT row_hash FROM tgt")}) == len(contents)
