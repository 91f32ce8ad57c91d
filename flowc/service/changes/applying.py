"""Does what a plan says, one database after the other, each step recorded so that a crash loses no track of it.

Statements that an engine can undo share a transaction with their record; every other one is recorded before and after.
What a crash leaves undone is found by comparing again, so an apply after it goes on with what remains.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from itertools import groupby
from math import ceil
from typing import Protocol

from flowc import __version__
from flowc.catalog import Table
from flowc.compiler.dialect import Dialect
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.migrate import history as sql
from flowc.compiler.migrate.engines import ENGINES
from flowc.compiler.migrate.unfinished import planned_renames
from flowc.errors import FlowcError, TransientError, UsageError
from flowc.migration import Change, DatabasePlan, Snapshot, Statement
from flowc.runtime.contracts.database import Database, TableStore
from flowc.service.access.history import encode_snapshot, make_history
from flowc.service.access.locks import TABLE_LOCK, Patience, apply_lock, shared_lock, waiting_for
from flowc.service.access.origin import Origin
from flowc.service.changes.around import between, forgetting
from flowc.service.changes.prechecks import ask, count, judged, refuse_blocked, refuse_losses

_SILENT = ("alter_type", "add_column", "alter_generation", "rebuild_table")
"""Kinds of change that an engine makes although their prechecks fail."""
_ATTEMPTS = 5
_BACKOFF = 0.5


class Watcher(Protocol):
    """Is told what an apply is doing."""

    def begins(self, connection: str, statement: Statement, number: int, total: int) -> None:
        """A statement is about to run."""

    def retries(self, statement: Statement, error: FlowcError, seconds: float) -> None:
        """A statement had to wait for somebody else, and runs again in so many seconds."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long to wait, in seconds: for another apply, for a lock on a table, and for one statement (0: for ever)."""

    lock: float = 10.0
    table_lock: float = TABLE_LOCK
    statement: float = 0.0


@dataclass(frozen=True, slots=True)
class Applied:
    """What an apply did to one database."""

    connection: str
    version: int
    statements: int
    seconds: float


@dataclass
class Apply:
    """One apply to one database. `replan` compares again under the lock and gives the plan to carry out.

    `control` is where its history and its lock are, and the kind of that: the database itself, where it has room.
    """

    database: Database
    kind: str
    control: tuple[Database, str]
    plan_id: str
    replan: Callable[[], DatabasePlan]
    unowned: Callable[[], None]
    """Raises UsageError where another project owns one of the tables."""
    project: str
    watcher: Watcher
    by: Origin = field(default_factory=Origin)
    limits: Limits = field(default_factory=Limits)
    second: Callable[[], Database] | None = None
    approved: Mapping[str, int] = field(default_factory=dict)
    """The most rows that the destructive change of an object may lose, for those that somebody has looked at."""
    planned: tuple[Change, ...] = ()
    """All changes, once they are known."""

    @property
    def dialect(self) -> Dialect:
        """The SQL of the history."""
        return DIALECTS[self.control[1]]


def apply_database(work: Apply) -> Applied:
    """Carries out one database's plan under its lock.

    Raises FlowcError where it stops: the statements before are done and recorded, what is transactional is undone.
    """
    began, patience = time.monotonic(), Patience(work.limits.lock, work.limits.table_lock)
    with apply_lock(*work.control, patience, work.second, work.project) as prove:
        with shared_lock(*work.control, patience):
            make_history(*work.control)
        plan = work.replan()
        # What was asked when the plan was made may have changed since.
        plan = replace(plan, tables=judged(plan.tables, work.database))
        work.planned = plan.changes
        refuse_blocked(plan.changes)
        refuse_losses(plan.changes, work.approved)
        with shared_lock(*work.control, patience) as prove_shared:
            work.unowned()  # what another project has begun with since
            version = _begin(work, plan, (prove_shared, prove))
        _run(work, plan, version, prove)
    total = sum(len(change.statements) for change in plan.changes)
    return Applied(plan.connection, version, total, time.monotonic() - began)


_MORE_NOW = "more rows would be lost than when the plan was made; what was done before is recorded, the rest not begun"
_STOPPED = "the data no longer allows what is planned; what was done before is recorded, and the rest was not begun"


def _begin(work: Apply, plan: DatabasePlan, proofs: Iterable[Callable[[], None]]) -> int:
    """Records the version that begins; from now on no other project takes its tables for nobody's."""
    version, total = plan.version + 1, sum(len(change.statements) for change in plan.changes)
    snapshot = encode_snapshot(replace(plan.snapshot, begun=_objects(plan.changes), renames=planned_renames(plan)))
    statement = sql.start(
        work.project, version, work.plan_id, total=total, owner=str(work.by), flowc=__version__, now=_now(),
        snapshot=snapshot, dialect=work.dialect,
    )  # fmt: skip
    _record_proved(work, statement, proofs)
    return version


