"""What PostgreSQL locks, scans and rewrites for each fact, as its documentation says and a server was seen to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flowc.catalog import TableName
from flowc.compiler.migrationlint import facts as f
from flowc.compiler.migrationlint.effects import Effects, Known, Lock, TableLock, Version, plain
from flowc.compiler.migrationlint.typechanges import SERIALS, rewrites
from flowc.compiler.migrationlint.volatility import is_volatile

_AE = Lock.ACCESS_EXCLUSIVE
_SUE = Lock.SHARE_UPDATE_EXCLUSIVE
_SRE = Lock.SHARE_ROW_EXCLUSIVE

OPTIONS: dict[str, tuple[Lock, bool]] = {
    "set statistics": (_SUE, False),
    "set column options": (_SUE, False),
    "set options": (_SUE, False),
    "cluster on": (_SUE, False),
    "set storage": (_AE, False),
    "set compression": (_AE, False),
    "set identity": (_AE, False),
    "add identity": (_AE, False),
    "drop identity": (_AE, False),
    "set expression": (_AE, True),
    "drop expression": (_AE, False),
    "alter constraint": (_AE, False),
    "rename constraint": (_AE, False),
    "enable trigger": (_SRE, False),
    "enable rule": (_AE, False),
    "row security": (_AE, False),
    "inherit": (_AE, False),
    "owner to": (_AE, False),
    "replica identity": (_AE, False),
    "of type": (_AE, False),
    "set without oids": (_AE, False),
    "foreign options": (_AE, False),
    "merge partitions": (_AE, True),
    "split partition": (_AE, True),
    "set logged": (_AE, True),
    "set tablespace": (_AE, True),
    "set access method": (_AE, True),
}
"""The lock of each other action of ALTER TABLE, and whether it rewrites the table."""

OTHERS: dict[str, Lock] = {
    "create trigger": _SRE,
    "drop trigger": _AE,
    "alter trigger": _AE,
    "create policy": _AE,
    "drop policy": _AE,
    "alter policy": _AE,
    "create rule": _AE,
    "drop rule": _AE,
    "alter rule": _AE,
    "create statistics": _SUE,
    "comment": _SUE,
    "comment on constraint": Lock.ACCESS_SHARE,
}
"""The lock of each statement about an object that belongs to a table."""

_NO_BLOCK = frozenset(
    ("create database", "drop database", "create tablespace", "drop tablespace", "alter system", "create subscription")
)
_MODES = {str(lock).lower(): lock for lock in Lock}


def _one(table: TableName | None, lock: Lock, **more: Any) -> Effects:
    return Effects((TableLock(table, lock),), **more)


def _create_table(fact: f.CreateTable, known: Known, version: Version) -> Effects:
    """The new table is nobody else's; what it refers to is locked."""
    locks = [TableLock(c.references, _SRE) for c in all_constraints(fact) if c.references is not None]
    if fact.partition_of is not None:
        locks.append(TableLock(fact.partition_of, _AE))
    locks += [TableLock(parent, _SUE) for parent in fact.inherits]
    return Effects(tuple(locks))


def all_constraints(fact: f.CreateTable) -> tuple[f.Constraint, ...]:
    """The table's constraints and those of its columns."""
    return fact.constraints + tuple(c for column in fact.columns for c in column.constraints)


def _add_column(fact: f.AddColumn, known: Known, version: Version) -> Effects:
    column = fact.column
    written = column_rewrites(column, known, version)
    builds = column.has("primary key") or column.has("unique")
    scans = builds or column.has("check") or (column.not_null and not written and column.default is None)
    filled = column.default is not None and not column.default.null
    locks = [TableLock(fact.table, _AE)]
    for constraint in column.constraints:
        if constraint.references is not None:
            locks.append(TableLock(constraint.references, _SRE))
            scans = scans or filled
    return Effects(tuple(locks), rewrites=written, scans=True if scans else written)


