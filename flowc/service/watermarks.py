"""The watermarks that loads leave in their targets."""

from __future__ import annotations

from dataclasses import replace

from flowc.catalog import Column
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.ir import Apply, Incremental
from flowc.compiler.loads.cursor import bound_value
from flowc.compiler.loads.load import find_column
from flowc.compiler.loads.watermark import WATERMARKS, of_load
from flowc.compiler.lowering.context import Bound
from flowc.compiler.quote import ident, table
from flowc.runtime.connector import Database, TableStore


def stored_watermark(apply: Apply, target: Database) -> str | None:
    """The watermark of an incremental load; None before the first one, and for other loads."""
    if apply.incremental is None:
        return None
    if isinstance(target, TableStore):
        return _beside(apply, target)
    dialect = DIALECTS[apply.target.kind]
    state = dialect.state_table(WATERMARKS)
    if target.table(state) is None:
        return None
    rows = target.query(f"SELECT {ident('value')} FROM {table(state)} WHERE {of_load(apply, dialect)}").to_pylist()
    return str(rows[0]["value"]) if rows else None


def bound_of(apply: Apply, incremental: Incremental, columns: tuple[Column, ...], watermark: str) -> Bound | str:
    """Where the author's SQL goes on to read, as a value of the cursor that the source has; `start` is the author's.

    Raises UsageError for a watermark that is no value of it.
    """
    column = find_column(columns, incremental.column)
    if column is None:
        return watermark
    value = bound_value(replace(incremental, start=None), column, watermark, apply.timezone)
    return watermark if value is None else Bound(value, column.type)


def _beside(apply: Apply, target: TableStore) -> str | None:
    """The watermark where it lies with the table itself."""
    cursor = apply.incremental.column if apply.incremental is not None else ""
    wanted = apply.pipeline, f"{apply.target.connection}.{apply.target.name}", cursor.lower()
    rows = target.watermarks(apply.target.name).to_pylist()
    own = (row for row in rows if (row["pipeline"], row["target"], str(row["column_name"]).lower()) == wanted)
    return next((str(row["value"]) for row in own), None)
