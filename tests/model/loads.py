"""Runs loads of the model's rows on an engine: fills the source, plans, executes, reads back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from flowc.catalog import Column, Table, TableName
from flowc.compiler.ddl import create_table
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.ir import Apply
from flowc.compiler.sqlplan import plan_load
from flowc.errors import DataError
from flowc.plan import Counter, LoadPlan
from tests.model import histories as h
from tests.model.engines import Engine, insert, run
from tests.model.model import Refused


def fresh(engine: Engine) -> None:
    """An empty source and no target."""
    engine.drop("src", "tgt")
    for statement in create_table(h.SOURCE, DIALECTS[engine.kind]):
        engine.execute(statement)


def fill(engine: Engine, rows: Sequence[dict[str, Any]]) -> None:
    """Makes these rows the source."""
    engine.execute("DELETE FROM src")
    values = [[h.written(r[n]) if n == "at" else r[n] for n in h.NAMES] for r in rows]
    insert(engine, "src", h.NAMES, values)


def plan(engine: Engine, apply: Apply, live: Table | None, now: int, watermark: str | None = None) -> LoadPlan:
    """The plan of a load of the source at that time."""
    return plan_load(
        apply,
        columns=h.COLUMNS,
        live=live,
        watermark=watermark,
        now=h.moment(now),
        same_database=True,
    )


def load(
    engine: Engine, apply: Apply, rows: Sequence[dict], live: Table | None, now: int, watermark: str | None = None
) -> dict[Counter, int]:
    """Loads rows, and gives the counters."""
    fill(engine, rows)
    return run(plan(engine, apply, live, now, watermark), engine)


def outcome(model: Callable, *arguments: Any) -> dict[Counter, int] | str:
    """The model's counters, or the code with which it refuses; a refusal leaves its table alone."""
    try:
        return model(*arguments)
    except Refused as refused:
        return str(refused)


def refused(engine: Engine, apply: Apply, rows: Sequence[dict], live: Table | None, now: int, *, code: str) -> None:
    """The engine refuses for the same reason and keeps its table."""
    before = target(engine) if live else None
    with pytest.raises(DataError) as raised:
        load(engine, apply, rows, live, now)
    assert raised.value.code == code
    assert not live or target(engine) == before


def target(engine: Engine) -> list[tuple]:
    """The rows of the target in a stable order, without row hashes, booleans as booleans."""
    rows = engine.rows("tgt", "1")
    shown = [{n: v for n, v in row.items() if n != "row_hash"} for row in rows]
    for row in shown:
        if "is_current" in row:
            row["is_current"] = bool(row["is_current"])
    return sorted((tuple(sorted(row.items())) for row in shown), key=repr)


def tick(text: str | None) -> int | None:
    """Back from an instant to the model's days."""
    return None if text is None else (datetime.fromisoformat(text).astimezone(UTC) - h.EPOCH).days


def table_of(names: Sequence[Column], key: Sequence[str]) -> Table:
    return Table(TableName(None, "tgt"), tuple(names), tuple(key))
