"""scd2 on real engines against the model, over random histories."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from flowc.compiler.dialects import DIALECTS
from flowc.compiler.shape import target_table
from flowc.plan import Counter
from tests.model import histories as h
from tests.model.engines import Engine
from tests.model.loads import fresh, load, outcome, refused, target
from tests.model.model import History, Table, scd2


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


def check(engine: Engine, how: History, batches: list[tuple[int, list[dict]]]) -> None:
    apply = h.apply_for(
        engine.kind,
        "scd2",
        event_time=how.time,
        ttl=None if how.ttl is None else how.ttl * 86400.0,
        deletes=how.deletes,
        soft_delete_column="deleted_at" if how.deletes == "soft" else None,
        dedupe=f"{how.order} DESC NULLS LAST" if how.order else None,
        allow_empty=how.allow_empty,
    )
    fresh(engine)
    table: Table = {}
    live = None
    now = 0
    for pause, batch in batches:
        now += pause
        live = _both(engine, apply, how, table, batch, now, live)


def _both(engine, apply, how, table, batch, now, live):
    counts = outcome(scd2, table, batch, how, now)
    if isinstance(counts, str):
        refused(engine, apply, batch, live, now, code=counts)
        return live
    assert load(engine, apply, batch, live, now) == counts
    live = live or target_table(apply, h.COLUMNS, DIALECTS[engine.kind])
    found = target(engine)
    assert found == expected(table, soft=how.deletes == "soft")
    sound(table)
    again = load(engine, apply, batch, live, now)
    assert {c for c in (Counter.INSERTED, Counter.UPDATED, Counter.DELETED) if again[c]} == set()
    assert target(engine) == found
    return live


def runs(batch: st.SearchStrategy, most: int = 4) -> st.SearchStrategy:
    return st.lists(st.tuples(st.integers(0, 6), batch), min_size=1, max_size=most)


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
@given(batches=runs(h.rows(most=3)), deletes=st.sampled_from(["ignore", "hard", "soft", "close"]))
def test_time_of_the_load(engine: Engine, batches: list, deletes: str) -> None:
    check(engine, History(h.KEYS, h.COMPARE, None, deletes=deletes, allow_empty=True), batches)
