"""Runs loads of the model's rows on an engine: fills the source, plans, executes, reads back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from flowc.catalog import TableName
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.ir import Apply
from flowc.compiler.loads.load import Reread
from flowc.compiler.loads.reads import read_of
from flowc.compiler.loads.sqlplan import plan_load
from flowc.compiler.quote import table
from flowc.errors import DataError
from flowc.loadplan import Counter, LoadPlan
from flowc.runtime.loads.load import describe, run_load
from flowc.service.loads.watermarks import stored_watermark
from tests.model import histories as h
from tests.model.engines import HERE, OWN, Engine
from tests.model.model import Refused

TARGET = h.TARGET


def plan(engine: Engine, apply: Apply, now: int, *, constraints: bool = True, reread: Reread | None = None) -> LoadPlan:
    """The plan of a load at that time, of the table as it is; without `constraints` it may not rely on any.

    Each load spells the table in another way, and every other one its columns.
    """
    apply = replace(apply, target=replace(apply.target, name=_spelled(engine, now)))
    apply = _other_case(apply) if now % 2 else apply
    live, kept = engine.database.table(apply.target.name), stored_watermark(apply, engine.database)
    if live is not None and not constraints:
        live = replace(live, primary_key=(), indexes=())
    return plan_load(
        apply,
        columns=describe(read_of(apply.input), engine.sources),
        live=live,
        watermark=kept.value if kept else None,
        now=h.moment(now),
        same_database=engine.same(getattr(apply.input, "connection", None)),
        kept=kept.kept if kept else None,
        reread=reread,
    )


def _spelled(engine: Engine, turn: int) -> TableName:
    """One of the names that the target has there."""
    whole = engine.database.resolved(TARGET).table
    other = TableName(None, TARGET.name.upper()) if engine.kind == "duckdb" else whole
    return (TARGET, whole, other)[turn % 3]


def _other_case(apply: Apply) -> Apply:
    """The load with other spellings of the columns that it names."""
    incremental, compare = apply.incremental, apply.compare
    return replace(
        apply,
        keys=tuple(map(str.swapcase, apply.keys)),
        compare=compare and tuple(map(str.swapcase, compare)),
        event_time=apply.event_time and apply.event_time.swapcase(),
        incremental=incremental and replace(incremental, column=incremental.column.swapcase()),
    )


def execute(engine: Engine, made: LoadPlan) -> dict[Counter, int]:
    """Runs a plan, gives the counters, and raises what stopped it."""
    result = run_load(made, engine.database, engine.sources)
    if result.error is not None:
        raise result.error
    return {counter: result.counts.get(counter, 0) for counter in Counter}


def load(
    engine: Engine, apply: Apply, rows: Sequence[dict], now: int, *, way: str = HERE, constraints: bool = True,
    reread: Reread | None = None,
) -> dict[Counter, int]:  # fmt: skip
    """Loads rows that arrive that way, and gives the counters."""
    source = engine.own() if way == OWN else None
    coming = replace(apply, input=source or engine.fill(HERE if way == OWN else way, rows))
    return execute(engine, plan(engine, coming, now, constraints=constraints, reread=reread))


def outcome(model: Callable, *arguments: Any) -> dict[Counter, int] | str:
    """The model's counters, or the code with which it refuses; a refusal leaves its table alone."""
    try:
        return model(*arguments)
    except Refused as refused:
        return str(refused)


def refused(
    engine: Engine, apply: Apply, rows: Sequence[dict], now: int, *, way: str, code: str, reread: Reread | None = None
) -> None:
    """The engine refuses for the same reason and keeps everything as it was."""
    before = state(engine)
    with pytest.raises(DataError) as raised:
        load(engine, apply, rows, now, way=way, reread=reread)
    assert raised.value.code == code
    assert state(engine) == before


def state(engine: Engine) -> list:
    """Everything that a load may change, every column of it but the identity that the engine gives to the target.

    An empty table is none where a transaction does not hold its creation.
    """
    tables = (TARGET, engine.watermarks, engine.bad_rows)
    found = [_rows(engine, t) if engine.exists(t) else None for t in tables]
    return found if DIALECTS[engine.kind].transactions.ddl else [rows or None for rows in found]


def _rows(engine: Engine, name: TableName) -> list[tuple]:
    rows = engine.query(f"SELECT * FROM {table(name)}")
    return sorted_rows([{n: v for n, v in row.items() if n != "table_id"} for row in rows])


def stored(engine: Engine) -> str | None:
    """The watermark as the load left it."""
    if not engine.exists(engine.watermarks):
        return None
    rows = engine.query(f"SELECT value FROM {table(engine.watermarks)}")
    return rows[0]["value"] if rows else None


def target(engine: Engine) -> list[tuple]:
    """The rows of the target in a stable order, without row hashes."""
    rows = engine.query("SELECT * FROM tgt")
    return sorted_rows([{n: v for n, v in row.items() if n != "row_hash"} for row in rows])


def sorted_rows(rows: Sequence[dict]) -> list[tuple]:
    """Rows that compare whatever the order they came in."""
    return sorted((tuple(sorted(row.items())) for row in rows), key=repr)
