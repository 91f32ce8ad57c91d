"""Columns with the names that engines and flowc's own statements have for something else: loads do as with any names.

Each load runs twice, with such names and with plain ones. Counts and rows must be the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest

from flowc.catalog import Column, Table, TableName
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.ir import Apply, Expectation, Incremental, Source
from flowc.compiler.loads.reads import read_of
from flowc.compiler.loads.sqlplan import plan_load
from flowc.compiler.tables.ddl import create_table
from flowc.runtime.arrow import arrow_schema
from flowc.runtime.load import describe
from flowc.service.loads.watermarks import stored_watermark
from flowc.types import BIGINT, TIMESTAMPTZ
from tests.model import histories as h
from tests.model.engines import Engine
from tests.model.loads import execute, sorted_rows

PSEUDO = ("rowid", "oid", "_rowid_", "rownum", "filename", "file_row_number", "excluded", "new", "old")
"""Names that an engine has for something in each table, or in a statement."""
SYSTEM = ("ctid", "xmin", "xmax", "cmin", "cmax", "tableoid")
"""The same, which PostgreSQL gives no column of a user."""
OWN = (
    "flowc_row", "flowc_row_hiding", "flowc_failed", "flowc_op", "rid", "copy", "copies", "content", "fresh",
    "s", "t", "t1", "src",
    "r", "c", "d", "h", "n", "m", "o", "p", "k", "x", "a", "b", "f", "g", "q", "w", "flowc_source",
)  # fmt: skip
"""Names that flowc's statements have for tables and columns."""


def names_for(kind: str) -> tuple[str, ...]:
    return (*PSEUDO, *OWN, *(() if kind == "postgres" else SYSTEM))


def _columns(names: Sequence[str]) -> tuple[Column, ...]:
    return (Column("key", BIGINT), Column("at", TIMESTAMPTZ), *(Column(name, BIGINT) for name in names))


def _arrow(rows: Sequence[tuple[int, int, int]], names: Sequence[str]) -> pa.Table:
    """Rows of a key, a time and one value, which all other columns have."""
    given = [{"key": k, "at": h.moment(at), **dict.fromkeys(names, value)} for k, at, value in rows]
    return pa.Table.from_pylist(given, schema=arrow_schema(_columns(names)))


def _source(engine: Engine, rows: Sequence[tuple[int, int, int]], names: Sequence[str], here: bool) -> Source:
    way, database = ("here", engine.database) if here else ("duckdb", engine.others["duckdb"])
    database.execute("DROP TABLE IF EXISTS odd")
    for sql in create_table(Table(TableName(None, "odd"), _columns(names)), DIALECTS[database.kind]):
        database.execute(sql)
    database.begin()
    batches = iter(_arrow(rows, names).to_batches())
    database.ingest(TableName(None, "odd"), _columns(names), batches, temporary=False)
    database.commit()
    return Source("s", "source", way, database.kind, table=TableName(None, "odd"))


def _load(engine: Engine, apply: Apply, now: int, here: bool, **options: Any) -> object:
    kept = stored_watermark(apply, engine.database)
    made = plan_load(
        apply,
        columns=describe(read_of(apply.input), engine.sources),
        live=engine.database.table(apply.target.name),
        watermark=kept.value if kept else None,
        now=h.moment(now),
        same_database=here,
        kept=kept.kept if kept else None,
        **options,
    )
    return execute(engine, made)


def _outcome(
    engine: Engine, names: Sequence[str], loads: Sequence[Sequence[tuple[int, int, int]]], here: bool, **how: Any
) -> list[object]:
    """What each load counts and leaves, without names and hashes."""
    engine.reset()
    if engine.kind != "delta":
        engine.database.execute("DROP TABLE IF EXISTS aside")
    found: list[object] = []
    options = {o: how.pop(o) for o in ("last_wins",) if o in how}
    for now, rows in enumerate(loads):
        apply = h.apply_for(engine.kind, **how, input=_source(engine, rows, names, here))  # type: ignore[arg-type]
        found.append(_load(engine, apply, 10 + now, here, **options))
        kept = engine.query("SELECT * FROM tgt")
        plain = {name: f"p{i}" for i, name in enumerate(names)}
        found.append(sorted_rows([{plain.get(n, n): v for n, v in row.items() if n != "row_hash"} for row in kept]))
    return found


AT = Incremental("at", None, 0.0, False)
FULL = [[(1, 1, 1), (2, 1, 1)], [(1, 2, 2), (3, 2, 1)], [(1, 3, 2), (2, 3, 1)]]
COPIES = [[(1, 1, 1), (1, 1, 1), (2, 2, 1)], [(1, 1, 1), (2, 2, 1), (2, 2, 1), (3, 3, 1), (3, 3, 1)]]
SET_ASIDE = {
    "expect": (Expectation("early", "sql", (), '"key" < 2', True, 9, None, quarantine=True),),
    "failed_rows": TableName(None, "aside"),
}
HISTORY = {"mode": "scd2", "keys": ("key",), "compare": (), "event_time": "at"}
HOW: dict[str, tuple[list[list[tuple[int, int, int]]], dict[str, Any]]] = {
    "append": (FULL, {"mode": "append", "keys": (), "compare": ()}),
    "copies": (COPIES, {"mode": "append", "keys": (), "compare": (), "incremental": AT}),
    "quarantine": (COPIES, {"mode": "append", "keys": (), "compare": (), "incremental": AT, **SET_ASIDE}),
    "truncate": (FULL, {"mode": "truncate", "keys": ("key",), "compare": ()}),
    "merge": (FULL, {"mode": "merge", "keys": ("key",), "compare": (), "deletes": "hard"}),
    "dedupe": (COPIES, {"mode": "merge", "keys": ("key",), "compare": (), "dedupe": '"at"'}),
    "scd2": (COPIES, HISTORY),
    "close": ([*COPIES, COPIES[0]], {**HISTORY, "deletes": "close"}),
    "hard": ([*COPIES, COPIES[0]], {**HISTORY, "deletes": "hard"}),
    "ttl": (COPIES, {**HISTORY, "ttl": 86400.0}),
}


@pytest.mark.parametrize("how", HOW)
def test_names_hide_nothing(engine: Engine, how: str) -> None:
    loads, options = HOW[how]
    hostile = names_for(engine.kind)
    for here in (False, True)[: 1 if engine.kind == "delta" else 2]:
        plain = _outcome(engine, [f"p{i}" for i in range(len(hostile))], loads, here, **options)
        assert _outcome(engine, hostile, loads, here, **options) == plain
