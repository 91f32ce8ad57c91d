"""Reading on by a cursor of any type, from any source into any target, gives the table of one full load."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from flowc.loadplan import Counter
from flowc.types import Kind
from tests.model import histories as h
from tests.model.cursors import CURSORS, ZONE, Cursor, apply_for, fill, fits
from tests.model.engines import HERE, TARGETS, Engine
from tests.model.loads import execute, plan, stored

WAYS = (HERE, *TARGETS, "csv", "parquet")
HOLD_ODD = ("duckdb", "postgres", "delta", "parquet", HERE)


@st.composite
def growing(draw: st.DrawFn) -> tuple[Cursor, list[list[Any]]]:
    """A cursor, and the values that come in each slice: values that only grow, NULLs, ties of the greatest."""
    cursor = draw(st.sampled_from(CURSORS))
    values = sorted(draw(st.lists(cursor.values, min_size=2, max_size=8)))
    cuts = sorted(draw(st.lists(st.integers(0, len(values)), min_size=1, max_size=3)))
    slices = [values[a:b] for a, b in pairwise([0, *cuts, len(values)])]
    for part in slices:
        part += draw(st.lists(st.none(), max_size=1))
    for i in range(1, len(slices)):
        known = [v for part in slices[:i] for v in part if v is not None]
        slices[i] += [max(known)] if known and draw(st.booleans()) else []
    return cursor, slices


@h.BUDGET
@given(
    grown=growing(),
    way=st.sampled_from(WAYS),
    keyed=st.booleans(),
    mode=st.sampled_from(["append", "merge"]),
    odd=st.none() | st.integers(0, 2),
)
def test_any_slices_of_a_growing_source_give_its_full_load(
    engine: Engine, grown: tuple[Cursor, list], way: str, keyed: bool, mode: str, odd: int | None
) -> None:
    cursor, slices = grown
    kind = engine.kind if way == HERE else "parquet" if way in ("csv", "parquet") else way
    assume(way != "csv" or cursor.source.kind is not Kind.BINARY)  # a line has no form for them
    assume(fits(cursor, engine.kind) and ((kind == "parquet" and not cursor.only) or fits(cursor, kind)))
    assume(engine.kind != "mysql" or way != HERE or cursor.timezone != ZONE)  # the server knows no zones by name
    if odd is not None and cursor.odd and engine.kind in HOLD_ODD and kind in HOLD_ODD:
        slices[0].append(cursor.odd[odd])
    keys = ("id",) if keyed or mode == "merge" else ()
    apply = apply_for(engine.kind, cursor, keys, mode, 0.0)
    engine.reset()
    rows: list[tuple[int, Any]] = []
    for part in slices:
        rows += [(len(rows) + i, value) for i, value in enumerate(part)]
        coming = replace(apply, input=fill(engine, way, cursor, rows))
        counts = execute(engine, plan(engine, coming, 0))
        assert counts[Counter.INSERTED] == len(part)
        assert held(engine) == list(range(len(rows)))
    before = stored(engine)
    assert execute(engine, plan(engine, coming, 0))[Counter.INSERTED] == 0
    assert stored(engine) == before


def held(engine: Engine) -> list[int]:
    """The numbers of the rows that have arrived."""
    return sorted(row["id"] for row in engine.query("SELECT id FROM tgt"))
