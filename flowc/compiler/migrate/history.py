"""The history of applied plans, as tables in the database that they change: `flowc.migrations` and its steps."""

from __future__ import annotations

from datetime import datetime

from flowc.catalog import Column
from flowc.compiler.dialect import Dialect
from flowc.compiler.quote import ident, idents, instant, table, text
from flowc.compiler.tables.ddl import cast
from flowc.compiler.tables.state import ensure_state
from flowc.types import BIGINT, TEXT, TIMESTAMPTZ

MIGRATIONS, STEPS, LOCKS = "migrations", "migration_steps", "locks"
_MIGRATIONS = (
    Column("version", BIGINT, nullable=False),
    Column("plan", TEXT, nullable=False),
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


def ensure_history(dialect: Dialect) -> tuple[str, ...]:
    """Makes the tables of the history where they are missing."""
    return (
        *ensure_state(MIGRATIONS, _MIGRATIONS, ("version",), dialect),
        *ensure_state(STEPS, _STEPS, ("version", "step"), dialect),
    )


def ensure_locks(dialect: Dialect) -> tuple[str, ...]:
    """Makes the table of locks where it is missing."""
    return ensure_state(LOCKS, _LOCKS, ("name",), dialect)


def read_history(dialect: Dialect) -> str:
    """All versions, oldest first, without their snapshots."""
    names = idents(c.name for c in _MIGRATIONS if c.name != "snapshot")
    return f"SELECT {names} FROM {_name(MIGRATIONS, dialect)} ORDER BY {ident('version')}"


def read_snapshot(version: int, dialect: Dialect) -> str:
    """The snapshot of one version that was finished."""
    done = f"{ident('version')} = {version} AND {ident('status')} = {text('done', dialect)}"
    return f"SELECT {ident('snapshot')} FROM {_name(MIGRATIONS, dialect)} WHERE {done}"


def read_begun(version: int, dialect: Dialect) -> str:
    """What the versions after one set out to change."""
    later = f"{ident('version')} > {version} AND {ident('snapshot')} IS NOT NULL"
    return f"SELECT {ident('snapshot')} FROM {_name(MIGRATIONS, dialect)} WHERE {later}"


def read_steps(version: int, dialect: Dialect) -> str:
    """The hashes of the statements of a version that are done."""
    done = f"{ident('version')} = {version} AND {ident('finished_at')} IS NOT NULL"
    return f"SELECT {ident('hash')} FROM {_name(STEPS, dialect)} WHERE {done} ORDER BY {ident('step')}"


def start(
    version: int, plan: str, total: int, owner: str, flowc: str, now: datetime, begun: str, dialect: Dialect
) -> str:
    """Records that an apply has begun, and in the place of its snapshot what it is to change."""
    values: dict[str, object] = {
        "version": version, "plan": plan, "status": "running", "applied": 0, "total": total, "started_at": now,
        "owner": owner, "flowc": flowc, "snapshot": begun,
    }  # fmt: skip
    return _insert(MIGRATIONS, values, dialect)


def start_step(version: int, step: int, hash_: str, statement: str, now: datetime, dialect: Dialect) -> str:
    """Records that a statement is about to run."""
    values = {"version": version, "step": step, "hash": hash_, "statement": statement, "started_at": now}
    return _insert(STEPS, values, dialect)


def forget_step(version: int, step: int, dialect: Dialect) -> str:
    """Takes back the record of a statement that is to be tried again."""
    where = f"{ident('version')} = {version} AND {ident('step')} = {step}"
    return f"DELETE FROM {_name(STEPS, dialect)} WHERE {where}"


def end_step(version: int, step: int, now: datetime, dialect: Dialect) -> str:
    """Records that a statement has run."""
    where = f"{ident('version')} = {version} AND {ident('step')} = {step}"
    return f"UPDATE {_name(STEPS, dialect)} SET {ident('finished_at')} = {_value(now, dialect)} WHERE {where}"


def advance(version: int, applied: int, dialect: Dialect) -> str:
    """Records how many statements have run."""
    return (
        f"UPDATE {_name(MIGRATIONS, dialect)} SET {ident('applied')} = {applied} WHERE {ident('version')} = {version}"
    )


def finish(version: int, status: str, now: datetime, snapshot: str | None, error: str | None, dialect: Dialect) -> str:
    """Records how an apply has ended, and what it left."""
    values = {"status": status, "finished_at": now, "snapshot": snapshot, "error": error}
    sets = ", ".join(f"{ident(name)} = {_value(value, dialect)}" for name, value in values.items() if value is not None)
    return f"UPDATE {_name(MIGRATIONS, dialect)} SET {sets} WHERE {ident('version')} = {version}"


def take_lock(name: str, owner: str, seconds: float, dialect: Dialect) -> str:
    """Takes a lock that nobody holds, for so long by the database's clock; fails on its key where somebody does."""
    values = ", ".join((text(name, dialect), text(owner, dialect), _clock(dialect), _clock(dialect, seconds)))
    return f"INSERT INTO {_name(LOCKS, dialect)} ({idents(c.name for c in _LOCKS)}) VALUES ({values})"


def hold_lock(name: str, owner: str, seconds: float, dialect: Dialect) -> str:
    """Prolongs a lock; touches no row when it is no longer ours."""
    sets = f"{ident('expires_at')} = {_clock(dialect, seconds)}"
    return f"UPDATE {_name(LOCKS, dialect)} SET {sets} WHERE {_own(name, owner, dialect)}"


def keep_lock(name: str, owner: str, dialect: Dialect) -> str | None:
    """A query of the lock that nobody can take away before the transaction ends, while it may be prolonged.

    It returns no row when the lock is no longer ours. None where holding it does not keep others from prolonging it.
    """
    kept = dialect.functions.get("kept_row")
    if kept is None:
        return None
    return f"SELECT {ident('owner')} FROM {_name(LOCKS, dialect)} WHERE {_own(name, owner, dialect)}{kept}"


def drop_lock(name: str, owner: str, dialect: Dialect) -> str:
    """Gives a lock back, or takes a dead owner's away."""
    return f"DELETE FROM {_name(LOCKS, dialect)} WHERE {_own(name, owner, dialect)}"


def expire_lock(name: str, owner: str, dialect: Dialect) -> str:
    """Takes a lock away whose lease has ended by the time of the statement."""
    return f"{drop_lock(name, owner, dialect)} AND {_expired(dialect)}"


def read_lock(name: str, dialect: Dialect) -> str:
    """Who holds a lock, since when, until when, and whether that is over."""
    held = f"{ident('name')} = {text(name, dialect)}"
    columns = f"{idents(('owner', 'acquired_at', 'expires_at'))}, {_expired(dialect)} AS {ident('expired')}"
    return f"SELECT {columns} FROM {_name(LOCKS, dialect)} WHERE {held}"


def _expired(dialect: Dialect) -> str:
    return f"{ident('expires_at')} < {_clock(dialect)}"


def _clock(dialect: Dialect, seconds: float = 0) -> str:
    """The time of the database, which is the same for all that ask it, and so many seconds more."""
    now = dialect.function("clock")
    return dialect.function("add_seconds", now, f"{seconds:f}") if seconds else now


def _own(name: str, owner: str, dialect: Dialect) -> str:
    return f"{ident('name')} = {text(name, dialect)} AND {ident('owner')} = {text(owner, dialect)}"


def _name(state: str, dialect: Dialect) -> str:
    return table(dialect.state_table(state))


def _insert(state: str, values: dict[str, object], dialect: Dialect) -> str:
    written = ", ".join(_value(value, dialect) for value in values.values())
    return f"INSERT INTO {_name(state, dialect)} ({idents(values)}) VALUES ({written})"


def _value(value: object, dialect: Dialect) -> str:
    if isinstance(value, int):
        return str(value)
    if isinstance(value, datetime):
        written = instant(value) if dialect.zoned_literals else instant(value).removesuffix("+00:00")
        quoted = text(written, dialect)
        return cast(quoted, TIMESTAMPTZ, dialect) if dialect.typed_literals else quoted
    return text(str(value), dialect)