def _run(work: Apply, plan: DatabasePlan, version: int, prove: Callable[[], None]) -> None:
    statements = [(change, statement) for change in plan.changes for statement in change.statements]
    try:
        _limit(work)
        for group in _groups(statements):
            _group(work, version, group, len(statements), prove)
        snapshot = encode_snapshot(_found(work, plan))
        done = sql.finish(
            work.project, version, "done", now=_now(), snapshot=snapshot, error=None, dialect=work.dialect
        )
        _record_proved(work, done, (prove,))
    except FlowcError as error:
        with suppress(FlowcError):  # the connection may be what failed; the next apply finds the version open
            work.database.rollback()
            work.control[0].rollback()  # another one where tables are files
            _record(
                work,
                sql.finish(
                    work.project,
                    version,
                    "failed",
                    now=_now(),
                    snapshot=None,
                    error=error.message,
                    dialect=work.dialect,
                ),
            )
        raise


def _objects(changes: Sequence[Change]) -> tuple[str, ...]:
    """What the changes are of; of a rename under both names."""
    names = [change.object for change in changes]
    renames = (c for c in changes if c.kind == "rename_column" and c.before is not None)
    names += [c.object.removesuffix(c.column or "") + (c.before or "") for c in renames]
    return tuple(dict.fromkeys(names))


def _found(work: Apply, plan: DatabasePlan) -> Snapshot:
    """The snapshot with its tables as they are now; of those that were not chosen, as they were found before."""
    names = tuple(entry.table.name for entry in plan.snapshot.tables if entry.live is None)
    live = work.database.tables(names)
    tables = (replace(entry, live=entry.live or live.get(entry.table.name)) for entry in plan.snapshot.tables)
    return replace(plan.snapshot, tables=tuple(tables))


def _now() -> datetime:
    return datetime.now(UTC)


def _record(work: Apply, statement: str, into: str = sql.MIGRATIONS) -> None:
    database = work.control[0]
    with waiting_for(work.dialect.state_table(into), database):
        database.execute(statement)


def _record_proved(work: Apply, statement: str, proofs: Iterable[Callable[[], None]]) -> None:
    """Records what only those may who hold their locks until it is committed."""
    database = work.control[0]
    database.begin()
    for prove in proofs:
        prove()
    _record(work, statement)
    database.commit()


def _limit(work: Apply) -> None:
    """Tells the engine how long a statement may wait and run."""
    for template in ENGINES[work.kind].limits:
        wait, run = work.limits.table_lock, work.limits.statement
        values = {"lock_ms": round(wait * 1000), "lock_s": ceil(wait), "statement_ms": round(run * 1000)}
        work.database.execute(template.format(**values, statement_s=run))


Numbered = tuple[int, Change, Statement]


def _groups(statements: Sequence[tuple[Change, Statement]]) -> Iterator[list[Numbered]]:
    """Neighbours that share a transaction, and every other statement alone."""
    numbered = [(number, change, statement) for number, (change, statement) in enumerate(statements, 1)]
    for together, run in groupby(numbered, key=lambda entry: entry[2].transactional):
        if together:
            yield list(run)
        else:
            yield from ([entry] for entry in run)


def _group(work: Apply, version: int, group: list[Numbered], total: int, prove: Callable[[], None]) -> None:
    """Runs a group; what it leaves when it fails for good does not stay in the way of others."""
    try:
        _attempt(work, version, group, total, prove)
    except FlowcError:
        with suppress(FlowcError):  # the next apply finds what cannot be cleared away now
            work.database.rollback()
            _undo(work, group[0][2], prove)
        raise


