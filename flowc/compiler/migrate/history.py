"""The history of applied plans, as tables in the database that they change: `flowc.migrations` and its steps."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from flowc.catalog import Column
from flowc.compiler.dialect import Dialect
from flowc.compiler.quote import ident, idents, text
from flowc.compiler.tables.rowsql import clock, insert, state_name, value
from flowc.compiler.tables.state import PROJECT_COLUMN, ensure_state
from flowc.loadplan import PROJECT
from flowc.types import BIGINT, TEXT, TIMESTAMPTZ

MIGRATIONS, STEPS, LOCKS = "migrations", "migration_steps", "locks"
_MIGRATIONS = (
    PROJECT_COLUMN,
    Column("version", BIGINT, nullable=False),
    Column("plan_id", TEXT, nullable=False),
    Column("status", TEXT, nullable=False),
    Column("applied", BIGINT, nullable=False),
    Column("total", BIGINT, nullable=False),
    Column("started_at", TIMESTAMPTZ, nullable=False),
    Column("finished_at", TIMESTAMPTZ),
    Column("owner", TEXT, nullable=False),
    Column("flowc", TEXT, nullable=False),
    Column("error", TEXT),
    Column("snapshot", TEXT),
)
_STEPS = (
    PROJECT_COLUMN,
    Column("version", BIGINT, nullable=False),
    Column("step", BIGINT, nullable=False),
    Column("hash", TEXT, nullable=False),
    Column("statement", TEXT, nullable=False),
    Column("started_at", TIMESTAMPTZ, nullable=False),
    Column("finished_at", TIMESTAMPTZ),
)
_LOCKS = (
    Column("name", TEXT, nullable=False),
    Column("owner", TEXT, nullable=False),
    Column("acquired_at", TIMESTAMPTZ, nullable=False),
    Column("expires_at", TIMESTAMPTZ, nullable=False),
)


_TABLES = (
    (MIGRATIONS, _MIGRATIONS, (PROJECT, "version")),
    (STEPS, _STEPS, (PROJECT, "version", "step")),
)


def ensure_history(dialect: Dialect) -> tuple[str, ...]:
    """Makes the tables of the history where they are missing."""
    return tuple(statement for name, columns, key in _TABLES for statement in ensure_state(name, columns, key, dialect))


def ensure_locks(dialect: Dialect) -> tuple[str, ...]:
    """Makes the table of locks where it is missing."""
    return ensure_state(LOCKS, _LOCKS, ("name",), dialect)


def locks_table(dialect: Dialect) -> str:
    """What the table of locks is called, for people."""
    return str(dialect.state_table(LOCKS))


def columns_of_history() -> Iterator[str]:
    """The names of the columns of the table of versions."""
    return (column.name for column in _MIGRATIONS)


def read_history(project: str, dialect: Dialect) -> str:
    """All versions of a project, oldest first, without their snapshots; `plan_id` is called `plan`."""
    names = ", ".join(_column(name) for name in columns_of_history() if name not in (PROJECT, "snapshot"))
    of = f"{ident(PROJECT)} = {text(project, dialect)}"
    return f"SELECT {names} FROM {state_name(MIGRATIONS, dialect)} WHERE {of} ORDER BY {ident('version')}"


def _column(name: str) -> str:
    return f"{ident(name)} AS {ident('plan')}" if name == "plan_id" else ident(name)


def read_snapshots(dialect: Dialect) -> str:
    """The snapshots that count: for each project that of its last finished version, and of those begun after it."""
    name = state_name(MIGRATIONS, dialect)
    last = f"SELECT MAX(d.{ident('version')}) FROM {name} AS d WHERE d.{ident('status')} = 'done'"
    last += f" AND d.{ident(PROJECT)} = m.{ident(PROJECT)}"
    columns = ", ".join(f"m.{ident(n)}" for n in (PROJECT, "version", "status", "snapshot"))
    return (
        f"SELECT {columns} FROM {name} AS m WHERE m.{ident('snapshot')} IS NOT NULL "
        f"AND m.{ident('version')} >= COALESCE(({last}), 0) ORDER BY m.{ident('version')}"
    )


def count_versions(project: str, dialect: Dialect) -> str:
    """How many versions there are, and how many of a project: another number once anything was applied or taken."""
    mine = f"SUM(CASE WHEN {ident(PROJECT)} = {text(project, dialect)} THEN 1 ELSE 0 END)"
    return f"SELECT COUNT(*) AS n, {mine} AS mine FROM {state_name(MIGRATIONS, dialect)}"


def read_snapshot(project: str, version: int, dialect: Dialect) -> str:
    """The snapshot of one version that was finished."""
    of = _of(project, version, dialect)
    return (
        f"SELECT {ident('snapshot')} FROM {state_name(MIGRATIONS, dialect)} WHERE {of} AND {ident('status')} = 'done'"
    )


def start(
    project: str, version: int, plan: str, *, total: int, owner: str, flowc: str, now: datetime, snapshot: str,
    dialect: Dialect,
) -> str:  # fmt: skip
    """Records that an apply has begun, and what it will leave: other projects leave that alone from now on."""
    values: dict[str, object] = {
        "project": project, "version": version, "plan_id": plan, "status": "running", "applied": 0, "total": total,
        "started_at": now, "owner": owner, "flowc": flowc, "snapshot": snapshot,
    }  # fmt: skip
    return insert(MIGRATIONS, values, dialect)


def start_step(
    project: str, version: int, step: int, *, hash_: str, statement: str, now: datetime, dialect: Dialect
) -> str:
    """Records that a statement is about to run."""
    values = {
        "project": project, "version": version, "step": step, "hash": hash_, "statement": statement, "started_at": now,
    }  # fmt: skip
    return insert(STEPS, values, dialect)


def forget_step(project: str, version: int, step: int, dialect: Dialect) -> str:
    """Takes back the record of a statement that is to be tried again."""
    return f"DELETE FROM {state_name(STEPS, dialect)} WHERE {_step(project, version, step, dialect)}"


def end_step(project: str, version: int, step: int, now: datetime, dialect: Dialect) -> str:
    """Records that a statement has run."""
    sets = f"{ident('finished_at')} = {value(now, dialect)}"
    return f"UPDATE {state_name(STEPS, dialect)} SET {sets} WHERE {_step(project, version, step, dialect)}"


def advance(project: str, version: int, applied: int, dialect: Dialect) -> str:
    """Records how many statements have run."""
    sets = f"{ident('applied')} = {applied}"
    return f"UPDATE {state_name(MIGRATIONS, dialect)} SET {sets} WHERE {_of(project, version, dialect)}"


def finish(
    project: str, version: int, status: str, *, now: datetime, snapshot: str | None, error: str | None, dialect: Dialect
) -> str:
    """Records how an apply has ended, and what it left."""
    values = {"status": status, "finished_at": now, "snapshot": snapshot, "error": error}
    sets = ", ".join(f"{ident(name)} = {value(held, dialect)}" for name, held in values.items() if held is not None)
    return f"UPDATE {state_name(MIGRATIONS, dialect)} SET {sets} WHERE {_of(project, version, dialect)}"


def _of(project: str, version: int, dialect: Dialect) -> str:
    return f"{ident(PROJECT)} = {text(project, dialect)} AND {ident('version')} = {version}"


def _step(project: str, version: int, step: int, dialect: Dialect) -> str:
    return f"{_of(project, version, dialect)} AND {ident('step')} = {step}"


def take_lock(name: str, owner: str, seconds: float, dialect: Dialect) -> str:
    """Takes a lock that nobody holds, for so long by the database's clock; fails on its key where somebody does."""
    values = ", ".join((text(name, dialect), text(owner, dialect), clock(dialect), clock(dialect, seconds)))
    return f"INSERT INTO {state_name(LOCKS, dialect)} ({idents(c.name for c in _LOCKS)}) VALUES ({values})"