def column_rewrites(column: f.ColumnDef, known: Known, version: Version) -> bool | None:
    """Whether adding a column writes the table anew: each row gets a value of its own."""
    name = column.type.name if column.type else ""
    if column.identity or column.generated == "stored" or name in SERIALS or name in known.domains:
        return True
    if version < (11,) and column.default is not None and not column.default.null:
        return True
    return is_volatile(column.default)


def _alter_type(fact: f.AlterType, known: Known, version: Version) -> Effects:
    """Without a rewrite the rows are read where a CHECK names the column: it is checked anew."""
    old = known.types.get((plain(fact.table), fact.column))
    written = rewrites(old, fact.type, using=fact.using)
    return _one(fact.table, _AE, rewrites=written, scans=written or None)


def _set_not_null(fact: f.SetNotNull, known: Known, version: Version) -> Effects:
    proved = version >= (12,) and (plain(fact.table), fact.column) in known.not_null
    return _one(fact.table, _AE, scans=not proved)


def _add_constraint(fact: f.AddConstraint, known: Known, version: Version) -> Effects:
    constraint = fact.constraint
    if constraint.kind == "foreign key":
        locks = (TableLock(fact.table, _SRE), TableLock(constraint.references, _SRE))
        return Effects(locks, scans=not constraint.not_valid)
    if constraint.using_index is not None:
        key = constraint.kind == "primary key"
        return _one(fact.table, _AE, scans=_key_scans(fact, constraint.using_index, known) if key else False)
    return _one(fact.table, _AE, scans=not constraint.not_valid)


def _key_scans(fact: f.AddConstraint, index: str, known: Known) -> bool | None:
    """A PRIMARY KEY makes its columns NOT NULL, which reads the rows unless they are already."""
    columns = known.indexes.get(index, (None, ()))[1]
    if not columns:
        return None
    keys = [(plain(fact.table), column) for column in columns]
    if all(key in known.not_null for key in keys):
        return False
    return True if all(key in known.types or key in known.not_null for key in keys) else None


def _attach(fact: f.AttachPartition, known: Known, version: Version) -> Effects:
    parent = _SUE if version >= (12,) else _AE
    return Effects((TableLock(fact.table, parent), TableLock(fact.partition, _AE)), scans=None)


def _detach(fact: f.DetachPartition, known: Known, version: Version) -> Effects:
    if fact.concurrently or fact.finalize:
        locks = (TableLock(fact.table, _SUE), TableLock(fact.partition, _AE))
        return Effects(locks, transactional=not fact.concurrently)
    return Effects((TableLock(fact.table, _AE), TableLock(fact.partition, _AE)))


def _option(fact: f.TableOption, known: Known, version: Version) -> Effects:
    lock, written = OPTIONS.get(fact.action, (_AE, None))
    more = () if fact.other is None else (TableLock(fact.other, _SUE),)
    return Effects((TableLock(fact.table, lock), *more), rewrites=written, scans=written)


def _create_index(fact: f.CreateIndex, known: Known, version: Version) -> Effects:
    if fact.concurrently:
        return _one(fact.table, _SUE, scans=True, transactional=False)
    return _one(fact.table, Lock.SHARE, scans=not fact.only or None)


def _drop_index(fact: f.DropIndex, known: Known, version: Version) -> Effects:
    table = known.indexes.get(fact.index.name, (None,))[0]
    if fact.concurrently:
        return _one(table, _SUE, transactional=False)
    return _one(table, _AE)


def _reindex(fact: f.Reindex, known: Known, version: Version) -> Effects:
    """The parent table is locked against writes; the index itself against reads that would use it."""
    table = fact.name if fact.kind == "table" else None
    inside = fact.kind in ("index", "table") and not fact.concurrently
    return _one(table, _SUE if fact.concurrently else Lock.SHARE, scans=True, transactional=inside)


