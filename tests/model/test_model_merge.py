"""merge and incremental append on real engines against the model, over random histories."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowc.compiler.ir import Incremental
from flowc.loadplan import Counter
from tests.model import histories as h
from tests.model.engines import HERE, OWN, WAYS, Engine, shown_by_view
from tests.model.loads import execute, load, outcome, plan, refused, state, stored, target
from tests.model.model import Merge, Row, append, merge

pytestmark = pytest.mark.turns("engine", 3)

SOURCES = st.one_of(st.sampled_from(WAYS), st.just(OWN))
WRITES = (Counter.INSERTED, Counter.UPDATED, Counter.DELETED)


def reads_itself(engine: Engine, way: str) -> bool:
    """Whether a load that arrives so reads the table that it writes."""
    return way == OWN and engine.own() is not None


def shown(rows: list[Row]) -> list[tuple]:
    """The model's rows as `target` gives the engine's."""
    marks = {"at", "deleted_at"}
    dressed = ({n: h.written(v) if n in marks else v for n, v in row.items()} for row in rows)
    return sorted((tuple(sorted(row.items())) for row in dressed), key=repr)


@h.BUDGET
@given(
    batches=st.lists(st.tuples(SOURCES, h.rows(most=5, odd=10)), min_size=1, max_size=4),
    deletes=st.sampled_from(["ignore", "hard", "soft"]),
    order=st.sampled_from([None, "at", "at"]),
    empty=st.booleans(),
    unique=st.booleans(),
)
def test_merge(engine: Engine, batches: list, deletes: str, order: str | None, empty: bool, unique: bool) -> None:
    """With and without a constraint that the plan may rely on."""
    how = Merge(h.KEYS, h.COMPARE, deletes, order=order, allow_empty=empty)
    apply = h.apply_for(
        engine.kind,
        "merge",
        deletes=deletes,
        soft_delete_column="deleted_at" if deletes == "soft" else None,
        dedupe=h.latest('"at"', engine.kind) if order else None,
        allow_empty=empty,
    )
    engine.reset()
    table: dict[tuple, Row] = {}
    for now, (chosen, given_rows) in enumerate(batches):
        itself = reads_itself(engine, chosen)
        way = HERE if chosen == OWN and not itself else chosen  # also where it is loaded again and there is a target
        batch = shown_by_view(table.values()) if itself else given_rows
        counts = outcome(merge, table, batch, how, now)
        if isinstance(counts, str):
            refused(engine, apply, batch, now, way=way, code=counts)
            continue
        assert load(engine, apply, batch, now, way=way, constraints=unique) == counts
        assert target(engine) == shown(list(table.values()))
        before = state(engine)
        again = load(engine, apply, batch, now, way=way, constraints=unique)
        assert [again[c] for c in WRITES] == [0, 0, 0]
        assert again[Counter.READ] == again[Counter.UNCHANGED] or order
        assert state(engine) == before


@h.BUDGET
@given(
    batches=st.lists(st.tuples(st.sampled_from(WAYS), h.rows(most=5, odd=4)), min_size=1, max_size=5),
    keys=st.sampled_from([(), h.KEYS]),
    lag=st.integers(0, 3),
)
def test_append_reads_on_from_the_watermark(engine: Engine, batches: list, keys: tuple, lag: int) -> None:
    """A source that only grows, with late rows and NULLs: what is past the watermark less `lag` arrives once."""
    incremental = Incremental("at", None, lag * 86400.0, False)
    apply = h.apply_for(engine.kind, "append", keys=keys, compare=None, incremental=incremental)
    engine.reset()
    source: list[Row] = []
    table: list[Row] = []
    mark = None
    for turn, (way, batch) in enumerate(batches):
        source += added(batch, source) if keys else batch
        read = [r for r in source if mark is None or r["at"] is None or r["at"] >= mark - lag]
        counts = append(table, read, keys, "at")
        coming = replace(apply, input=engine.fill(way, source))
        assert execute(engine, plan(engine, coming, turn)) == counts
        mark = max((t for t in (mark, *(r["at"] for r in read)) if t is not None), default=None)
        assert target(engine) == shown(table)
        assert stored(engine) == h.written(mark)
        before = state(engine)
        assert execute(engine, plan(engine, coming, turn + 1))[Counter.INSERTED] == 0
        assert state(engine) == before


@h.BUDGET
@given(batches=st.lists(st.tuples(SOURCES, h.rows(most=5)), min_size=1, max_size=4), empty=st.booleans())
def test_truncate(engine: Engine, batches: list, empty: bool) -> None:
    """The table holds the last batch, NULLs and copies and all; an empty one must be meant."""
    apply = h.apply_for(engine.kind, "truncate", keys=(), compare=None, allow_empty=empty)
    engine.reset()
    table: list[Row] = []
    for now, (way, given_rows) in enumerate(batches):
        batch = shown_by_view(table) if reads_itself(engine, way) else given_rows
        if table and not batch and not empty:
            refused(engine, apply, batch, now, way=way, code="empty-source")
            continue
        counts = load(engine, apply, batch, now, way=way)
        wanted = (len(batch), len(batch), len(table))
        assert (counts[Counter.READ], counts[Counter.INSERTED], counts[Counter.DELETED]) == wanted
        table = batch
        assert target(engine) == shown(table)


def added(batch: list[Row], source: list[Row]) -> list[Row]:
    """The rows of new keys, once each."""
    held = {(r["k1"], r["K 2"]) for r in source}
    new = {(r["k1"], r["K 2"]): r for r in batch if r["k1"] is not None}
    return [row for key, row in new.items() if key not in held]
