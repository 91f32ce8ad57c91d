"""Histories whose keys and values differ in case and blanks alone, in tables whose columns hold some of them equal.

The model sees each key as its column compares it; the target's spelling is that of the row that brought it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowc.catalog import Column
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.ir import Apply
from flowc.compiler.loads.desired import history_columns
from flowc.compiler.quote import ident
from flowc.compiler.tables.ddl import spell
from flowc.loadplan import Counter
from flowc.types import TIMESTAMPTZ
from tests.model import histories as h
from tests.model.engines import DATABASES, HERE, Engine, open_engine
from tests.model.loads import load, outcome, refused, state, target
from tests.model.model import History, Merge, merge, scd2
from tests.model.test_model_merge import shown
from tests.model.test_model_scd2 import expected

pytestmark = pytest.mark.turns("folding", 2)

FOLDING = {
    "sqlite": "TEXT COLLATE NOCASE",
    "duckdb": "VARCHAR COLLATE NOCASE",
    "postgres": "TEXT COLLATE folding",
    "mysql": "VARCHAR(40) COLLATE utf8mb4_general_ci",
}
COLLATION = "CREATE COLLATION IF NOT EXISTS folding (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
BUDGET = settings(h.BUDGET, max_examples=max(3, h.EXAMPLES // 2))
WAYS = (HERE, "duckdb", "csv")


@pytest.fixture(params=DATABASES, scope="module")
def folding(request: Any, tmp_path_factory: Any, postgres_module: str, mysql_module: str) -> Any:
    """An engine with columns that fold."""
    dsns = {"postgres": postgres_module, "mysql": mysql_module}
    opened = open_engine(request.param, tmp_path_factory.mktemp("model"), dsns)
    if opened.kind == "postgres":
        opened.database.execute(COLLATION)
    yield opened
    opened.close()


def fold(kind: str, text: str) -> str:
    """A text as the columns compare it."""
    return text.lower().rstrip(" ") if kind == "mysql" else text.lower()


def folded(kind: str, rows: Sequence[dict]) -> list[dict]:
    return [{n: fold(kind, v) if n == "K 2" else v for n, v in row.items()} for row in rows]


def make(engine: Engine, more: Sequence[Column], *, unique: bool) -> None:
    """The target, empty."""
    engine.reset()
    dialect = DIALECTS[engine.kind]
    types = dict.fromkeys(("K 2", "a"), FOLDING[engine.kind])
    columns = [f"{ident(c.name)} {types.get(c.name) or spell(c.type, dialect)}" for c in (*h.COLUMNS, *more)]
    columns = [c + " NULL" if c.endswith("TIMESTAMP(6)") else c for c in columns]
    key = ['PRIMARY KEY ("k1", "K 2")'] if unique else []
    engine.database.execute(f"CREATE TABLE tgt ({', '.join([*columns, *key])})")


def check(
    engine: Engine, apply: Apply, model: Callable, table: dict, expect: Callable[[], list[tuple]],
    batches: Sequence[tuple[str, list[dict]]],
) -> None:  # fmt: skip
    last = None
    for now, (way, batch) in enumerate(batches):
        counts = outcome(model, table, folded(engine.kind, batch), now)
        if isinstance(counts, str):
            refused(engine, apply, batch, now, way=way, code=counts)
            continue
        assert load(engine, apply, batch, now, way=way) == counts
        held = folded(engine.kind, [dict(row) for row in target(engine)])
        assert sorted((tuple(sorted(row.items())) for row in held), key=repr) == expect()
        last = batch, now, way
    if last is not None:
        again_changes_nothing(engine, apply, *last)


def again_changes_nothing(engine: Engine, apply: Apply, batch: list[dict], now: int, way: str) -> None:
    """The last load once more. Histories that end there show it of those before."""
    before = state(engine)
    again = load(engine, apply, batch, now, way=way)
    assert again[Counter.INSERTED] == again[Counter.UPDATED] == again[Counter.DELETED] == 0
    assert state(engine) == before


@BUDGET
@given(
    batches=st.lists(st.tuples(st.sampled_from(WAYS), h.rows(most=4, spelled=True)), min_size=2, max_size=4),
    deletes=st.sampled_from(["ignore", "hard", "soft"]),
    order=st.sampled_from([None, "at"]),
    unique=st.booleans(),
)
def test_merge(folding: Engine, batches: list, deletes: str, order: str | None, unique: bool) -> None:
    soft = deletes == "soft"
    how = Merge(h.KEYS, h.COMPARE, deletes, order=order, allow_empty=True)
    apply = h.apply_for(
        folding.kind, "merge", deletes=deletes, soft_delete_column="deleted_at" if soft else None,
        dedupe=h.latest('"at"', folding.kind) if order else None, allow_empty=True,
    )  # fmt: skip
    make(folding, [Column("deleted_at", TIMESTAMPTZ)] if soft else [], unique=unique)
    table: dict = {}
    check(
        folding, apply, lambda t, rows, now: merge(t, rows, how, now), table,
        lambda: shown(list(table.values())), batches,
    )  # fmt: skip


@st.composite
def once_spelled(draw: st.DrawFn) -> list[dict]:
    """A batch in which each key has one spelling, and rows of one key and instant are copies."""
    found: dict[tuple, dict] = {}
    spelling: dict[tuple, str] = {}
    batch = draw(h.rows(most=4, odd=10**6, spelled=True))
    one = [{**r, "K 2": spelling.setdefault((r["k1"], fold("mysql", r["K 2"])), r["K 2"])} for r in batch]
    return [found.setdefault((r["k1"], r["K 2"], r["at"]), r) for r in one]


@BUDGET
@given(batches=st.lists(st.tuples(st.sampled_from(WAYS), once_spelled()), min_size=2, max_size=4))
def test_scd2(folding: Engine, batches: list) -> None:
    how = History(h.KEYS, h.COMPARE, time="at")
    apply = h.apply_for(folding.kind, "scd2", event_time="at")
    history = [replace(c, nullable=True) for c in history_columns(TIMESTAMPTZ)]
    make(folding, history, unique=False)
    table: dict = {}
    check(
        folding, apply, lambda t, rows, now: scd2(t, rows, how, now), table,
        lambda: expected(table, soft=False), batches,
    )  # fmt: skip
