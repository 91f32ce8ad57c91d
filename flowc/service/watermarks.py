"""The watermarks that loads leave in their targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from flowc.catalog import Column
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.ir import Apply, Incremental
from flowc.compiler.loads.cursor import bound_value
from flowc.compiler.loads.load import find_column
from flowc.compiler.loads.watermark import WATERMARKS, of_pipeline
from flowc.compiler.lowering.context import Bound
from flowc.runtime.connector import Database, TableStore, stored_name


@dataclass(frozen=True, slots=True)
class Watermark:
    """What a load goes on from, None before the first one, and the name under which its target keeps it."""

    value: str | None
    kept: str


def stored_watermark(apply: Apply, target: Database) -> Watermark | None:
    """The watermark of an incremental load, however its table was spelled when it was stored; None for other loads."""
    if apply.incremental is None:
        return None
    rows = _stored(apply, target)
    prefix = f"{apply.target.connection}."
    names = [str(row["target"]).removeprefix(prefix) for row in rows if str(row["target"]).startswith(prefix)]
    kept = prefix + stored_name(names, apply.target.name, target)
    wanted = kept, apply.incremental.column.lower()
    own = (str(row["value"]) for row in rows if (row["target"], str(row["column_name"]).lower()) == wanted)
    return Watermark(next(own, None), kept)


def _stored(apply: Apply, target: Database) -> Sequence[dict[str, Any]]:
    """All watermarks of the pipeline there, the newest first."""
    if isinstance(target, TableStore):  # they lie with the table itself
        found = target.watermarks(apply.target.name).sort_by([("loaded_at", "descending")]).to_pylist()
        return [row for row in found if row["pipeline"] == apply.pipeline]
    dialect = DIALECTS[apply.target.kind]
    if target.table(dialect.state_table(WATERMARKS)) is None:
        return ()
    rows: list[dict[str, Any]] = target.query(of_pipeline(apply.pipeline, dialect)).to_pylist()
    return rows


def bound_of(apply: Apply, incremental: Incremental, columns: tuple[Column, ...], watermark: str) -> Bound | str:
    """Where the author's SQL goes on to read, as a value of the cursor that the source has; `start` is the author's.

    Raises UsageError for a watermark that is no value of it.
    """
    column = find_column(columns, incremental.column)
    if column is None:
        return watermark
    value = bound_value(replace(incremental, start=None), column, watermark, apply.timezone)
    return watermark if value is None else Bound(value, column.type)
