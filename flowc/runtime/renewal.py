"""Brings flowc's own tables to the layout of this version, once, where an older version made them."""

from __future__ import annotations

from collections.abc import Iterable

from flowc.catalog import Table
from flowc.errors import FlowcError
from flowc.loadplan import PROJECT, Renewal
from flowc.runtime.connector import Database


def is_old(table: Table | None, lacks: str = PROJECT) -> bool:
    """Whether one of flowc's own tables was made before it had a column: before there were projects."""
    return table is not None and table.column(lacks) is None


def renewed(database: Database, renewals: Iterable[Renewal]) -> bool:
    """Renews those of the tables that are old; tells whether there were any.

    Others that do so at the same time, and workers of an older version, wait or fail: nobody's rows are lost.
    """
    database.rollback()
    old = [each for each in renewals if is_old(database.table(each.table), each.lacks)]
    for each in old:
        _renew(database, each)
    return bool(old)


def _renew(database: Database, renewal: Renewal) -> None:
    database.begin()
    try:
        for statement in renewal.statements:
            database.execute(statement)
        database.commit()
    except FlowcError:
        database.rollback()
        if is_old(database.table(renewal.table), renewal.lacks):
            raise
