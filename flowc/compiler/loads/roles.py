"""The columns that a load names, spelled as its table and its source spell them."""

from __future__ import annotations

from dataclasses import replace

from flowc.catalog import Column, Table
from flowc.compiler.ir import Apply
from flowc.compiler.loads.load import finder


def spelled_roles(apply: Apply, columns: tuple[Column, ...], live: Table | None) -> Apply:
    """The load with the spelling of its table in place of its own, or else that of its source.

    The checks of a spec accept a name that differs from its column in case alone. The columns of the cursor and of the
    event time are the source's, so there the source comes first. A name that no column has stays.
    """
    table = apply.target.table or live
    held, given = finder(table.columns if table is not None else ()), finder(columns)

    def written(name: str) -> str:
        column = held(name) or given(name)
        return column.name if column is not None else name

    def read(name: str) -> str:
        column = given(name) or held(name)
        return column.name if column is not None else name

    incremental, event_time, soft = apply.incremental, apply.event_time, apply.soft_delete_column
    return replace(
        apply,
        keys=tuple(map(written, apply.keys)),
        compare=apply.compare and tuple(map(written, apply.compare)),
        event_time=event_time and read(event_time),
        incremental=incremental and replace(incremental, column=read(incremental.column)),
        soft_delete_column=soft and written(soft),
        expect=tuple(replace(each, columns=tuple(map(written, each.columns))) for each in apply.expect),
    )
