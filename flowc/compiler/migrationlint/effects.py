"""The words for what a statement does to tables while it runs: locks, rewrites, scans."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from enum import IntEnum
from functools import reduce

from flowc.catalog import TableName
from flowc.compiler.migrationlint.facts import TypeName

Version = tuple[int, ...]
"""A server's version: `(15,)`, `(10, 11)`."""


class Lock(IntEnum):
    """PostgreSQL's table locks, the weakest first; its documentation says which conflict."""

    ACCESS_SHARE = 1
    ROW_SHARE = 2
    ROW_EXCLUSIVE = 3
    SHARE_UPDATE_EXCLUSIVE = 4
    SHARE = 5
    SHARE_ROW_EXCLUSIVE = 6
    EXCLUSIVE = 7
    ACCESS_EXCLUSIVE = 8

    def __str__(self) -> str:
        return self.name.replace("_", " ")

    @property
    def blocks_writes(self) -> bool:
        """Whether INSERT, UPDATE and DELETE wait for it."""
        return self >= Lock.SHARE

    @property
    def blocks_reads(self) -> bool:
        """Whether SELECT waits for it."""
        return self is Lock.ACCESS_EXCLUSIVE


class Algorithm(IntEnum):
    """How MySQL and MariaDB carry out an ALTER TABLE, the cheapest first. MySQL has no NOCOPY."""

    INSTANT = 1
    NOCOPY = 2
    INPLACE = 3
    COPY = 4


@dataclass(frozen=True, slots=True)
class TableLock:
    """A lock on one table; `table` None where the statement does not name it (the table of a dropped index)."""

    table: TableName | None
    lock: Lock


@dataclass(frozen=True, slots=True)
class Effects:
    """What a statement does while it runs.

    `rewrites` and `scans` are None where they depend on what the table was before and that is not known. A scan reads
    every row, also to build an index; a rewrite writes every row anew. `transactional` is False for what refuses to
    run in a transaction block (PostgreSQL) or commits it (MySQL). `algorithm` and `concurrent_writes` are MySQL's.
    """

    locks: tuple[TableLock, ...] = ()
    rewrites: bool | None = False
    scans: bool | None = False
    transactional: bool = True
    algorithm: Algorithm | None = None
    concurrent_writes: bool = True

    @property
    def lock(self) -> Lock | None:
        """The strongest lock."""
        return max((held.lock for held in self.locks), default=None)

    @property
    def table(self) -> TableName | None:
        """The table of the strongest lock, the first one among equals."""
        return next((held.table for held in self.locks if held.lock is self.lock), None)

    def joined(self, other: Effects) -> Effects:
        """What both do together, as actions of one statement."""
        return Effects(
            _strongest(self.locks + other.locks),
            _either(self.rewrites, other.rewrites),
            _either(self.scans, other.scans),
            self.transactional and other.transactional,
            _slowest(self.algorithm, other.algorithm),
            self.concurrent_writes and other.concurrent_writes,
        )


def _strongest(locks: tuple[TableLock, ...]) -> tuple[TableLock, ...]:
    found: dict[TableName | None, Lock] = {}
    for held in locks:
        found[held.table] = max(held.lock, found.get(held.table, held.lock))
    return tuple(TableLock(table, lock) for table, lock in found.items())


def _either(one: bool | None, other: bool | None) -> bool | None:
    if one or other:
        return True
    return None if one is None or other is None else False


def _slowest(one: Algorithm | None, other: Algorithm | None) -> Algorithm | None:
    return max((a for a in (one, other) if a is not None), default=None)


def joined(effects: list[Effects]) -> Effects:
    """What all do together."""
    return reduce(Effects.joined, effects, Effects())


@dataclass(frozen=True)
class Known:
    """What is known of tables before a statement runs; all of it may be empty.

    `types` of columns, `not_null` columns (also those that a validated CHECK keeps from being NULL), by table and
    column; `indexes` to the table and columns of each; `domains` that have a constraint.
    """

    types: Mapping[tuple[TableName, str], TypeName] = field(default_factory=dict)
    not_null: Set[tuple[TableName, str]] = frozenset()
    indexes: Mapping[str, tuple[TableName, tuple[str, ...]]] = field(default_factory=dict)
    domains: Set[str] = frozenset()


NOTHING = Known()


def plain(name: TableName) -> TableName:
    """A table's name as a key: `public.t` and `t` are one."""
    return TableName(None, name.name) if name.schema == "public" else name
