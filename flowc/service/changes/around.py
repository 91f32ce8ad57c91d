"""What is done around one statement of an apply."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flowc.catalog import TableName
from flowc.migration import Change, Statement
from flowc.runtime.contracts.database import Database
from flowc.service.loads.forgetting import forget_loads, orphan_streams


@contextmanager
def between(database: Database, around: tuple[str, str] | None) -> Iterator[None]:
    """Runs one statement before and one after what is done inside."""
    if around is None:
        yield
        return
    before, after = around
    database.execute(before)
    try:
        yield
    finally:
        database.execute(after)


@contextmanager
def forgetting(change: Change, statement: Statement, database: Database, kind: str) -> Iterator[None]:
    """Removes what is stored of loads into a table before it is created, and when it has been dropped.

    The rows that those loads wrote are gone, whoever dropped the table. Streams that filled it stop at their next run.
    """
    name = TableName.parse(change.object.partition(".")[2]) if change.kind in ("create_table", "drop_table") else None
    if name is not None and change.kind == "create_table" and statement is change.statements[0]:
        _forget(name, database, kind)
    yield
    if name is not None and change.kind == "drop_table" and statement is change.statements[-1]:
        _forget(name, database, kind)


def _forget(name: TableName, database: Database, kind: str) -> None:
    forget_loads(name, database, kind)
    if database.table(name) is None:  # else a load or a stream has made it meanwhile
        orphan_streams(name, database, kind)