def _attempt(work: Apply, version: int, group: list[Numbered], total: int, prove: Callable[[], None]) -> None:
    """Runs a group, and runs it again when it had to wait for others for too long."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            if attempt > 1:
                _undo(work, group[0][2], prove)
            if group[0][2].transactional:
                _together(work, version, group, total, prove)
            else:
                _alone(work, version, group[0], total, prove)
            return
        except TransientError as error:
            if attempt == _ATTEMPTS or not _answers(work):
                raise
            seconds = _BACKOFF * 2 ** (attempt - 1)
            work.watcher.retries(group[0][2], error, seconds)
            time.sleep(seconds)


def _undo(work: Apply, statement: Statement, prove: Callable[[], None]) -> None:
    """Clears away what an attempt left that an engine does not undo by itself."""
    if statement.undo is not None:
        there, clear = statement.undo
        prove()
        if count(there, work.database):
            work.database.execute(clear)


def _answers(work: Apply) -> bool:
    """Undoes what is open, and tells whether the session is still there to try again."""
    try:
        work.database.rollback()
        _limit(work)
        work.database.query("SELECT 1 AS n")
    except FlowcError:
        return False
    return True


def _together(work: Apply, version: int, group: list[Numbered], total: int, prove: Callable[[], None]) -> None:
    database, dialect = work.database, work.dialect
    database.begin()
    prove()
    _recheck(_parts(work, [change for _, change, _ in group]), database)
    _recount(work, group)
    for number, change, statement in group:
        work.watcher.begins(work.kind, statement, number, total)
        with waiting_for(change.object, database), forgetting(change, statement, work.database, work.kind):
            database.execute(statement.sql)
        if statement.recheck:
            _recheck((change,), database)
        if statement.bare is not None:
            _demand_bare(statement.bare, database)
        _record(
            work,
            sql.start_step(
                work.project,
                version,
                number,
                hash_=statement_hash(statement),
                statement=statement.sql,
                now=_now(),
                dialect=dialect,
            ),
            sql.STEPS,
        )
        _record(work, sql.end_step(work.project, version, number, _now(), dialect), sql.STEPS)
    _record(work, sql.advance(work.project, version, group[-1][0], dialect))
    database.commit()


def _parts(work: Apply, changes: Sequence[Change]) -> list[Change]:
    """The changes, and those that they make as parts of a rebuild."""
    objects = {change.object for change in changes if change.kind in ("rebuild_table", "alter_table")}
    return [*dict.fromkeys(changes), *(change for change in work.planned if change.part_of in objects)]


def _recheck(changes: Iterable[Change], database: Database) -> None:
    """Asks again about values that a change of type would not keep, or a new column would make up.

    No engine refuses all of those by itself.
    """
    whole = isinstance(database, TableStore)  # where no engine refuses anything
    silent = [change for change in changes if whole or change.kind in _SILENT]
    asked = [replace(c, prechecks=tuple(ask(check, database) for check in c.prechecks)) for c in silent]
    refuse_blocked(asked, _STOPPED)


def _demand_bare(then: Table, database: Database) -> None:
    """Raises UsageError where somebody hung something on columns that are about to go, or changed them."""
    now = database.tables((then.name,)).get(then.name)
    columns = [now.column(column.name) for column in then.columns] if now else []
    if now is None or tuple(columns) != then.columns or now.beyond or now.dependents:
        names = ", ".join(f"`{column.name}`" for column in then.columns)
        found = [*now.beyond, *now.dependents, *(w for c in columns if c for w in c.beyond)] if now else []
        raise UsageError(
            f"`{then.name}` was changed by somebody else while {names} was filled anew; {names} is as it was",
            code="stale-plan",
            help="look at a new plan with `flowc plan`",
            details=tuple(f"there is now: {words}" for words in found),
        )


def _recount(work: Apply, group: Sequence[Numbered]) -> None:
    """Counts again what the changes that begin here lose, where somebody has approved a number."""
    begun = _parts(work, [change for _, change, statement in group if statement is change.statements[0]])
    asked = [c for c in begun if c.rows and c.object in work.approved]
    refuse_losses([replace(c, lost=count(c.rows or "", work.database)) for c in asked], work.approved, _MORE_NOW)


def _alone(work: Apply, version: int, entry: Numbered, total: int, prove: Callable[[], None]) -> None:
    """A statement that commits by itself."""
    number, change, statement = entry
    dialect = work.dialect
    _look(work.database, statement)
    _recheck(_parts(work, [change]), work.database)
    _recount(work, [entry])
    prove()
    work.watcher.begins(work.kind, statement, number, total)
    _record(work, sql.forget_step(work.project, version, number, dialect), sql.STEPS)
    _record(
        work,
        sql.start_step(
            work.project,
            version,
            number,
            hash_=statement_hash(statement),
            statement=statement.sql,
            now=_now(),
            dialect=dialect,
        ),
        sql.STEPS,
    )
    with waiting_for(change.object, work.database), forgetting(change, statement, work.database, work.kind):
        _guarded(work, change, statement)
    _record(work, sql.end_step(work.project, version, number, _now(), dialect), sql.STEPS)
    _record(work, sql.advance(work.project, version, number, dialect))


def _look(database: Database, statement: Statement) -> None:
    """Waits for loads of a table that is files, and looks at the version of it that the commit then must find."""
    if statement.commit is not None and isinstance(database, TableStore):
        name = statement.commit.table.name
        database.begin()
        database.lock(name)
        database.view(name)


def _execute(database: Database, statement: Statement) -> None:
    if statement.commit is not None and isinstance(database, TableStore):
        database.alter(statement.commit)
        database.commit()
    else:
        database.execute(statement.sql)


def _guarded(work: Apply, change: Change, statement: Statement) -> None:
    """Runs a statement, and keeps others from writing meanwhile where it says how."""
    with between(work.database, statement.guard):
        if statement.guard is not None:
            _recheck(_parts(work, [change]), work.database)
        with between(work.database, statement.session):
            _execute(work.database, statement)


def statement_hash(statement: Statement) -> str:
    """What tells one statement from another."""
    return sha256(statement.sql.encode()).hexdigest()[:16]
