"""The watermarks that loads leave in their targets."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from flowc.catalog import Column, TableName
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.ir import Apply, Incremental
from flowc.compiler.loads.cursor import bound_value
from flowc.compiler.loads.lifetimes import TABLE_ID, look_at
from flowc.compiler.loads.load import find_column
from flowc.compiler.loads.watermark import WATERMARKS, adopt_table, columns_of_watermarks, of_pipeline
from flowc.compiler.lowering.context import Bound
from flowc.errors import UsageError
from flowc.loadplan import PROJECT
from flowc.runtime.contracts.database import Database, TableStore, stored_target
from flowc.runtime.layout import require_layout
from flowc.service.access.locks import waiting_for


@dataclass(frozen=True, slots=True)
class Watermark:
    """What a load goes on from, None before the first one, and the name under which its target keeps it."""

    value: str | None
    kept: str
    stale: str | None = None
    """The value that is stored of a table that is gone, and so is none of the table that is there or will be."""
    table_id: str | None = None
    """Which table it is of, where that is known."""
    empty: bool = False
    """The table that is there has no rows."""
    other: bool = False
    """The table that is there is not the one of which it was stored, and has rows."""


def stored_watermark(apply: Apply, target: Database, *, adopt: bool = False) -> Watermark | None:
    """The watermark of an incremental load, however its table was spelled when it was stored; None for other loads.

    With `adopt`, a table that has rows and another identity is stored as the table of the watermark.

    Raises UsageError where a load of that name in another project goes on with the same table.
    """
    if apply.incremental is None:
        return None
    rows = _stored(apply, target)
    mine = [row for row in rows if row[PROJECT] == apply.project]
    if not mine:
        _refuse_renamed(apply, target, rows)
    return _of_this_table(_watermark(apply, target, mine), apply, target, adopt=adopt)


def _of_this_table(found: Watermark, apply: Apply, target: Database, *, adopt: bool) -> Watermark:
    """A watermark lives as long as its table: of one that was dropped, the rows before it are gone too.

    A table with rows is believed to be the same, for a restored one has another identity; with `adopt`, that is stored.
    """
    name, dialect = apply.target.name, DIALECTS[apply.target.kind]
    if found.value is None:
        return found
    if isinstance(target, TableStore):
        return replace(found, empty=_has_no_files(name, target))
    if target.table(name) is None:
        return Watermark(None, found.kept, stale=found.value)
    (seen,) = target.query(look_at(name, dialect)).to_pylist()
    same = found.table_id == seen[TABLE_ID.name]
    if seen["filled"]:
        if adopt and not same:
            target.execute(adopt_table(apply, found.kept, dialect))
        return replace(found, other=found.table_id is not None and not same)
    if found.table_id is not None and not same:
        return Watermark(None, found.kept, stale=found.value, empty=True)
    return replace(found, empty=True)


def _has_no_files(name: TableName, target: TableStore) -> bool:
    return target.table(name) is not None and next(iter(target.dataset(name).get_fragments()), None) is None


def _refuse_renamed(apply: Apply, target: Database, rows: Sequence[dict[str, Any]]) -> None:
    for row in rows:
        if _watermark(apply, target, [row]).value is not None:
            other = row[PROJECT]
            renamed = ("flowc", "project", "rename", other, apply.project)
            taken = ("flowc", "project", "take", f"{apply.target.connection}.{apply.target.name}", "--from", other)
            raise UsageError(
                f"project `{other}` has a pipeline of that name that loads `{apply.target.name}`",
                code="project-renamed",
                help=f"if this is `{other}` under a new name, run `{shlex.join(renamed)}`; if this pipeline alone was "
                f"moved here, `{shlex.join(taken)}`; else give the pipeline another name",
            )


def _watermark(apply: Apply, target: Database, rows: Sequence[dict[str, Any]]) -> Watermark:
    """The watermark among those that are stored, the newest first."""
    assert apply.incremental is not None
    kept = stored_target((row["target"] for row in rows), apply.target.connection, apply.target.name, target)
    wanted = kept, apply.incremental.column.lower()
    own = (row for row in rows if (row["target"], str(row["column_name"]).lower()) == wanted)
    row = next(own, None)
    return Watermark(None, kept) if row is None else Watermark(str(row["value"]), kept, table_id=row.get(TABLE_ID.name))


def _stored(apply: Apply, target: Database) -> Sequence[dict[str, Any]]:
    """All watermarks of pipelines of that name there, the newest first."""
    if isinstance(target, TableStore):  # they lie with the table itself
        found = target.watermarks(apply.target.name).sort_by([("loaded_at", "descending")]).to_pylist()
        return [row for row in found if row["pipeline_name"] == apply.pipeline]
    dialect = DIALECTS[apply.target.kind]
    name = dialect.state_table(WATERMARKS)
    with waiting_for(name, target):
        there = target.table(name)
        require_layout(there, columns_of_watermarks(dialect))
        if there is None:
            return ()
        rows: list[dict[str, Any]] = target.query(of_pipeline(apply.pipeline, dialect)).to_pylist()
    return rows


def notes_of(apply: Apply, stored: Watermark) -> tuple[str, ...]:
    """What the report of a load that reads on says of its watermark."""
    name = apply.target.name
    if stored.stale is not None:
        was = "is another table than before, and empty" if stored.empty else "was gone"
        return (f"`{name}` {was}, so its watermark {stored.stale} did not count: the load read from the start",)
    again = shlex.join(("flowc", "rewind", apply.pipeline, "--to", "earliest"))
    if stored.empty:
        advice = f"`{again}` loads what is gone again"
        return (f"`{name}` was empty, though earlier runs have read up to {stored.value}: {advice}",)
    if stored.other:
        advice = f"its rows are taken for those up to the watermark {stored.value}; if they are not, run `{again}`"
        return (f"`{name}` is another table than before: {advice}",)
    return ()


def bound_of(
    apply: Apply, incremental: Incremental, columns: tuple[Column, ...], watermark: str, of: str
) -> Bound | str:
    """Where the author's SQL goes on to read, as a value of the cursor that the source has; `start` is the author's.

    `of` says where the watermark is from.

    Raises UsageError for a watermark that is no value of it.
    """
    column = find_column(columns, incremental.column)
    if column is None:
        return watermark
    value = bound_value(replace(incremental, start=None), column, watermark, apply.timezone, of=of)
    return watermark if value is None else Bound(value, column.type)
