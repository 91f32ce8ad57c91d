"""One apply at a time: a lock in the database, with an owner and a lease that a thread renews.

A lock whose owner is a process of this machine that is gone is taken over at once; any other one when its lease ends.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flowc.compiler.dialect import Dialect
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.migrate import history as sql
from flowc.errors import DataError, EngineError, FlowcError, TransientError, UsageError
from flowc.runtime.connector import Database

LEASE = 30.0
"""Seconds that a lock outlives the last sign of life of its owner."""
_APPLY = "apply"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the lock."""

    owner: str
    acquired_at: datetime
    expires_at: datetime


def owner_name() -> str:
    """This process, as other owners see it: the machine, the process, and when it began."""
    return f"{socket.gethostname()}:{os.getpid()}:{_started(os.getpid())}"


def _started(process: int) -> str:
    """When a process of this machine began, in ticks since the machine did; empty where that cannot be told."""
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def is_gone(owner: str) -> bool:
    """Whether the owner was a process of this machine that no longer runs."""
    host, process, began = [*owner.rsplit(":", 2), "", ""][:3]
    if host != socket.gethostname() or not process.isdigit():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return bool(began) and _started(int(process)) != began


@contextmanager
def apply_lock(
    database: Database, kind: str, timeout: float, second: Callable[[], Database] | None
) -> Iterator[Callable[[], None]]:
    """Holds the lock of applies, and gives a function that proves it is still held.

    Waits up to `timeout` seconds. `second` opens another session, from which the lease is renewed while a long
    statement runs; None where the engine has room for one writer only.

    Raises UsageError when somebody else holds it for longer than that.
    """
    dialect, owner = DIALECTS[kind], owner_name()
    _acquire(database, dialect, owner, timeout)
    beat = _Heartbeat(second, dialect, owner)
    try:
        beat.start()
        yield lambda: _prove(database, dialect, owner)
    finally:
        beat.stop()
        _release(database, dialect, owner)


def _acquire(database: Database, dialect: Dialect, owner: str, timeout: float) -> None:
    end = time.monotonic() + timeout
    _ensure(database, dialect, end)
    while True:
        holder = _try(database, dialect, owner)
        if holder is None:
            return
        if time.monotonic() >= end:
            raise _held(holder)
        time.sleep(0.1)


def _ensure(database: Database, dialect: Dialect, end: float) -> None:
    """Makes the table of locks; two that do so at once may get in each other's way, and one tries again."""
    while True:
        try:
            for statement in sql.ensure_locks(dialect):
                database.execute(statement)
            return
        except FlowcError:
            if time.monotonic() >= end:
                raise
            time.sleep(0.1)


def _try(database: Database, dialect: Dialect, owner: str) -> Holder | None:
    """Takes the lock; who holds it where somebody does."""
    now = datetime.now(UTC)
    try:
        database.execute(sql.take_lock(_APPLY, owner, now, now + timedelta(seconds=LEASE), dialect))
        return None
    except (DataError, EngineError, TransientError):
        rows = database.query(sql.read_lock(_APPLY, dialect)).to_pylist()
    if not rows:
        return Holder("somebody", now, now)
    holder = Holder(**rows[0])
    if holder.owner == owner:
        return None
    if is_gone(holder.owner) or holder.expires_at < now:
        database.execute(sql.drop_lock(_APPLY, holder.owner, dialect))
    return holder


def _held(holder: Holder) -> UsageError:
    since = holder.acquired_at.isoformat(timespec="seconds")
    until = holder.expires_at.isoformat(timespec="seconds")
    return UsageError(
        f"another apply is at work here: {holder.owner}, since {since}, with a lease until {until}",
        code="apply-locked",
        help="wait for it with `--lock-timeout 600`; a lock whose owner is gone is taken over when its lease ends",
    )


def _prove(database: Database, dialect: Dialect, owner: str) -> None:
    until = datetime.now(UTC) + timedelta(seconds=LEASE)
    if database.execute(sql.hold_lock(_APPLY, owner, until, dialect)) != 1:
        raise UsageError(
            "the lock was lost: its lease ended, and another apply may have begun",
            code="apply-lock-lost",
            help="run `flowc apply` again; it goes on where this one stopped",
        )


def _release(database: Database, dialect: Dialect, owner: str) -> None:
    try:
        database.rollback()
        database.execute(sql.drop_lock(_APPLY, owner, dialect))
    except FlowcError:
        return  # the lease ends by itself


class _Heartbeat:
    """Renews the lease from a session of its own."""

    def __init__(self, second: Callable[[], Database] | None, dialect: Dialect, owner: str) -> None:
        self._second, self._dialect, self._owner = second, dialect, owner
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="flowc-lease", daemon=True)

    def start(self) -> None:
        if self._second is not None:
            self._thread.start()

    def stop(self) -> None:
        self._done.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def _run(self) -> None:
        assert self._second is not None
        session = self._second()
        while not self._done.wait(LEASE / 3):
            until = datetime.now(UTC) + timedelta(seconds=LEASE)
            try:
                session.execute(sql.hold_lock(_APPLY, self._owner, until, self._dialect))
            except FlowcError:
                continue  # the next beat may get through, and the owner proves the lock before it acts
        session.close()
