"""The identity of rows in the load's tables, where a column of the user hides that of the engine."""

from __future__ import annotations

from collections.abc import Iterator

from flowc.compiler.loads.load import Load, free_name
from flowc.compiler.loads.staging import fields
from flowc.compiler.quote import ident, table
from flowc.compiler.tables.ddl import ROW
from flowc.loadplan import Execute


def number_rows(load: Load, name: str) -> Iterator[Execute]:
    """Adds the row identity as a column to one of the load's tables, where a column hides that of the engine.

    The hiding column has another name meanwhile.
    """
    if not load.row_id_hidden:
        return
    row_id, own = load.dialect.writes.row_ids[0], ident(load.row_column_name)
    hiding = ident(next(f.name for f in fields(load) if f.name.lower() == row_id))
    moved = ident(free_name(f"{ROW}_hiding", {f.name.lower() for f in fields(load)}))
    altered = f"ALTER TABLE {table(load.temporary(name))}"
    for sql in (
        f"{altered} ADD COLUMN {own} BIGINT",
        f"{altered} RENAME COLUMN {hiding} TO {moved}",
        f"UPDATE {table(load.temporary(name))} SET {own} = {row_id}",
        f"{altered} RENAME COLUMN {moved} TO {hiding}",
    ):
        yield Execute("number the rows", sql)
