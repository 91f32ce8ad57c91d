"""What changed in databases outside flowc: live tables against what was applied last. Changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from flowc.catalog import Column, Table, counts
from flowc.compiler.checked import CheckedSpec
from flowc.compiler.dialect import Dialect
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.ir import Ir
from flowc.compiler.migrate.tableplan import plan_tables
from flowc.compiler.tables.difference import known_default, same_column
from flowc.compiler.tables.spelling import respelled
from flowc.migration import DatabasePlan, Managed, MigrationPlan, TableChanges, WantedTable
from flowc.service.access.livedatabase import LiveDatabase, read_live_database
from flowc.service.access.sessions import Sessions
from flowc.service.changes.plans import Wanted, wanted_of


def find_drift(checked: CheckedSpec, ir: Ir, sessions: Sessions, ignore: Sequence[str] = ()) -> MigrationPlan:
    """What would have to be done to the tables as they were applied to make them what they are.

    `ignore` are patterns (`warehouse.public.audit_*`) of objects that do not count.
    """
    found = (_drift(wanted, sessions, ignore) for wanted in wanted_of(checked, ir, sessions))
    return MigrationPlan(tuple(plan for plan in found if plan.snapshot.tables), project=sessions.project)


def _drift(wanted: Wanted, sessions: Sessions, ignore: Sequence[str]) -> DatabasePlan:
    live = read_live_database(sessions, wanted.connection, ())
    tables = drifted(wanted.connection, wanted.kind, live)
    # What an apply that did not end set out to change was changed by flowc, or is still to be.
    ours = live.history.begun
    kept = (
        replace(t, changes=tuple(c for c in t.changes if c.object not in ours and not _ignored(c.object, ignore)))
        for t in tables
    )
    changed = tuple(table for table in kept if table.changes)
    history = live.history
    return DatabasePlan(
        wanted.connection, wanted.kind, changes_only(changed), snapshot=history.snapshot, version=history.last
    )


def changes_only(tables: Sequence[TableChanges]) -> tuple[TableChanges, ...]:
    """Without what planning adds for `apply`: prechecks, counts of rows, and why it cannot make a change."""
    return tuple(
        replace(t, changes=tuple(replace(c, prechecks=(), rows=None, blocked=None) for c in t.changes), unmanaged=())
        for t in tables
    )


def _ignored(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def drifted(connection: str, kind: str, live: LiveDatabase) -> tuple[TableChanges, ...]:
    """The live tables as the wanted ones, and as if they were there those that the last apply found at its end."""
    applied = live.history.snapshot.tables
    known = {entry.table.name: _before(entry, live.tables.get(entry.table.name), DIALECTS[kind]) for entry in applied}
    wanted = [
        WantedTable(connection, kind, entry.key, replace(_settled(found), name=entry.table.name), whole=True)
        for entry in applied
        if (found := live.tables.get(entry.table.name)) is not None
    ]
    managed = [Managed(entry.key, known[entry.table.name]) for entry in applied]
    return plan_tables(connection, kind, wanted, live=known, managed=managed)


def _before(entry: Managed, live: Table | None, dialect: Dialect) -> Table:
    if entry.live is not None:
        return replace(_settled(entry.live), name=entry.table.name)
    return _as_reported(entry.table, live, dialect)


def _settled(table: Table) -> Table:
    """A live table without what an apply that did not end has left in it; what has no comment has an empty one."""
    left = {entry.name for entry in table.leftovers if entry.kind == "column"}
    columns = tuple(replace(c, comment=c.comment or "") for c in table.columns if c.name not in left)
    indexes = tuple(index for index in table.indexes if index.valid)
    return replace(table, columns=columns, indexes=indexes, comment=table.comment or "", leftovers=())


def _as_reported(applied: Table, live: Table | None, dialect: Dialect) -> Table:
    """The table that an older flowc applied, in the words in which the engine reports what is the same."""
    if live is None:
        return applied
    applied = respelled(applied, live.column_names, dialect)
    columns = tuple(_column(column, live.column(column.name), applied, live, dialect) for column in applied.columns)
    indexes = tuple(next((i for i in live.indexes if i.identity == index.identity), index) for index in applied.indexes)
    comment = applied.comment if applied.comment is not None else live.comment
    return replace(applied, columns=columns, indexes=indexes, comment=comment or "", plain=live.plain)


def _column(column: Column, live: Column | None, applied: Table, table: Table, dialect: Dialect) -> Column:
    if live is None:
        return column
    keyed = column.name in applied.primary_key and (dialect.attached or column.name in table.primary_key)
    same = same_column(column, live, dialect)
    forms = {known_default(default, column, dialect) for default in (column.default, live.default)}
    return replace(
        column,
        type=live.type if same else column.type,
        own=live.own if same else column.own,
        nullable=live.nullable if keyed else column.nullable,
        default=live.default if len(forms) == 1 or counts(live.default) else column.default,
        comment=(column.comment if column.comment is not None else live.comment) or "",
    )