def _drop(fact: f.Drop, known: Known, version: Version) -> Effects:
    if fact.kind in ("table", "materialized view", "foreign table", "view"):
        return _one(fact.name, _AE)
    if fact.kind == "schema" and fact.cascade:
        return _one(None, _AE)  # every table in it
    return Effects(transactional=f"drop {fact.kind}" not in _NO_BLOCK)


def _maintain(fact: f.Maintain, known: Known, version: Version) -> Effects:
    if fact.action in ("vacuum full", "cluster", "repack"):
        lock = _SUE if fact.concurrently else _AE
        inside = fact.action == "cluster" and fact.table is not None
        return _one(fact.table, lock, rewrites=True, scans=True, transactional=inside)
    analyzes = fact.action == "analyze"  # which looks at a sample only
    return _one(fact.table, _SUE, scans=not analyzes, transactional=analyzes)


def _refresh(fact: f.Refresh, known: Known, version: Version) -> Effects:
    lock = Lock.EXCLUSIVE if fact.concurrently else _AE
    return _one(fact.table, lock, rewrites=not fact.concurrently, scans=True)


def _enum(fact: f.AlterEnum, known: Known, version: Version) -> Effects:
    return Effects(transactional=version >= (12,))


def _domain(fact: f.AlterDomain, known: Known, version: Version) -> Effects:
    """Every table with a column of the domain is read under SHARE; from 18, validating needs less."""
    if fact.not_valid:
        return Effects()
    return _one(None, _SUE if fact.validates and version >= (18,) else Lock.SHARE, scans=True)


def _other(fact: f.Other, known: Known, version: Version) -> Effects:
    inside = fact.what not in _NO_BLOCK
    if fact.what == "create view" and fact.name is not None and fact.if_not_exists:
        return _one(fact.name, _AE)  # OR REPLACE
    if fact.table is None or fact.what not in OTHERS:
        return Effects(transactional=inside)
    return _one(fact.table, OTHERS[fact.what])


def _on(lock: Lock, **more: Any) -> Callable[[Any, Known, Version], Effects]:
    """The same lock whatever the fact says."""
    return lambda fact, known, version: _one(fact.table, lock, **more)


def _drop_constraint(fact: f.DropConstraint, known: Known, version: Version) -> Effects:
    return _one(fact.table, _AE)


def _rename_index(fact: f.RenameIndex, known: Known, version: Version) -> Effects:
    """Only the index is locked."""
    return Effects()


EFFECTS: dict[type[f.Fact], Callable[[Any, Known, Version], Effects]] = {
    f.CreateTable: _create_table,
    f.AddColumn: _add_column,
    f.DropColumn: _on(_AE),
    f.AlterType: _alter_type,
    f.SetNotNull: _set_not_null,
    f.DropNotNull: _on(_AE),
    f.SetDefault: _on(_AE),
    f.AddConstraint: _add_constraint,
    f.ValidateConstraint: _on(_SUE, scans=True),
    f.DropConstraint: _drop_constraint,
    f.RenameColumn: _on(_AE),
    f.RenameTable: _on(_AE),
    f.SetSchema: _on(_AE),
    f.AttachPartition: _attach,
    f.DetachPartition: _detach,
    f.TableOption: _option,
    f.CreateIndex: _create_index,
    f.DropIndex: _drop_index,
    f.RenameIndex: _rename_index,
    f.Reindex: _reindex,
    f.Drop: _drop,
    f.Truncate: _on(_AE),
    f.Write: lambda fact, known, version: _one(
        fact.table, Lock.ROW_EXCLUSIVE, scans=False if fact.verb == "insert" else None
    ),
    f.AlterEnum: _enum,
    f.AlterDomain: _domain,
    f.Maintain: _maintain,
    f.Refresh: _refresh,
    f.LockTable: lambda fact, known, version: _one(fact.table, _MODES.get(fact.mode, _AE)),
    f.Other: _other,
}
