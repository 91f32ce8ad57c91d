"""Every edit of every column of a rich database is refused by `plan`, or done by the engine: none fails halfway."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pymysql
import pytest

from flowc.catalog import Column, Index, Native, Table
from flowc.compiler.migrate.tableplan import plan_tables
from flowc.errors import FlowcError
from flowc.migration import Managed, TableChanges, WantedTable
from flowc.runtime.contracts.database import Database
from flowc.runtime.systems import open_database
from flowc.service.changes.plans import rehearsed
from flowc.service.changes.prechecks import failed, judged
from flowc.types import UNKNOWN, parse_type
from tests.existing.making import made
from tests.stores import Store, address

_TYPES = ("text", "bigint", "varchar(200)", "numeric(20,4)", "timestamp", "double")


@dataclass(frozen=True)
class Edit:
    """A table as it is declared after an edit; None where it is no longer."""

    title: str
    was: Table
    now: Table | None
    renamed: tuple[tuple[str, str], ...] = ()
    done: list[str] = field(default_factory=list)


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
        Column(
            c.name,
            UNKNOWN if c.own else c.type,
            c.nullable,
            c.default,
            c.comment,
            own=c.own,
            native=Native(c.own, exact=False) if c.own else None,
        )
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
    changes = plan_tables("w", kind, wanted, live={live.name: live}, managed=[Managed("t", edit.was)])
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
            edit.done.append(statement.sql)
            try:
                database.execute(statement.sql.replace("CONCURRENTLY ", ""))
            except FlowcError as error:
                yield f"{edit.title}: {statement.sql}: {error.message}"
                return


@pytest.fixture(params=["sqlite", "duckdb", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Store(request.param, tmp_path, address(request, request.param))


OWN = ("x.nosuch", "inet")


def test_another_type_is_planned_or_refused_where_the_type_is_the_databases_own(store: Store):
    """From a type by its own name to flowc's word for its values and to another own type; and the other way round."""
    made(store)
    database = _opened(store)
    silent, told = [], 0
    for live in database.tables(database.names()).values():
        was = _declared(live)
        for column in was.columns:
            texts = [] if column.own is None else [parse_type("text")]
            kinds = [*((kind, None) for kind in texts), *((UNKNOWN, own) for own in OWN if own != column.own)]
            for kind, own in kinds:
                now = _with(was, replace(column, type=kind, own=own, native=None))
                changes = [c for t in planned(Edit("", was, now), live, database) for c in t.changes]
                shown = [c for c in changes if c.kind == "alter_type" and c.column == column.name]
                refused = own is None or bool(
                    shown and shown[0].blocked and f"declare {column.kind}" in shown[0].blocked
                )
                silent += [] if shown and refused else [f"{live.name}.{column.name}: {column.kind} to {own or kind}"]
                told += bool(shown)
    database.close()
    assert silent == []
    assert told > 20, "hardly anything was planned"


def _opened(store: Store) -> Database:
    path = {"path": str(store.folder / f"{store.file}.{store.kind}")}
    return open_database(store.kind, {"url": store.dsn} if store.dsn else path)


def test_no_edit_is_planned_that_the_engine_refuses(store: Store):
    """Where DDL can be undone, each of some hundred edits is planned, done and taken back."""
    made(store)
    database = _opened(store)
    found, done = [], 0
    for live in database.tables(database.names()).values():
        for edit in edits(live):
            database.begin()
            found += faults(edit, live, database)
            done += bool(edit.done)
            database.rollback()
    database.close()
    assert found == [], "\n".join(found)
    assert done > 60, "hardly anything was planned"


_REFUSED = {
    "customers.region to bigint": "ALTER TABLE customers MODIFY region bigint",
    "customers.id to bigint": "ALTER TABLE customers MODIFY id bigint",
    "regions.code to varchar(200)": "ALTER TABLE regions MODIFY code varchar(200)",
    "customers.region dropped": "ALTER TABLE customers DROP COLUMN region",
    "customers.size dropped": "ALTER TABLE customers DROP COLUMN size",
    "customers.name dropped": "ALTER TABLE customers DROP COLUMN name",
    "customers.total dropped": "ALTER TABLE customers DROP COLUMN total",
    "customers.low_name to text": "ALTER TABLE customers MODIFY low_name text",
    "customers index lives": "ALTER TABLE customers DROP INDEX lives",
    "customers without key": "ALTER TABLE customers DROP PRIMARY KEY",
    "customers dropped": "DROP TABLE customers",
    "regions without key": "ALTER TABLE regions DROP PRIMARY KEY",
    "orders.customer dropped": "ALTER TABLE orders DROP COLUMN customer",
    "events.at dropped": "ALTER TABLE events DROP COLUMN `at`",
    "prices.price to text": "ALTER TABLE prices MODIFY price text",
    "prices.price dropped": "ALTER TABLE prices DROP COLUMN price",
    "prices added": "ALTER TABLE prices ADD COLUMN x integer",
}
"""Edits that MariaDB refuses, and what it is asked by hand."""
_DONE = (
    "customers.note to varchar(200)",
    "customers.size renamed",
    "customers.flags dropped",
    "orders.amount nullable",
)


def test_what_mariadb_refuses_is_not_planned(mysql: str, tmp_path: Path):
    """Every statement of DDL commits there, so that a few edits are done, and those that are refused tried by hand."""
    store = Store("mysql", tmp_path, mysql)
    made(store)
    database = _opened(store)
    tables = database.tables([name for name in database.names() if name.schema is None])
    known = {edit.title: (edit, live) for live in tables.values() for edit in edits(live)}
    for title, by_hand in _REFUSED.items():
        changes = [change for table in planned(*known[title], database) for change in table.changes]
        assert any(change.blocked for change in changes), title
        with pytest.raises(pymysql.MySQLError):
            store.run(by_hand)
    for title in _DONE:
        edit, live = known[title]
        assert list(faults(edit, database.tables([live.name])[live.name], database)) == []
        assert edit.done, title
    database.close()