def hold_lock(name: str, owner: str, seconds: float, dialect: Dialect) -> str:
    """Prolongs a lock; touches no row when it is no longer ours."""
    sets = f"{ident('expires_at')} = {clock(dialect, seconds)}"
    return f"UPDATE {state_name(LOCKS, dialect)} SET {sets} WHERE {_own(name, owner, dialect)}"


def keep_lock(name: str, owner: str, dialect: Dialect) -> str | None:
    """A query of the lock that nobody can take away before the transaction ends, while it may be prolonged.

    It returns no row when the lock is no longer ours. None where holding it does not keep others from prolonging it.
    """
    kept = dialect.functions.get("kept_row")
    if kept is None:
        return None
    return f"SELECT {ident('owner')} FROM {state_name(LOCKS, dialect)} WHERE {_own(name, owner, dialect)}{kept}"


def drop_lock(name: str, owner: str, dialect: Dialect) -> str:
    """Gives a lock back, or takes a dead owner's away."""
    return f"DELETE FROM {state_name(LOCKS, dialect)} WHERE {_own(name, owner, dialect)}"


def expire_lock(name: str, owner: str, dialect: Dialect) -> str:
    """Takes a lock away whose lease has ended by the time of the statement."""
    return f"{drop_lock(name, owner, dialect)} AND {_expired(dialect)}"


def outlive_lock(name: str, owner: str, expires_at: datetime, dialect: Dialect) -> str:
    """Takes a lock away whose lease is the one that was seen."""
    return f"{drop_lock(name, owner, dialect)} AND {ident('expires_at')} = {value(expires_at, dialect)}"


def read_lock(name: str, dialect: Dialect) -> str:
    """Who holds a lock, since when, until when, and whether that is over."""
    held = f"{ident('name')} = {text(name, dialect)}"
    columns = f"{idents(('owner', 'acquired_at', 'expires_at'))}, {_expired(dialect)} AS {ident('expired')}"
    return f"SELECT {columns} FROM {state_name(LOCKS, dialect)} WHERE {held}"


def _expired(dialect: Dialect) -> str:
    return f"{ident('expires_at')} < {clock(dialect)}"


def _own(name: str, owner: str, dialect: Dialect) -> str:
    return f"{ident('name')} = {text(name, dialect)} AND {ident('owner')} = {text(owner, dialect)}"
