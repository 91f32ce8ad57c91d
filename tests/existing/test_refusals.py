"""Every edit of every column of a rich database is refused by `plan`, or done by the engine: none fails halfway."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from flowc.catalog import Column, Index, Table
from flowc.compiler.migrate.tableplan import plan_tables
from flowc.errors import FlowcError
from flowc.migration import Managed, TableChanges, WantedTable
from flowc.runtime.connector import Database
from flowc.runtime.connectors import open_database
from flowc.service.prechecks import failed, judged
from flowc.service.rehearsal import rehearsed
from flowc.types import UNKNOWN, parse_type
from tests.existing.making import made
from tests.stores import KINDS, Store, address

_TYPES = ("text", "bigint", "varchar(200)", "numeric(20,4)", "timestamp", "double")


@dataclass(frozen=True)
class Edit:
    """A table as it is declared after an edit; None where it is no longer."""

    title: str
    was: Table
    now: Table | None
    renamed: tuple[tuple[str, str], ...] = ()
    touched: list[str] = field(default_factory=list)


def edits(live: Table) -> Iterator[Edit]:
    """Each type, rename, drop, NOT NULL, default and index, column by column, and what is of the whole table."""
    was = _declared(live)
    for column in was.columns:
        where = f"{live.name}.{column.name}"
        for kind in _TYPES:
            if parse_type(kind) != column.type:
                yield Edit(f"{where} to {kind}", was, _with(was, replace(column, type=parse_type(kind), own=None)))
        yield Edit(f"{where} nullable", was, _with(was, replace(column, nullable=not column.nullable)))
        yield Edit(f"{where} default", was, _with(was, replace(column, default=None if column.default else "NULL")))
        for unique in (False, True):
            index = Index((column.name,), unique=unique)
            yield Edit(f"{where} index", was, replace(was, indexes=(*was.indexes, index)))
        new = f"{column.name}_x"
        yield Edit(f"{where} renamed", was, was.with_names({column.name: new}), ((new, column.name),))
        yield Edit(f"{where} dropped", was, _without(was, column.name))
    for gone in was.indexes:
        yield Edit(
            f"{live.name} index {gone.name}", was, replace(was, indexes=tuple(i for i in was.indexes if i != gone))
        )
    yield Edit(f"{live.name} without key", was, replace(was, primary_key=()))
    added = Column("added", parse_type("integer"), nullable=False, default="7")
    yield Edit(f"{live.name} added", was, replace(was, columns=(*was.columns, added)))
    yield Edit(f"{live.name} dropped", was, None)


def _declared(live: Table) -> Table:
    """The table as an import declares it."""
    columns = (
        Column(c.name, UNKNOWN if c.own else c.type, c.nullable, c.default, c.comment, own=c.own)
        for c in live.columns
        if c.own or c.type != UNKNOWN
    )
    plain = (Index(i.columns, i.unique, i.name) for i in live.indexes if not i.beyond and i.where is None)
    return Table(live.name, tuple(columns), live.primary_key, tuple(plain), live.comment)


def _with(table: Table, column: Column) -> Table:
    return replace(table, columns=tuple(column if c.name == column.name else c for c in table.columns))


def _without(table: Table, name: str) -> Table:
    columns = tuple(c for c in table.columns if c.name != name)
    indexes = tuple(index for index in table.indexes if name not in index.columns)
    return replace(
        table, columns=columns, indexes=indexes, primary_key=tuple(k for k in table.primary_key if k != name)
    )


def planned(edit: Edit, live: Table, database: Database) -> tuple[TableChanges, ...]:
    """What is planned, as `plan` judges it."""
    kind = database.kind
    wanted = [WantedTable("w", kind, "t", edit.now, edit.renamed)] if edit.now is not None else []
    changes = plan_tables("w", kind, wanted, {live.name: live}, [Managed("t", edit.was)])
    return judged(rehearsed(changes, database), database)


def faults(edit: Edit, live: Table, database: Database) -> Iterator[str]:
    """What the engine says against an edit that the plan does not refuse."""
    try:
        changes = [change for table in planned(edit, live, database) for change in table.changes]
    except FlowcError as error:
        yield f"{edit.title}: the plan fails: {error.message}"
        return
    if any(failed(change) for change in changes):
        return
    for change in changes:
        for statement in change.statements:
            edit.touched.append(statement.sql)
            try:
                database.execute(statement.sql.replace("CONCURRENTLY ", ""))
            except FlowcError as error:
                yield f"{edit.title}: {statement.sql}: {error.message}"
                return


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Store(request.param, tmp_path, address(request, request.param))


def _opened(store: Store) -> Database:
    path = {"path": str(store.folder / f"{store.file}.{store.kind}")}
    return open_database(store.kind, {"url": store.dsn} if store.dsn else path)


def test_no_edit_is_planned_that_the_engine_refuses(store: Store):
    made(store)
    database = _opened(store)
    tables = database.tables(database.names())
    found, done = [], 0
    for live in tables.values():
        for edit in edits(live):
            again, database = _undone(edit, live, database, store)
            found += again
    database.close()
    assert found == [], "\n".join(found)


def _undone(edit: Edit, live: Table, database: Database, store: Store) -> tuple[list[str], Database]:
    """The faults of an edit that is taken back."""
    if store.kind != "mysql":
        database.begin()
        found = list(faults(edit, live, database))
        database.rollback()
        return found, database
    found = list(faults(edit, live, database))
    if edit.touched:
        database.close()
        name = store.dsn.rpartition("/")[2]
        store.run(f"DROP DATABASE {name}")
        from tests.services.mysql import ask

        ask(store.dsn.rpartition("/")[0] + "/mysql", f"CREATE DATABASE {name}")
        made(store)
        database = _opened(store)
    return found, database
